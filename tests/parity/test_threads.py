"""Whole rows: upsert, insert if absent, replay of a rollout, time of update, deletion."""

import pytest

from state.messages.backfill import FileStatus
from state.messages.thread_edits import MemoryMode, SetThreadTitle, ThreadEdited
from state.messages.thread_rows import (
    ApplyRolloutItems,
    DeleteThread,
    InsertThreadIfAbsent,
    RolloutApplied,
    ThreadDeleted,
    ThreadTouched,
    ThreadWritten,
    TouchThread,
    UpsertThread,
)
from state.messages.thread_tools import DynamicToolsFound, GetDynamicTools, SetDynamicTools
from state.messages.threads import GetThread, ThreadNotFound
from state.rollouts.model import DynamicTool
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, found, path_of, read, thread_id
from tests.parity.rows import ONE, apply, metadata, thread


def test_upsert_overwrites_every_column_but_the_memory_mode(state: MemoryState) -> None:
    """Baseline: an upsert of a row that exists keeps the mode that the row was made with."""
    state.ask(UpsertThread(fields=metadata(memory_mode=MemoryMode.DISABLED)))
    state.ask(
        UpsertThread(fields=metadata(title="other", tokens_used=9, source="exec", memory_mode=MemoryMode.ENABLED))
    )

    row = thread(state)
    assert (row.title, row.tokens_used, row.source, row.memory_mode) == ("other", 9, "exec", "disabled")


def test_upsert_of_nothing_empties_a_column(state: MemoryState) -> None:
    """Baseline: an upsert also writes what is null; nothing of the row before is merged in."""
    state.ask(UpsertThread(fields=metadata(git_sha="abc", agent_role="reviewer", archived_at_ms=5)))
    state.ask(UpsertThread(fields=metadata()))

    row = thread(state)
    assert (row.git_sha, row.agent_role, row.archived_at_ms) == (None, None, None)


def test_insert_if_absent_says_whether_it_inserted_and_never_overwrites(state: MemoryState) -> None:
    """Baseline: insert_thread_if_absent answers true once, then false, and the first row stays as it was."""
    assert state.ask(InsertThreadIfAbsent(fields=metadata(title="first"))) == ThreadWritten(thread_id=ONE, is_new=True)
    before = thread(state)

    second = state.ask(InsertThreadIfAbsent(fields=metadata(title="second", git_branch="other")))

    assert second == ThreadWritten(thread_id=ONE, is_new=False)
    assert thread(state) == before


def test_replay_starts_from_the_row_and_takes_the_rollouts_path(state: MemoryState) -> None:
    """Baseline: apply_rollout_items overwrites the row's path with that of the file that was read."""
    state.ask(UpsertThread(fields=metadata(rollout_path="sessions/elsewhere.jsonl")))
    apply(state)

    assert thread(state).rollout_path == path_of(1)


def test_replay_keeps_git_that_the_row_had_and_fills_what_it_lacked(state: MemoryState) -> None:
    """Baseline: of an existing row each non-null git field wins over the replay; null ones are filled from it."""
    state.ask(UpsertThread(fields=metadata(git_branch="of the row")))
    apply(state, git_sha="of the file", git_branch="of the file", git_origin_url="of the file")

    row = thread(state)
    assert (row.git_sha, row.git_branch, row.git_origin_url) == ("of the file", "of the row", "of the file")


def test_replay_follows_git_that_only_rollouts_said(state: MemoryState) -> None:
    """Differs: to the baseline git in the row wins whoever wrote it, so a later patch in the file is never seen.

    Ours knows where a value comes from; of two that rollouts say the later one counts, as in today's Codex.
    """
    apply(state, git_branch="first")
    apply(state, mtime_ms=CONTENT_AT_MS + 1, git_branch="second")

    assert thread(state).git_branch == "second"


@pytest.mark.parametrize(
    ("title", "kept"), [("a name for it", "a name for it"), ("do task 1", "of the file"), ("", "of the file")]
)
def test_title_that_a_person_gave_survives_a_replay(state: MemoryState, title: str, kept: str) -> None:
    """Baseline: on reconciling, a title that differs from the first message is a person's and stays."""
    state.ask(UpsertThread(fields=metadata(title=title)))
    apply(state, title="of the file", first_user_message="do task 1")

    assert thread(state).title == kept


