"""The baseline's consolidation lock, law by law: `try_acquire_memory_consolidation_lock` and `release`.

There the lock is a row per working folder that names a thread and when it was last written. Here the row of the scope
is the lock; the owner is a process's UUID and a worker within it, and what proves a claim is its token.
`stale_after_ms` is the baseline's lease argument, which belongs to whoever asks.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from state.ids import OwnershipToken, ProcessUuid
from state.messages.consolidation import (
    ClaimScope,
    ConsolidationClaimed,
    ReleaseConsolidation,
    RenewConsolidation,
    ScopeHeld,
)
from state.messages.leases import NotOwner, Owner, Released, Renewed
from tests.fakes.consolidation import BLOG, SHOP
from tests.fakes.memory_state import MemoryState, terms

LEASE_MS = 60_000


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """A state in which no scope has a row."""
    state = MemoryState()
    yield state
    state.close()


def acquire(state: MemoryState, token: str, *, scope: Any = SHOP, **more: Any) -> Any:
    """Ask for the lock of a scope."""
    return state.ask(ClaimScope(terms=terms(token, **{"lease_ms": LEASE_MS, **more}), scope=scope))


def release(state: MemoryState, token: str) -> Any:
    """Give the lock back."""
    return state.ask(ReleaseConsolidation(token=OwnershipToken(token)))


def test_lock_of_a_scope_without_a_row_is_granted_and_makes_the_row(state: MemoryState) -> None:
    """Baseline: no row -> insert -> true."""
    granted = acquire(state, "one")

    assert isinstance(granted, ConsolidationClaimed)
    assert (granted.scope, granted.fencing_number, granted.inputs_mark) == (SHOP, 1, 0)
    assert state.rows("SELECT scope_key, ownership_token FROM scopes") == [(SHOP.key, "one")]


def test_locks_of_two_scopes_do_not_meet(state: MemoryState) -> None:
    """Baseline: the primary key is the working folder."""
    assert isinstance(acquire(state, "one"), ConsolidationClaimed)
    assert isinstance(acquire(state, "two", scope=BLOG), ConsolidationClaimed)


def test_same_owner_renews(state: MemoryState) -> None:
    """Baseline: the holding thread asks again, its lease still good -> the row is written anew -> true."""
    first = acquire(state, "one")
    state.clock.advance(LEASE_MS - 1)

    assert acquire(state, "one") == first

    state.clock.advance(LEASE_MS - 1)
    assert isinstance(acquire(state, "two"), ScopeHeld)


def test_same_owner_renews_late_as_long_as_nobody_took_the_lock(state: MemoryState) -> None:
    """Baseline: the holding thread is let in whatever the age of the row."""
    first = acquire(state, "one")
    state.clock.advance(100 * LEASE_MS)

    assert acquire(state, "one") == first
    assert isinstance(acquire(state, "two"), ScopeHeld)


def test_another_is_refused_and_told_who_holds_the_lock(state: MemoryState) -> None:
    """Baseline: another thread within the lease -> false, and nothing is written."""
    acquire(state, "one", process="process-1")
    state.clock.advance(LEASE_MS - 1)
    before = state.tables()

    assert acquire(state, "two", process="process-2") == ScopeHeld(
        owner=Owner(process=ProcessUuid("process-1"), worker="worker"), lease_left_ms=1
    )
    assert state.tables() == before


@pytest.mark.parametrize("process", ["process-1", "process-2"])
def test_name_alone_lets_nobody_in(state: MemoryState, process: str) -> None:
    """Baseline: whoever shows the thread's id re-enters freely, a zombie of it too. Here the same worker's name, in
    another process or in the same one, is no proof: the token is."""
    acquire(state, "one", process="process-1")
    before = state.tables()

    assert isinstance(acquire(state, "zombie", process=process), ScopeHeld)
    assert state.tables() == before


def test_zombie_that_lost_the_lock_is_refused_with_its_old_token(state: MemoryState) -> None:
    """Baseline: a thread that comes back after it was taken over is another one, and is refused."""
    acquire(state, "zombie", process="process-1")
    state.clock.advance(LEASE_MS)
    acquire(state, "two", process="process-2")
    before = state.tables()

    assert isinstance(acquire(state, "zombie", process="process-1"), ScopeHeld)
    assert release(state, "zombie") == NotOwner()
    assert state.ask(RenewConsolidation(token=OwnershipToken("zombie"), lease_ms=LEASE_MS)) == NotOwner()
    assert state.tables() == before


@pytest.mark.parametrize(("age_ms", "is_taken"), [(LEASE_MS - 1, False), (LEASE_MS, True), (LEASE_MS + 1, True)])
def test_stale_lock_is_taken_over_and_equal_means_stale(state: MemoryState, age_ms: int, is_taken: bool) -> None:
    """Baseline: updated_at <= now - lease -> taken over -> true."""
    acquire(state, "one", lease_ms=86_400_000)
    state.clock.advance(age_ms)

    granted = acquire(state, "two", process="process-2", stale_after_ms=LEASE_MS)

    assert isinstance(granted, ConsolidationClaimed) is is_taken
    assert state.value("SELECT ownership_token FROM scopes") == ("two" if is_taken else "one")


@pytest.mark.parametrize(("age_ms", "is_taken"), [(LEASE_MS - 1, False), (LEASE_MS, True), (LEASE_MS + 1, True)])
def test_without_a_number_of_the_claimant_the_owners_lease_decides(
    state: MemoryState, age_ms: int, is_taken: bool
) -> None:
    """Beyond the baseline: two claimants with different ideas of a lease cannot disagree about who owns the lock."""
    acquire(state, "one")
    state.clock.advance(age_ms)

    assert isinstance(acquire(state, "two", process="process-2"), ConsolidationClaimed) is is_taken


@pytest.mark.parametrize("lease_ms", [0, -1, -86_400_000])
def test_lease_of_zero_takes_a_lock_of_this_very_instant_and_a_negative_one_is_the_same(
    state: MemoryState, lease_ms: int
) -> None:
    """Baseline: max(lease, 0), and updated_at <= now - 0 holds for a row that was written just now."""
    acquire(state, "one")

    granted = acquire(state, "two", process="process-2", stale_after_ms=lease_ms)

    assert isinstance(granted, ConsolidationClaimed)
    assert granted.fencing_number == 2


@pytest.mark.parametrize("lease_ms", [0, -1])
def test_lock_that_was_written_later_than_now_is_not_taken_by_a_lease_of_zero(
    state: MemoryState, lease_ms: int
) -> None:
    """Baseline: updated_at <= now decides, so a clock that went back protects the holder."""
    acquire(state, "one")
    state.clock.boot_ms -= 1

    assert isinstance(acquire(state, "two", process="process-2", stale_after_ms=lease_ms), ScopeHeld)


def test_renewal_keeps_the_lock_from_a_claimant_with_a_short_lease(state: MemoryState) -> None:
    """Baseline: a renewal writes updated_at, which the claimant's lease is compared with."""
    acquire(state, "one")
    state.clock.advance(30_000)
    acquire(state, "one")
    state.clock.advance(29_999)

    assert isinstance(acquire(state, "two", process="process-2", stale_after_ms=30_000), ScopeHeld)
    state.clock.advance(1)
    assert isinstance(acquire(state, "two", process="process-2", stale_after_ms=30_000), ConsolidationClaimed)


