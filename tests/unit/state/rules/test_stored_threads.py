"""One stored thread in one message: its row with that of its file, and an edit that leaves the row in step."""

import pytest

from state.ids import ThreadId
from state.messages.backfill import KnownRollout
from state.messages.stored_threads import EditStoredThread, GetStoredThread, StoredThread
from state.messages.thread_edits import InvalidThreadId, MemoryMode, PatchThreadGit, SetThreadMemoryMode
from state.messages.thread_places import RepairRolloutPath
from state.messages.thread_rows import ApplyRolloutItems
from state.messages.threads import GetThread, Thread, ThreadFound, UnknownThread
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, found, index, path_of, read, thread_id

ONE, NOWHERE = thread_id(1), thread_id(9)
PATCH = PatchThreadGit(thread_id=ONE, branch="mine")


def _row(state: MemoryState) -> Thread:
    answer = state.ask(GetThread(thread_id=ONE))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def _stored(state: MemoryState) -> StoredThread:
    answer = state.ask(GetStoredThread(thread_id=ONE))
    assert isinstance(answer, StoredThread)
    return answer


def _known(state: MemoryState) -> tuple[int, int, int] | None:
    file: KnownRollout | None = _stored(state).file
    return None if file is None else (file.size_bytes, file.mtime_ns, file.inode)


def test_thread_is_given_with_what_its_file_was_like_and_where_its_reading_stopped(state: MemoryState) -> None:
    index(state, facts(1))
    file = read(found(path_of(1)), facts(1))

    stored = _stored(state)

    assert stored.thread == _row(state)
    assert stored.file is not None
    assert stored.file.path == path_of(1)
    assert _known(state) == (file.found.size_bytes, file.found.mtime_ns, file.found.inode)
    assert stored.checkpoint == file.reading.checkpoint


def test_only_a_whole_id_is_looked_up(state: MemoryState) -> None:
    index(state, facts(1))
    for asked in (NOWHERE, ONE[:8]):
        assert state.ask(GetStoredThread(thread_id=ThreadId(asked))) == UnknownThread(thread_id=ThreadId(asked))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rollout_files SET status = 'pending'",
        "UPDATE rollout_files SET status = 'vanished'",
        f"UPDATE rollout_files SET thread_id = '{thread_id(2)}'",
        "DELETE FROM rollout_files",
    ],
)
def test_file_that_is_to_be_read_or_is_another_thread_s_is_not_known(state: MemoryState, change: str) -> None:
    index(state, facts(1))
    state.rows(change)
    assert (_stored(state).file, _stored(state).checkpoint) == (None, None)


def test_file_that_was_found_elsewhere_is_not_known_before_it_is_read(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(RepairRolloutPath(thread_id=ONE, path="sessions/elsewhere.jsonl", archived=False))
    assert (_stored(state).thread.rollout_path, _stored(state).file) == ("sessions/elsewhere.jsonl", None)


def test_edit_is_answered_by_the_row_that_it_leaves(state: MemoryState) -> None:
    index(state, facts(1))
    for edit in (PATCH, SetThreadMemoryMode(thread_id=ONE, mode=MemoryMode.DISABLED)):
        assert state.ask(EditStoredThread(edit=edit)) == _row(state)
    assert (_row(state).git_branch, _row(state).memory_mode) == ("mine", "disabled")
    assert state.journal.edits_of(ONE).keys() == {"git_branch", "memory_mode"}


def test_edit_of_no_thread_changes_nothing(state: MemoryState) -> None:
    index(state, facts(1))
    before = state.tables()
    unknown = EditStoredThread(edit=PatchThreadGit(thread_id=NOWHERE, branch="x"))
    assert state.ask(unknown) == UnknownThread(thread_id=NOWHERE)
    assert state.ask(EditStoredThread(edit=PatchThreadGit(thread_id="x"))) == InvalidThreadId(asked="x")
    assert state.tables() == before


def test_reading_that_comes_with_an_edit_is_stored_and_the_edit_goes_before_it(state: MemoryState) -> None:
    index(state, facts(1))
    later = found(path_of(1), size_bytes=200, mtime_ns=(CONTENT_AT_MS + 5_000) * 1_000_000)
    applied = ApplyRolloutItems(
        read=read(later, facts(1, git_branch="of the line", git_sha="abc")), model_provider_default="openai"
    )

    row = state.ask(EditStoredThread(edit=PATCH, applied=applied))

    assert row == _row(state)
    assert (_row(state).git_branch, _row(state).git_sha) == ("mine", "abc")
    assert _known(state) == (later.size_bytes, later.mtime_ns, later.inode)


def test_reading_that_is_out_of_date_is_passed_over_and_the_edit_is_not(state: MemoryState) -> None:
    index(state, facts(1))
    before = _known(state)
    earlier = found(path_of(1), size_bytes=50, mtime_ns=(CONTENT_AT_MS - 5_000) * 1_000_000)
    applied = ApplyRolloutItems(read=read(earlier, facts(1, git_sha="old")), model_provider_default="openai")

    state.ask(EditStoredThread(edit=PATCH, applied=applied))

    assert (_row(state).git_branch, _row(state).git_sha) == ("mine", None)
    assert _known(state) == before