def test_title_is_set_by_itself(state: MemoryState) -> None:
    """Baseline: update_thread_title answers whether there was a row, and a replay leaves the title alone."""
    apply(state)

    assert state.ask(SetThreadTitle(thread_id=ONE, title="mine")) == ThreadEdited(thread_id=ONE)
    apply(state, mtime_ms=CONTENT_AT_MS + 1, title="of the file")
    assert thread(state).title == "mine"


def test_replay_of_no_items_is_no_thread(state: MemoryState) -> None:
    """Baseline: applying an empty list of items changes nothing."""
    reply = state.ask(ApplyRolloutItems(read=read(found(path_of(1)), None), model_provider_default="openai"))

    assert isinstance(reply, RolloutApplied)
    assert reply.status is FileStatus.SKIPPED
    assert isinstance(state.ask(GetThread(thread_id=ONE)), ThreadNotFound)


def test_update_is_the_files_time_unless_the_caller_knows_better(state: MemoryState) -> None:
    """Baseline: updated_at is the override if one is given, else the file's modification time."""
    apply(state, mtime_ms=CONTENT_AT_MS)
    assert thread(state).updated_at_ms == CONTENT_AT_MS

    apply(state, mtime_ms=CONTENT_AT_MS + 1, updated_at_ms=77)
    assert thread(state).updated_at_ms == 77


def test_touching_changes_the_time_of_update_alone(state: MemoryState) -> None:
    """Baseline: touch_thread_updated_at writes one column."""
    apply(state)
    before = state.rows("SELECT * FROM threads")[0]

    assert state.ask(TouchThread(thread_id=ONE, at_ms=CONTENT_AT_MS + 5)) == ThreadTouched(
        updated_at_ms=CONTENT_AT_MS + 5
    )
    after = state.rows("SELECT * FROM threads")[0]
    assert [value for value in after if value not in before] == [CONTENT_AT_MS + 5]


def test_hot_writes_of_one_moment_get_times_of_their_own(state: MemoryState) -> None:
    """Baseline: times at, or less than a second behind, the newest become the newest plus one, again and again."""
    for number in (1, 2, 3):
        apply(state, number)

    given = [
        state.ask(TouchThread(thread_id=thread_id(number), at_ms=CONTENT_AT_MS - behind_ms))
        for number, behind_ms in ((1, 0), (2, 998), (3, 500))
    ]

    assert given == [ThreadTouched(updated_at_ms=CONTENT_AT_MS + step) for step in (1, 2, 3)]


def test_historic_times_are_left_as_they_are(state: MemoryState) -> None:
    """Baseline: a time a second or more behind the newest is history, and takes its place there unchanged."""
    apply(state, 1)
    apply(state, 2)

    touched = state.ask(TouchThread(thread_id=ONE, at_ms=CONTENT_AT_MS - 1_000))

    assert touched == ThreadTouched(updated_at_ms=CONTENT_AT_MS - 1_000)


def test_deletion_answers_the_number_of_rows_and_takes_the_tools_along(state: MemoryState) -> None:
    """Baseline: delete_thread answers 1, then 0; tools go by cascade. Memories do too, though upstream keeps them
    in another database."""
    apply(state)
    tool = DynamicTool(name="search", description="", input_schema="{}")
    state.ask(SetDynamicTools(thread_id=ONE, tools=(tool,)))

    assert state.ask(DeleteThread(thread_id=ONE)) == ThreadDeleted(rows=1)
    assert state.ask(DeleteThread(thread_id=ONE)) == ThreadDeleted(rows=0)
    assert state.ask(GetDynamicTools(thread_id=ONE)) == DynamicToolsFound(tools=None)


def test_row_that_another_handle_deleted_is_rebuilt_from_the_file(state: MemoryState) -> None:
    """Baseline: after the row of a loaded thread was deleted, reconciling brings preview and time of creation back."""
    apply(state)
    before = thread(state)
    state.ask(DeleteThread(thread_id=ONE))
    apply(state)

    after = thread(state)
    assert (after.preview, after.created_at_ms) == (before.preview, before.created_at_ms)
