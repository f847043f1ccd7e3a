"""The scan: one owner at a time, and a row for every file that was ever seen."""

import pytest

from state.ids import OwnershipToken, ProcessUuid
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    ClaimBackfill,
    FileStatus,
    FindKnownRollouts,
    FinishBackfill,
    GetBackfillState,
    ListKnownRollouts,
    ListPendingRollouts,
    ListTroubledRollouts,
    LoadCheckpoints,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
    RolloutRead,
    RolloutUnreadable,
)
from state.messages.leases import NotOwner, Owner, Released, Renewed
from state.rollouts.model import UnreadablePath
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, found, index, path_of, read

ONE, TWO = OwnershipToken("one"), OwnershipToken("two")
OWNER = Owner(process=ProcessUuid("process-1"), worker="worker")


def claim(state: MemoryState, token: str = ONE, *, stale_after_ms: int | None = None) -> BackfillClaimed | BackfillHeld:
    """Ask for the scan with a lease of a minute."""
    return state.ask(ClaimBackfill(terms=terms(token, lease_ms=60_000, stale_after_ms=stale_after_ms)))


def statuses(state: MemoryState) -> dict[str, str]:
    """Every file's status by its path."""
    return dict(state.rows("SELECT path, status FROM rollout_files"))


def test_free_scan_is_claimed(state: MemoryState) -> None:
    assert claim(state) == BackfillClaimed(fencing_number=1, stolen_from=None)


def test_held_scan_is_refused_with_its_owner_and_the_time_left(state: MemoryState) -> None:
    claim(state)
    state.clock.advance(59_999)

    assert claim(state, TWO) == BackfillHeld(owner=OWNER, lease_left_ms=1)


def test_scan_whose_lease_has_ended_is_stolen_and_the_fencing_number_grows(state: MemoryState) -> None:
    claim(state)
    state.clock.advance(60_000)

    assert claim(state, TWO) == BackfillClaimed(fencing_number=2, stolen_from=OWNER)
    assert state.ask(RenewBackfill(token=ONE, lease_ms=60_000)) == NotOwner()


def test_scan_of_another_boot_is_stolen_at_once(state: MemoryState) -> None:
    claim(state)
    state.clock.reboot()

    assert claim(state, TWO) == BackfillClaimed(fencing_number=2, stolen_from=OWNER)


def test_wall_clock_neither_ends_nor_extends_a_lease(state: MemoryState) -> None:
    claim(state)
    state.clock.wall_ms += 86_400_000
    assert isinstance(claim(state, TWO), BackfillHeld)

    state.clock.wall_ms -= 2 * 86_400_000
    state.clock.boot_ms += 60_000
    assert isinstance(claim(state, TWO), BackfillClaimed)


@pytest.mark.parametrize("stale_after_ms", [0, -1])
def test_forced_claim_takes_a_scan_that_was_claimed_at_this_very_instant(
    state: MemoryState, stale_after_ms: int
) -> None:
    claim(state)

    assert claim(state, TWO, stale_after_ms=stale_after_ms) == BackfillClaimed(fencing_number=2, stolen_from=OWNER)


def test_forced_claim_compares_with_the_last_renewal(state: MemoryState) -> None:
    claim(state)
    state.clock.advance(10_000)
    state.ask(RenewBackfill(token=ONE, lease_ms=60_000))
    state.clock.advance(999)

    assert isinstance(claim(state, TWO, stale_after_ms=1_000), BackfillHeld)
    state.clock.advance(1)
    assert isinstance(claim(state, TWO, stale_after_ms=1_000), BackfillClaimed)


def test_same_token_asked_again_is_granted_again_and_changes_nothing(state: MemoryState) -> None:
    claim(state)
    before = state.tables()
    state.clock.advance(30_000)

    assert claim(state) == BackfillClaimed(fencing_number=1, stolen_from=None)
    assert state.tables() == before


def test_token_that_was_stolen_is_a_claimant_like_any_other(state: MemoryState) -> None:
    claim(state)
    state.clock.advance(60_000)
    claim(state, TWO)

    assert isinstance(claim(state), BackfillHeld)


def test_renewal_extends_the_lease_and_needs_the_token(state: MemoryState) -> None:
    claim(state)
    state.clock.advance(30_000)

    assert state.ask(RenewBackfill(token=ONE, lease_ms=60_000)) == Renewed(
        lease_until_boot_ms=state.clock.boot_ms + 60_000
    )
    assert state.ask(RenewBackfill(token=TWO, lease_ms=60_000)) == NotOwner()
    state.clock.advance(59_999)
    assert isinstance(claim(state, TWO), BackfillHeld)


def test_late_renewal_before_any_steal_is_granted(state: MemoryState) -> None:
    claim(state)
    state.clock.advance(3_600_000)

    assert isinstance(state.ask(RenewBackfill(token=ONE, lease_ms=60_000)), Renewed)
    assert isinstance(claim(state, TWO), BackfillHeld)


def test_renewal_after_a_restart_of_the_machine_counts_on_the_new_clock(state: MemoryState) -> None:
    claim(state)
    state.clock.reboot()
    state.ask(RenewBackfill(token=ONE, lease_ms=60_000))

    assert isinstance(claim(state, TWO), BackfillHeld)


