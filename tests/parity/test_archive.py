"""Archiving and bringing back: what the rows say after the file was moved."""

from state.messages.thread_places import (
    FindRolloutPath,
    MarkThreadArchived,
    MarkThreadUnarchived,
    RolloutPathFound,
    ThreadPlace,
)
from state.messages.threads import ListThreads, UnknownThread
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, path_of
from tests.parity.rows import ONE, apply, thread

ARCHIVE = f"archived_sessions/{path_of(1).rpartition('/')[2]}"


def archive(state: MemoryState, at_ms: int = 5, mtime_ms: int | None = 7) -> object:
    """Say that the file was moved to the archive."""
    return state.ask(MarkThreadArchived(thread_id=ONE, path=ARCHIVE, archived_at_ms=at_ms, mtime_ms=mtime_ms))


def listed(state: MemoryState, *, archived: bool) -> list[str]:
    """Ids in one of the two listings."""
    return [one.id for one in state.ask(ListThreads(archived=archived)).threads]


def test_archived_thread_has_its_moment_its_path_and_the_files_time(state: MemoryState) -> None:
    """Baseline: mark_archived sets archived_at and the path, and updated_at to the file's time; the flag follows."""
    apply(state)
    archive(state)

    row = thread(state)
    assert (row.rollout_path, row.archived_at_ms, row.updated_at_ms) == (ARCHIVE, 5, 7)
    assert (listed(state, archived=True), listed(state, archived=False)) == ([ONE], [])


def test_file_whose_time_cannot_be_read_leaves_the_time_of_update(state: MemoryState) -> None:
    """Baseline: updated_at changes only if the file's time is readable."""
    apply(state)
    archive(state, mtime_ms=None)

    assert thread(state).updated_at_ms == CONTENT_AT_MS


def test_thread_that_is_brought_back_is_active_again(state: MemoryState) -> None:
    """Baseline: mark_unarchived clears archived_at and sets path and time."""
    apply(state)
    archive(state)
    state.ask(MarkThreadUnarchived(thread_id=ONE, path=path_of(1), mtime_ms=9))

    row = thread(state)
    assert (row.rollout_path, row.archived_at_ms, row.updated_at_ms) == (path_of(1), None, 9)
    assert (listed(state, archived=True), listed(state, archived=False)) == ([], [ONE])


def test_thread_without_a_row_is_not_an_error(state: MemoryState) -> None:
    """Baseline: both are silent successes without a row. Differs: the reply says that there is none."""
    assert archive(state) == UnknownThread(thread_id=ONE)
    assert state.ask(MarkThreadUnarchived(thread_id=ONE, path=path_of(1), mtime_ms=9)) == UnknownThread(thread_id=ONE)


def test_backfill_keeps_the_moment_and_gives_one_where_there_is_none(state: MemoryState) -> None:
    """Baseline: an archived file without archived_at is archived since its own time; a moment that is there stays."""
    apply(state)
    archive(state)
    index(state, facts(1), path=ARCHIVE)
    index(state, facts(2), path="archived_sessions/two.jsonl")

    assert (thread(state, 1).archived_at_ms, thread(state, 2).archived_at_ms) == (5, CONTENT_AT_MS)


def test_lookup_follows_the_file_between_the_places(state: MemoryState) -> None:
    """Baseline: the active lookup asks for archived = 0, its twin for 1."""
    apply(state)
    archive(state)

    assert state.ask(FindRolloutPath(thread_id=ONE, place=ThreadPlace.ACTIVE)) == UnknownThread(thread_id=ONE)
    assert state.ask(FindRolloutPath(thread_id=ONE, place=ThreadPlace.ARCHIVED)) == RolloutPathFound(
        thread_id=ONE, path=ARCHIVE, archived=True
    )
