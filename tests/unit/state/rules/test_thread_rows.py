"""Whole rows that callers write, touch and delete, and what of them counts as said."""

from typing import Any

import attrs
import pytest

from state.messages.extraction import NothingToExtract
from state.messages.leases import NotOwner
from state.messages.thread_edits import (
    InvalidThreadId,
    MemoryMode,
    PatchThreadGit,
    SetThreadMemoryMode,
    SetThreadTitle,
)
from state.messages.thread_rows import (
    DeleteThread,
    ForgetThread,
    InsertThreadIfAbsent,
    ThreadDeleted,
    ThreadFields,
    ThreadForgotten,
    ThreadStillThere,
    ThreadTouched,
    ThreadWritten,
    TouchThread,
    UpsertThread,
)
from state.messages.threads import GetThread, Thread, ThreadFound, UnknownThread
from state.rules.thread_rows import HISTORY_MS, NEWEST_UPDATE
from tests.fakes.extraction import claim, claimed, draft, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, path_of, thread_id

ONE = thread_id(1)


def fields(number: int = 1, **changes: Any) -> ThreadFields:
    """What a program says of a live thread."""
    plain = ThreadFields(
        id=thread_id(number),
        rollout_path=path_of(number),
        created_at_ms=1_000,
        updated_at_ms=2_000,
        model_provider="openai",
        cwd="/home/ann/shop",
    )
    return attrs.evolve(plain, **changes)


def thread(state: MemoryState, number: int = 1) -> Thread:
    """The row of a thread."""
    answer = state.ask(GetThread(thread_id=thread_id(number)))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def edits(state: MemoryState, number: int = 1) -> dict[str, str | None]:
    """The edits beside a thread."""
    return dict(state.rows("SELECT field, value FROM thread_edits WHERE thread_id = ?", thread_id(number)))


def test_new_row_holds_every_field_that_was_given(state: MemoryState) -> None:
    given = fields(
        recency_at_ms=3,
        archived_at_ms=4,
        source="exec",
        originator="o",
        thread_source="user",
        parent_thread_id="p",
        forked_from_id="f",
        agent_nickname="n",
        agent_role="r",
        agent_path="a",
        model="m",
        reasoning_effort="high",
        cli_version="1.0",
        history_mode="paginated",
        memory_mode=MemoryMode.DISABLED,
        title="t",
        name="called",
        preview="v",
        first_user_message="u",
        sandbox_policy="s",
        approval_mode="never",
        tokens_used=7,
        git_sha="abc",
        git_branch="b",
        git_origin_url="g",
    )

    assert state.ask(UpsertThread(fields=given)) == ThreadWritten(thread_id=ONE, is_new=True)

    row = thread(state)
    assert {field.name: getattr(row, field.name) for field in attrs.fields(ThreadFields)} == attrs.asdict(given)
    assert (row.content_at_ms, row.content_revision) == (None, 0)


def test_thread_without_a_time_of_its_last_turn_is_as_recent_as_its_update(state: MemoryState) -> None:
    state.ask(UpsertThread(fields=fields()))

    assert thread(state).recency_at_ms == 2_000


def test_upsert_leaves_the_memory_mode_and_what_readings_gave(state: MemoryState) -> None:
    index(state, facts(1, memory_mode="polluted"))

    assert state.ask(UpsertThread(fields=fields(memory_mode=MemoryMode.ENABLED, cwd="/blog"))) == ThreadWritten(
        thread_id=ONE, is_new=False
    )
    row = thread(state)
    assert (row.memory_mode, row.content_revision, row.cwd) == ("polluted", 1, "/blog")


def test_what_a_row_did_not_say_before_counts_as_said(state: MemoryState) -> None:
    index(state, facts(1, git_branch="main", git_sha="abc", first_user_message="do it", title="do it"))
    state.ask(
        UpsertThread(
            fields=fields(git_branch="main", git_sha="def", title="mine", first_user_message="do it", name="called")
        )
    )
    assert edits(state) == {"git_sha": "def", "title": "mine", "name": "called"}

    index(state, facts(1, git_branch="later", git_sha="later", title="later"), size_bytes=200)
    row = thread(state)
    assert (row.git_branch, row.git_sha, row.title, row.name) == ("later", "def", "mine", "called")