def test_finished_scan_is_free_and_a_second_finish_is_refused(state: MemoryState) -> None:
    claim(state)

    assert state.ask(FinishBackfill(token=ONE, listed=True)) == Released()
    assert state.ask(FinishBackfill(token=ONE, listed=True)) == NotOwner()
    assert claim(state, TWO) == BackfillClaimed(fencing_number=2, stolen_from=None)


def test_moment_of_the_last_whole_listing_is_kept_when_a_later_one_is_cut_short(state: MemoryState) -> None:
    claim(state)
    listed_at_ms = state.clock.wall_ms
    state.ask(FinishBackfill(token=ONE, listed=True))
    state.clock.advance(1_000)
    claim(state, TWO)
    state.ask(FinishBackfill(token=TWO, listed=False))

    assert state.ask(GetBackfillState()).listed_at_ms == listed_at_ms


def test_refused_token_changes_nothing_at_all(state: MemoryState) -> None:
    index(state, facts(1))
    file = found("sessions/new.jsonl")
    before = state.tables()

    for request in (
        RenewBackfill(token=TWO, lease_ms=1),
        FinishBackfill(token=TWO, listed=True),
        RegisterRollouts(token=TWO, found=(file,), unreadable=(UnreadablePath(path="sessions/x", reason="no"),)),
        RecordRollouts(token=TWO, model_provider_default="openai", outcomes=(read(file, facts(2)),)),
        MarkRolloutsVanished(token=TWO, paths=(path_of(1),)),
    ):
        assert state.ask(request) == NotOwner(), request
    assert state.tables() == before


def test_index_is_complete_when_a_whole_listing_was_recorded_and_no_file_waits(state: MemoryState) -> None:
    file = found(path_of(1))
    claim(state)
    assert state.ask(GetBackfillState()).complete is False
    state.ask(RegisterRollouts(token=ONE, found=(file,)))
    state.ask(FinishBackfill(token=ONE, listed=True))
    assert state.ask(GetBackfillState()).complete is False

    claim(state, TWO)
    state.ask(RecordRollouts(token=TWO, model_provider_default="openai", outcomes=(read(file, facts(1)),)))

    progress = state.ask(GetBackfillState())
    assert progress.complete is True
    assert progress.files_by_status == {"indexed": 1}


def test_owner_of_the_scan_is_shown_only_while_its_lease_holds(state: MemoryState) -> None:
    claim(state)
    assert state.ask(GetBackfillState()).owner == OWNER

    state.clock.advance(60_000)
    assert state.ask(GetBackfillState()).owner is None


def test_new_files_are_registered_once(state: MemoryState) -> None:
    claim(state)
    files = (found("sessions/a.jsonl"), found("archived_sessions/b.jsonl"))

    assert state.ask(RegisterRollouts(token=ONE, found=files)) == 2
    before = state.tables()
    assert state.ask(RegisterRollouts(token=ONE, found=files)) == 0
    assert state.tables() == before
    assert statuses(state) == {"sessions/a.jsonl": "pending", "archived_sessions/b.jsonl": "pending"}


@pytest.mark.parametrize("change", [{"size_bytes": 101}, {"mtime_ns": 1}, {"inode": 8}])
def test_known_file_that_changed_is_read_again_from_its_checkpoint(state: MemoryState, change: dict[str, int]) -> None:
    index(state, facts(1))
    checkpoint = state.ask(LoadCheckpoints(paths=(path_of(1),)))

    assert state.ask(RegisterRollouts(token=SCAN, found=(found(path_of(1), **change),))) == 1

    assert statuses(state) == {path_of(1): "pending"}
    assert state.ask(LoadCheckpoints(paths=(path_of(1),))) == checkpoint


def test_file_that_changed_has_all_its_attempts_again(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(
        RecordRollouts(
            token=SCAN,
            model_provider_default="openai",
            outcomes=(RolloutUnreadable(path=path_of(1), reason="permission denied"),),
        )
    )

    state.ask(RegisterRollouts(token=SCAN, found=(found(path_of(1), size_bytes=101),)))

    assert state.rows("SELECT status, attempts, next_attempt_at_ms FROM rollout_files") == [("pending", 0, None)]


def test_path_that_cannot_be_looked_at_gets_a_row_that_goes_with_the_trouble(state: MemoryState) -> None:
    claim(state)
    trouble = UnreadablePath(path="sessions/2026", reason="permission denied")
    state.ask(RegisterRollouts(token=ONE, found=(), unreadable=(trouble,)))
    state.ask(RegisterRollouts(token=ONE, found=(), unreadable=(trouble,)))

    (row,) = state.ask(ListTroubledRollouts())
    assert (row.path, row.status, row.reason, row.attempts) == (
        "sessions/2026",
        FileStatus.FAILED,
        "permission denied",
        2,
    )
    state.ask(MarkRolloutsVanished(token=ONE, paths=("sessions/2026",)))
    assert statuses(state) == {}


def test_vanished_file_keeps_its_row_and_its_thread(state: MemoryState) -> None:
    index(state, facts(1))

    assert state.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(1),))) == 1
    assert state.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(1),))) == 0

    assert statuses(state) == {path_of(1): "vanished"}
    assert state.value("SELECT count(*) FROM threads") == 1