def test_owner_gives_the_lock_back(state: MemoryState) -> None:
    """Baseline: working folder and thread match -> deleted -> true; the next one gets it at once."""
    acquire(state, "one")

    assert release(state, "one") == Released()
    assert isinstance(acquire(state, "two", process="process-2"), ConsolidationClaimed)


@pytest.mark.parametrize("token", ["never-granted", "two"])
def test_release_by_somebody_else_does_nothing(state: MemoryState, token: str) -> None:
    """Baseline: no row matches both -> false, and the holder keeps the lock."""
    acquire(state, "one")
    acquire(state, "two", scope=BLOG)
    release(state, "two")
    before = state.tables()

    assert release(state, token) == NotOwner()
    assert state.tables() == before


def test_lock_is_given_back_once(state: MemoryState) -> None:
    """Baseline: the second release finds no row -> false."""
    acquire(state, "one")
    release(state, "one")

    assert release(state, "one") == NotOwner()


def test_lock_is_granted_though_the_scope_is_clean(state: MemoryState) -> None:
    """Baseline: the lock knows nothing of the dirty flag."""
    acquire(state, "one")
    release(state, "one")

    assert isinstance(acquire(state, "two"), ConsolidationClaimed)


def test_renewal_message_and_renewing_claim_are_the_same(state: MemoryState) -> None:
    """Baseline: there is one way to renew. Here a heartbeat need not know the scope."""
    acquire(state, "one")
    state.clock.advance(10_000)
    asked = state.ask(RenewConsolidation(token=OwnershipToken("one"), lease_ms=LEASE_MS))
    after_message = state.rows("SELECT * FROM scopes")
    acquire(state, "one")

    assert asked == Renewed(lease_until_boot_ms=state.clock.boot_ms + LEASE_MS)
    assert state.rows("SELECT * FROM scopes") == after_message