def test_title_that_is_the_first_message_is_nobodys_edit(state: MemoryState) -> None:
    state.ask(UpsertThread(fields=fields(title="do it", first_user_message="do it")))

    assert edits(state) == {}


def test_upsert_of_nothing_over_an_edit_clears_it_for_good(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(PatchThreadGit(thread_id=ONE, branch="mine"))
    state.ask(UpsertThread(fields=fields(git_branch=None, title="task 1", first_user_message="do task 1")))
    assert edits(state)["git_branch"] is None

    index(state, facts(1, git_branch="of the file"), size_bytes=200)
    assert thread(state).git_branch is None


def test_upsert_asked_twice_changes_nothing(state: MemoryState) -> None:
    given = UpsertThread(fields=fields(git_sha="abc", title="mine", memory_mode=MemoryMode.DISABLED))
    state.ask(given)
    before = state.tables()

    state.ask(given)
    assert state.tables() == before


def test_first_reading_of_a_thread_that_a_program_wrote_is_revision_one(state: MemoryState) -> None:
    state.ask(InsertThreadIfAbsent(fields=fields()))
    index(state, facts(1))

    assert thread(state).content_revision == 1
    assert state.rows("SELECT thread_id FROM extraction_jobs") == [(ONE,)]


def test_mode_of_a_new_row_outlives_a_rollout_that_says_none(state: MemoryState) -> None:
    """Otherwise a thread that is not to be remembered would be, as soon as its file is read."""
    state.ask(InsertThreadIfAbsent(fields=fields(memory_mode=MemoryMode.DISABLED)))
    index(state, facts(1, memory_mode=""))

    assert thread(state).memory_mode == "disabled"


def test_insert_if_absent_never_overwrites(state: MemoryState) -> None:
    index(state, facts(1))
    before = state.tables()

    assert state.ask(InsertThreadIfAbsent(fields=fields(title="other", git_sha="x"))) == ThreadWritten(
        thread_id=ONE, is_new=False
    )
    assert state.tables() == before


@pytest.mark.parametrize(("kind", "branch"), [(UpsertThread, "given"), (InsertThreadIfAbsent, "journaled")])
def test_edits_that_outlived_the_row_yield_to_an_upsert_and_not_to_an_insert(
    state: MemoryState, kind: type[UpsertThread | InsertThreadIfAbsent], branch: str
) -> None:
    index(state, facts(1))
    state.ask(PatchThreadGit(thread_id=ONE, branch="journaled", sha="journaled"))
    rebuilt = MemoryState(journal=state.journal)

    rebuilt.ask(kind(fields=fields(git_branch="given")))

    row = thread(rebuilt)
    assert (row.git_branch, row.git_sha) == (branch, "journaled")
    assert edits(rebuilt) == {"git_branch": branch, "git_sha": "journaled"}
    rebuilt.close()


@pytest.mark.parametrize(
    "request_",
    [
        UpsertThread(fields=fields(id="x")),
        InsertThreadIfAbsent(fields=fields(id="x")),
        TouchThread(thread_id="x", at_ms=1),
        DeleteThread(thread_id="x"),
        ForgetThread(thread_id="x"),
    ],
    ids=lambda request: type(request).__name__,
)
def test_id_that_is_no_uuid_is_refused(state: MemoryState, request_: Any) -> None:
    assert state.ask(request_) == InvalidThreadId(asked="x")


NEWEST_MS = 10_000


@pytest.mark.parametrize(
    ("asked_ms", "given_ms"),
    [
        (NEWEST_MS + 5, NEWEST_MS + 5),
        (NEWEST_MS + 1, NEWEST_MS + 1),
        (NEWEST_MS, NEWEST_MS + 1),
        (NEWEST_MS - 1, NEWEST_MS + 1),
        (NEWEST_MS - HISTORY_MS + 1, NEWEST_MS + 1),
        (NEWEST_MS - HISTORY_MS, NEWEST_MS - HISTORY_MS),
        (1, 1),
    ],
)
def test_time_of_an_update_is_one_of_a_kind_unless_it_is_history(
    state: MemoryState, asked_ms: int, given_ms: int
) -> None:
    state.ask(UpsertThread(fields=fields(1, updated_at_ms=NEWEST_MS)))
    state.ask(UpsertThread(fields=fields(2, updated_at_ms=50)))

    assert state.ask(TouchThread(thread_id=thread_id(2), at_ms=asked_ms)) == ThreadTouched(updated_at_ms=given_ms)
    assert (thread(state, 1).updated_at_ms, thread(state, 2).updated_at_ms) == (NEWEST_MS, given_ms)


def test_newest_time_of_all_rows_is_read_from_its_index(state: MemoryState) -> None:
    plan = state.rows(f"EXPLAIN QUERY PLAN {NEWEST_UPDATE}")

    assert [str(row[3]) for row in plan] == ["SCAN threads USING COVERING INDEX threads_by_update"]


def test_touch_of_a_thread_without_a_row_says_so(state: MemoryState) -> None:
    assert state.ask(TouchThread(thread_id=ONE, at_ms=5)) == UnknownThread(thread_id=ONE)


def test_deleting_takes_everything_of_the_thread_and_nothing_of_another(state: MemoryState) -> None:
    for number in (1, 2):
        index(state, facts(number))
        state.ask(SetThreadTitle(thread_id=thread_id(number), title="mine"))
    for token in ("first", "second"):
        claimed(state, token)
        finish(state, token, draft())
    marks = state.value("SELECT inputs_mark FROM scopes")

    assert state.ask(DeleteThread(thread_id=ONE)) == ThreadDeleted(rows=1)

    for table, column in (
        ("threads", "id"),
        ("memories", "thread_id"),
        ("memory_notes", "thread_id"),
        ("extraction_jobs", "thread_id"),
        ("thread_edits", "thread_id"),
    ):
        assert set(state.rows(f"SELECT {column} FROM {table}")) == {(thread_id(2),)}, table
    assert state.value("SELECT inputs_mark FROM scopes") == marks + 1
    assert state.ask(DeleteThread(thread_id=ONE)) == ThreadDeleted(rows=0)
    assert state.value("SELECT inputs_mark FROM scopes") == marks + 1


def test_extraction_of_a_thread_that_is_deleted_comes_too_late(state: MemoryState) -> None:
    index(state, facts(1))
    claimed(state, "slow")
    state.ask(DeleteThread(thread_id=ONE))

    assert isinstance(finish(state, "slow", draft()), NotOwner)
    assert isinstance(claim(state, "next"), NothingToExtract)


def test_file_of_a_deleted_thread_is_read_again_and_its_thread_is_still_not_to_be_remembered(
    state: MemoryState,
) -> None:
    index(state, facts(1))
    state.ask(SetThreadMemoryMode(thread_id=ONE, mode=MemoryMode.DISABLED))
    state.ask(DeleteThread(thread_id=ONE))

    index(state, facts(1))
    assert thread(state).memory_mode == "disabled"


def test_deletion_that_may_still_fail_leaves_the_journal_as_it_was(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(SetThreadTitle(thread_id=ONE, title="mine"))
    state.ask(DeleteThread(thread_id=ONE))

    assert state.journal.edits_of(ONE)["title"].value == "mine"


def test_what_was_said_of_a_thread_that_has_a_row_is_not_forgotten(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(SetThreadTitle(thread_id=ONE, title="mine"))

    assert state.ask(ForgetThread(thread_id=ONE)) == ThreadStillThere(thread_id=ONE)
    assert state.journal.edits_of(ONE)["title"].value == "mine"


def test_file_of_a_forgotten_thread_is_read_again_and_says_only_what_it_says(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(SetThreadTitle(thread_id=ONE, title="mine"))
    state.ask(DeleteThread(thread_id=ONE))
    assert state.ask(ForgetThread(thread_id=ONE)) == ThreadForgotten(thread_id=ONE)
    assert state.value("SELECT status FROM rollout_files") == "pending"

    index(state, facts(1))
    assert thread(state).title == "task 1"
    assert edits(state) == {}


def test_forgetting_before_the_row_is_rebuilt_forgets_what_was_said_too(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(SetThreadTitle(thread_id=ONE, title="mine"))
    rebuilt = MemoryState(journal=state.journal)

    assert rebuilt.ask(DeleteThread(thread_id=ONE)) == ThreadDeleted(rows=0)
    assert rebuilt.ask(ForgetThread(thread_id=ONE)) == ThreadForgotten(thread_id=ONE)
    index(rebuilt, facts(1))
    assert thread(rebuilt).title == "task 1"
    rebuilt.close()