def test_vanished_file_that_comes_back_unchanged_is_read_again(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(1),)))

    assert state.ask(RegisterRollouts(token=SCAN, found=(found(path_of(1)),))) == 1
    assert statuses(state) == {path_of(1): "pending"}


def test_file_shadowed_by_one_that_vanished_is_read_again(state: MemoryState) -> None:
    index(state, facts(1), path="archived_sessions/old.jsonl")
    index(state, facts(1), path="sessions/new.jsonl")
    assert statuses(state) == {"archived_sessions/old.jsonl": "shadowed", "sessions/new.jsonl": "indexed"}

    state.ask(MarkRolloutsVanished(token=SCAN, paths=("sessions/new.jsonl",)))

    assert statuses(state) == {"archived_sessions/old.jsonl": "pending", "sessions/new.jsonl": "vanished"}


def test_known_files_come_in_pages_that_lose_none(state: MemoryState) -> None:
    claim(state)
    paths = [f"sessions/{number}.jsonl" for number in range(5)]
    state.ask(RegisterRollouts(token=ONE, found=tuple(found(path) for path in paths)))

    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = state.ask(ListKnownRollouts(after=after, limit=2))
        seen += [rollout.path for rollout in page.rollouts]
        after = page.next_after

    assert seen == paths


def test_checkpoints_are_those_of_files_that_were_read(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(RegisterRollouts(token=SCAN, found=(found("sessions/unread.jsonl"),)))

    checkpoints = state.ask(LoadCheckpoints(paths=(path_of(1), "sessions/unread.jsonl", "sessions/unknown.jsonl")))

    assert list(checkpoints) == [path_of(1)]
    assert checkpoints[path_of(1)].fold == f"fold of {path_of(1)}".encode()
    assert state.ask(LoadCheckpoints(paths=())) == {}


def test_files_that_a_person_may_want_to_look_at_are_listed_and_no_others(state: MemoryState) -> None:
    index(state, facts(1))
    index(state, facts(2), path="archived_sessions/shadowed.jsonl")
    index(state, facts(2), path="sessions/rival.jsonl")
    outcomes: dict[str, RolloutRead | RolloutUnreadable] = {
        "sessions/empty.jsonl": read(found("sessions/empty.jsonl"), None),
        "sessions/failed.jsonl": RolloutUnreadable(path="sessions/failed.jsonl", reason="permission denied"),
        "sessions/torn.jsonl": read(found("sessions/torn.jsonl"), facts(3), remark="last line is torn"),
    }
    state.ask(RegisterRollouts(token=SCAN, found=tuple(map(found, outcomes))))
    state.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=tuple(outcomes.values())))

    assert [(row.path, row.status.value) for row in state.ask(ListTroubledRollouts())] == [
        ("sessions/torn.jsonl", "indexed"),
        ("sessions/failed.jsonl", "failed"),
        ("sessions/empty.jsonl", "skipped"),
        ("archived_sessions/shadowed.jsonl", "shadowed"),
    ]
    assert len(state.ask(ListTroubledRollouts(limit=2))) == 2


def test_files_below_a_folder_are_those_and_no_others(state: MemoryState) -> None:
    claim(state)
    below = ["sessions/2026/11/a.jsonl", "sessions/2026/11/b/c.jsonl", "sessions/2026/11/z.jsonl"]
    beside = ["sessions/2026/11", "sessions/2026/11-x.jsonl", "sessions/2026/110.jsonl", "sessions/2026/2/a.jsonl"]
    state.ask(RegisterRollouts(token=ONE, found=tuple(found(path) for path in [*below, *beside])))

    first = state.ask(ListKnownRollouts(below="sessions/2026/11", limit=2))
    assert [rollout.path for rollout in first.rollouts] == below[:2]
    assert first.next_after == below[1]
    rest = state.ask(ListKnownRollouts(below="sessions/2026/11", limit=2, after=below[1]))
    assert [rollout.path for rollout in rest.rollouts] == below[2:]
    assert rest.next_after is None


def test_files_are_found_by_their_paths_and_unknown_ones_are_absent(state: MemoryState) -> None:
    index(state, facts(1))
    index(state, facts(2))

    known = state.ask(FindKnownRollouts(paths=(path_of(2), "sessions/unknown.jsonl")))

    assert [(row.path, row.status) for row in known] == [(path_of(2), FileStatus.INDEXED)]
    assert state.ask(FindKnownRollouts(paths=())) == ()


def test_files_that_wait_are_listed_newest_path_first(state: MemoryState) -> None:
    index(state, facts(1))
    assert state.ask(ListPendingRollouts()) == ()

    state.ask(RegisterRollouts(token=SCAN, found=tuple(found(f"sessions/{name}.jsonl") for name in "abc")))

    assert state.ask(ListPendingRollouts(limit=2)) == ("sessions/c.jsonl", "sessions/b.jsonl")
