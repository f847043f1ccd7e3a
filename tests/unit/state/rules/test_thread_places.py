"""A row follows its file: looked up, found elsewhere, archived, brought back."""

from typing import Any

import pytest

from state.messages.backfill import ClaimBackfill, MarkRolloutsVanished, RegisterRollouts
from state.messages.thread_edits import InvalidThreadId
from state.messages.thread_places import (
    FindRolloutPath,
    MarkThreadArchived,
    MarkThreadUnarchived,
    PlaceKnown,
    RepairRolloutPath,
    RolloutPathFound,
    ThreadPlace,
)
from state.messages.threads import GetThread, ListThreadIds, Thread, ThreadFound, UnknownThread
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import CONTENT_AT_MS, SCAN, facts, found, index, path_of, thread_id

ONE = thread_id(1)
ARCHIVE = f"archived_sessions/{path_of(1).rpartition('/')[2]}"
UPDATED_AT_MS = CONTENT_AT_MS


def thread(state: MemoryState) -> Thread:
    """The row of the first thread."""
    answer = state.ask(GetThread(thread_id=ONE))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def archived(at_ms: int = 5, mtime_ms: int | None = 7) -> MarkThreadArchived:
    """The first thread was archived."""
    return MarkThreadArchived(thread_id=ONE, path=ARCHIVE, archived_at_ms=at_ms, mtime_ms=mtime_ms)


@pytest.mark.parametrize(
    ("path", "place", "is_found"),
    [
        (path_of(1), ThreadPlace.ANY, True),
        (path_of(1), ThreadPlace.ACTIVE, True),
        (path_of(1), ThreadPlace.ARCHIVED, False),
        (ARCHIVE, ThreadPlace.ANY, True),
        (ARCHIVE, ThreadPlace.ACTIVE, False),
        (ARCHIVE, ThreadPlace.ARCHIVED, True),
    ],
)
def test_path_is_found_in_its_place_only(state: MemoryState, path: str, place: ThreadPlace, is_found: bool) -> None:
    index(state, facts(1), path=path)

    answer = state.ask(FindRolloutPath(thread_id=ONE.upper(), place=place))

    if is_found:
        assert answer == RolloutPathFound(thread_id=ONE, path=path, archived=path == ARCHIVE)
    else:
        assert answer == UnknownThread(thread_id=ONE)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (FindRolloutPath, {}),
        (RepairRolloutPath, {"path": "x", "archived": False}),
        (MarkThreadArchived, {"path": "x", "archived_at_ms": 1, "mtime_ms": None}),
        (MarkThreadUnarchived, {"path": "x", "mtime_ms": None}),
    ],
)
def test_unknown_threads_and_ids_that_are_none_are_told_apart(
    state: MemoryState, kind: Any, more: dict[str, Any]
) -> None:
    assert state.ask(kind(thread_id="no", **more)) == InvalidThreadId(asked="no")
    assert state.ask(kind(thread_id=ONE, **more)) == UnknownThread(thread_id=ONE)


def test_archived_row_says_where_and_since_when(state: MemoryState) -> None:
    index(state, facts(1))

    assert state.ask(archived()) == PlaceKnown(thread_id=ONE, changed=True)

    row = thread(state)
    assert (row.rollout_path, row.archived_at_ms, row.updated_at_ms) == (ARCHIVE, 5, 7)
    assert state.ask(archived()) == PlaceKnown(thread_id=ONE, changed=False)


def test_time_of_update_stays_when_the_moved_file_could_not_be_looked_at(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(archived(mtime_ms=None))

    assert thread(state).updated_at_ms == UPDATED_AT_MS


def test_scan_after_archiving_keeps_the_moment_that_was_said(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(archived())

    assert index(state, facts(1), path=ARCHIVE).indexed == 1, "the file that left does not go before it"
    assert (thread(state).archived_at_ms, thread(state).rollout_path) == (5, ARCHIVE)


def test_thread_is_listed_in_its_new_place_before_any_scan(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(archived())
    assert state.ask(ListThreadIds(archived=True)) == (ONE,)
    assert state.ask(ListThreadIds()) == ()

    state.ask(MarkThreadUnarchived(thread_id=ONE, path=path_of(1), mtime_ms=9))
    assert state.ask(ListThreadIds()) == (ONE,)
    assert state.ask(ListThreadIds(archived=True)) == ()
    row = thread(state)
    assert (row.rollout_path, row.archived_at_ms, row.updated_at_ms) == (path_of(1), None, 9)


def test_repair_corrects_the_path_and_writes_nothing_twice(state: MemoryState) -> None:
    index(state, facts(1))
    request = RepairRolloutPath(thread_id=ONE, path="sessions/elsewhere.jsonl", archived=False)

    assert state.ask(request) == PlaceKnown(thread_id=ONE, changed=True)
    before = state.tables()
    assert state.ask(request) == PlaceKnown(thread_id=ONE, changed=False)

    assert state.tables() == before
    assert thread(state).rollout_path == "sessions/elsewhere.jsonl"


def test_repaired_row_is_archived_since_its_update_and_not_since_the_repair(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(RepairRolloutPath(thread_id=ONE, path=ARCHIVE, archived=True))
    assert thread(state).archived_at_ms == UPDATED_AT_MS

    state.ask(archived(at_ms=5))
    state.ask(RepairRolloutPath(thread_id=ONE, path=ARCHIVE, archived=True))
    assert thread(state).archived_at_ms == 5

    state.ask(RepairRolloutPath(thread_id=ONE, path=path_of(1), archived=False))
    assert thread(state).archived_at_ms is None


def test_repair_brings_a_hidden_thread_back_into_the_listing(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(1),)))
    assert state.ask(ListThreadIds()) == ()

    state.ask(RepairRolloutPath(thread_id=ONE, path=path_of(1), archived=False))
    assert state.ask(ListThreadIds()) == (ONE,)


def test_file_that_a_departed_one_shadowed_is_read_again(state: MemoryState) -> None:
    index(state, facts(1))
    index(state, facts(1), path="sessions/2026/09/01/older.jsonl")
    state.ask(ClaimBackfill(terms=terms(SCAN, process="scanner", lease_ms=86_400_000)))
    state.ask(archived())

    assert dict(state.rows("SELECT path, status FROM rollout_files")) == {
        path_of(1): "vanished",
        "sessions/2026/09/01/older.jsonl": "pending",
    }
    assert state.ask(RegisterRollouts(token=SCAN, found=(found(ARCHIVE),))) == 1
