"""When a lease holds: equal means expired, and no lease outlives its boot."""

import attrs
import pytest

from state.ids import Instant, ProcessUuid
from state.messages.leases import LEASE_MS_MAX, Owner
from state.rules.leases import LeaseRow, is_held, lease_left_ms, lease_until

NOW = Instant(wall_ms=1_790_000_000_000, boot_ms=1_000_000, boot_id="boot-1")


def row(*, until: int = NOW.boot_ms + 1, renewed: int = NOW.boot_ms, boot_id: str = "boot-1") -> LeaseRow:
    """A held row: when its lease ends and was last renewed, on the boot clock."""
    return LeaseRow(
        owner_process=ProcessUuid("process-1"),
        owner_worker="worker",
        ownership_token="token",
        lease_boot_id=boot_id,
        lease_until_boot_ms=until,
        renewed_boot_ms=renewed,
    )


FREE = LeaseRow(
    owner_process=None,
    owner_worker=None,
    ownership_token=None,
    lease_boot_id=None,
    lease_until_boot_ms=None,
    renewed_boot_ms=None,
)


@pytest.mark.parametrize(("left_ms", "held"), [(1, True), (0, False), (-1, False)])
def test_lease_holds_until_its_end_and_equal_means_expired(left_ms: int, held: bool) -> None:
    lease = row(until=NOW.boot_ms + left_ms)

    assert is_held(lease, NOW) is held
    assert lease_left_ms(lease, NOW) == left_ms


def test_lease_of_another_boot_has_ended_whatever_its_clock_says() -> None:
    lease = row(until=NOW.boot_ms + 3_600_000, boot_id="boot-0")

    assert is_held(lease, NOW) is False
    assert is_held(lease, NOW, 3_600_000) is False
    assert lease_left_ms(lease, NOW) < 0


def test_free_row_is_held_by_nobody() -> None:
    assert FREE.owner is None
    assert is_held(FREE, NOW) is False
    assert is_held(FREE, NOW, 3_600_000) is False
    assert lease_left_ms(FREE, NOW) < 0


@pytest.mark.parametrize(
    ("renewed_ms_ago", "stale_after_ms", "held"),
    [
        (0, 0, False),
        (0, 1, True),
        (999, 1_000, True),
        (1_000, 1_000, False),
        (1_001, 1_000, False),
        (0, -1, False),
        (-1, 0, True),
        (-1, -5_000, True),
    ],
)
def test_claimant_may_say_how_old_a_renewal_is_stale(renewed_ms_ago: int, stale_after_ms: int, held: bool) -> None:
    """Zero takes the row from whoever renewed at this very instant; a negative number is the same as zero."""
    assert is_held(row(renewed=NOW.boot_ms - renewed_ms_ago), NOW, stale_after_ms) is held


@pytest.mark.parametrize("stale_after_ms", [5_000, 0])
def test_claimants_number_overrules_the_owners_lease(stale_after_ms: int) -> None:
    ended_but_fresh = row(until=NOW.boot_ms - 1, renewed=NOW.boot_ms - 10)
    long_but_old = row(until=NOW.boot_ms + 3_600_000, renewed=NOW.boot_ms - 5_000)

    assert is_held(ended_but_fresh, NOW, stale_after_ms) is (stale_after_ms == 5_000)
    assert is_held(long_but_old, NOW, stale_after_ms) is False


@pytest.mark.parametrize("lease_ms", [1, 60_000, LEASE_MS_MAX])
def test_lease_lasts_as_long_as_was_asked(lease_ms: int) -> None:
    assert lease_until(lease_ms, NOW) == NOW.boot_ms + lease_ms


@pytest.mark.parametrize("boot_ms", [-(10**12), -1, 0, 1, 10**12, 2**62])
def test_only_differences_of_the_boot_clock_count(boot_ms: int) -> None:
    now = attrs.evolve(NOW, boot_ms=boot_ms)
    lease = row(until=lease_until(1_000, now), renewed=boot_ms)

    assert is_held(lease, attrs.evolve(now, boot_ms=boot_ms + 999)) is True
    assert is_held(lease, attrs.evolve(now, boot_ms=boot_ms + 1_000)) is False
    assert lease_left_ms(lease, now) == 1_000


@pytest.mark.parametrize("wall_ms", [-(2**62), 0, 2**62])
def test_wall_clock_judges_no_lease(wall_ms: int) -> None:
    assert is_held(row(), attrs.evolve(NOW, wall_ms=wall_ms)) is True
    assert is_held(row(until=NOW.boot_ms), attrs.evolve(NOW, wall_ms=wall_ms)) is False


def test_boot_clock_that_went_back_prolongs_a_lease_by_as_much() -> None:
    lease = row(until=NOW.boot_ms + 1_000)

    assert is_held(lease, attrs.evolve(NOW, boot_ms=NOW.boot_ms - 60_000)) is True
    assert lease_left_ms(lease, attrs.evolve(NOW, boot_ms=NOW.boot_ms - 60_000)) == 61_000


@pytest.mark.parametrize(("until_ms", "held"), [(LEASE_MS_MAX, True), (LEASE_MS_MAX + 1, False), (2**62, False)])
def test_lease_that_ends_later_than_any_that_is_granted_now_is_stale(until_ms: int, held: bool) -> None:
    """The clock went back by more than a lease, or somebody wrote the row by hand; either way it blocks nobody."""
    assert is_held(row(until=NOW.boot_ms + until_ms), NOW) is held


@pytest.mark.parametrize(
    "column", ["owner_process", "ownership_token", "lease_boot_id", "lease_until_boot_ms", "renewed_boot_ms"]
)
@pytest.mark.parametrize("stale_after_ms", [None, 3_600_000])
def test_row_with_half_of_a_lease_is_held_by_nobody(column: str, stale_after_ms: int | None) -> None:
    half = attrs.evolve(row(), **{column: None})

    assert is_held(row(), NOW, stale_after_ms) is True
    assert is_held(half, NOW, stale_after_ms) is False


def test_owner_is_process_and_worker() -> None:
    assert row().owner == Owner(process=ProcessUuid("process-1"), worker="worker")
