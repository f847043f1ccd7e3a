"""From a reading to rows: what a thread's row holds, which file goes first, and what a reading never touches."""

from typing import Any

import pytest

from state.messages.backfill import (
    RecordRollouts,
    RecordThreadNames,
    RegisterRollouts,
    RolloutsRecorded,
    RolloutUnreadable,
)
from state.messages.extraction import NothingToExtract
from state.messages.leases import NotOwner
from state.messages.threads import GetThread, Thread, ThreadFound
from state.rollouts.model import DynamicTool
from state.rules.backoff import BACKOFF_MS_MIN
from tests.fakes.extraction import claim, claimed, draft, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, SCAN, facts, found, index, path_of, read, thread_id

ACTIVE, OLDER, ARCHIVED = "sessions/b.jsonl", "sessions/a.jsonl", "archived_sessions/c.jsonl"


def thread(state: MemoryState, number: int = 1) -> Thread:
    """The row of a thread."""
    answer = state.ask(GetThread(thread_id=thread_id(number)))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def tools(state: MemoryState, number: int = 1) -> list[str]:
    """The names of a thread's tools, in order."""
    answer = state.ask(GetThread(thread_id=thread_id(number)))
    assert isinstance(answer, ThreadFound)
    return [tool.name for tool in answer.dynamic_tools]


def tool(name: str) -> DynamicTool:
    """A tool with this name."""
    return DynamicTool(name=name, description="", input_schema="{}")


def file_row(state: MemoryState, path: str) -> dict[str, Any]:
    """Status, reason, thread, attempts and next attempt of one file."""
    names = ("status", "reason", "thread_id", "attempts", "next_attempt_at_ms")
    ((*values,),) = state.rows(f"SELECT {', '.join(names)} FROM rollout_files WHERE path = ?", path)
    return dict(zip(names, values, strict=True))


def record(state: MemoryState, *outcomes: Any) -> RolloutsRecorded:
    """Record outcomes under the scan's token."""
    recorded = state.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=outcomes))
    assert isinstance(recorded, RolloutsRecorded)
    return recorded


def test_thread_row_says_what_the_rollout_says(state: MemoryState) -> None:
    index(state, facts(1, git_sha="abc", tokens_used=42, title="fix the login"))

    row = thread(state)

    assert (row.rollout_path, row.title, row.git_sha, row.tokens_used) == (path_of(1), "fix the login", "abc", 42)
    assert (row.updated_at_ms, row.recency_at_ms) == (CONTENT_AT_MS, CONTENT_AT_MS)
    assert row.archived_at_ms is None
    assert row.content_revision == 1


def test_provider_that_the_rollout_does_not_name_is_the_default(state: MemoryState) -> None:
    index(state, facts(1, model_provider=""))
    index(state, facts(2, model_provider="azure"))

    assert thread(state, 1).model_provider == "openai"
    assert thread(state, 2).model_provider == "azure"


def test_thread_that_is_new_to_the_index_is_as_recent_as_its_file(state: MemoryState) -> None:
    index(state, facts(1))
    index(state, facts(2, turn_started_at_ms=None))

    assert thread(state, 1).recency_at_ms == thread(state, 2).recency_at_ms == CONTENT_AT_MS


LATER_MS = CONTENT_AT_MS + 60_000


def _written_again(state: MemoryState, **changes: Any) -> int:
    """The recency of thread 1 once its file was written at LATER_MS."""
    index(state, facts(1, **changes), mtime_ns=LATER_MS * 1_000_000)
    assert thread(state).updated_at_ms == LATER_MS
    return thread(state).recency_at_ms


def test_an_edit_in_the_file_does_not_make_a_thread_more_recent(state: MemoryState) -> None:
    index(state, facts(1))

    assert _written_again(state, git_branch="edited") == CONTENT_AT_MS


def test_a_turn_makes_a_thread_as_recent_as_its_beginning(state: MemoryState) -> None:
    index(state, facts(1))

    assert _written_again(state, content_digest="digest-2", turn_started_at_ms=LATER_MS - 500) == LATER_MS - 500


def test_what_is_said_later_in_a_turn_does_not_make_a_thread_more_recent(state: MemoryState) -> None:
    index(state, facts(1))

    assert _written_again(state, content_digest="digest-2") == CONTENT_AT_MS


def test_where_turns_have_no_beginning_what_is_said_makes_a_thread_as_recent_as_its_file(state: MemoryState) -> None:
    index(state, facts(1, turn_started_at_ms=None))

    assert _written_again(state, content_digest="digest-2", turn_started_at_ms=None) == LATER_MS


def test_a_thread_is_never_more_recent_than_its_file(state: MemoryState) -> None:
    index(state, facts(1), mtime_ns=LATER_MS * 1_000_000)
    index(state, facts(1, content_digest="digest-2", turn_started_at_ms=LATER_MS), mtime_ns=CONTENT_AT_MS * 1_000_000)

    assert thread(state).recency_at_ms == CONTENT_AT_MS


def test_recording_the_same_reading_again_changes_nothing(state: MemoryState) -> None:
    index(state, facts(1, dynamic_tools=(tool("search"),)))
    before = state.tables()

    assert record(state, read(found(path_of(1)), facts(1, dynamic_tools=(tool("search"),)))).indexed == 1
    assert state.tables() == before


def test_revision_grows_by_one_with_the_digest_and_with_nothing_else(state: MemoryState) -> None:
    index(state, facts(1))
    index(state, facts(1, title="another title", tokens_used=99), size_bytes=200)
    assert thread(state).content_revision == 1

    index(state, facts(1, content_digest="digest-2"), size_bytes=300)
    assert thread(state).content_revision == 2
    index(state, facts(1, content_digest="digest-1"), size_bytes=400)
    assert thread(state).content_revision == 3


def test_archived_file_is_archived_since_it_was_last_changed(state: MemoryState) -> None:
    index(state, facts(1), path=ARCHIVED)

    assert thread(state).archived_at_ms == CONTENT_AT_MS


def test_moment_of_archiving_is_kept_when_the_file_is_read_again(state: MemoryState) -> None:
    index(state, facts(1), path=ARCHIVED)
    index(state, facts(1), path=ARCHIVED, mtime_ns=(CONTENT_AT_MS + 5_000) * 1_000_000)

    assert thread(state).archived_at_ms == CONTENT_AT_MS
    assert thread(state).updated_at_ms == CONTENT_AT_MS + 5_000


def test_active_file_clears_the_moment_of_archiving(state: MemoryState) -> None:
    index(state, facts(1), path=ARCHIVED)
    index(state, facts(1), path=ACTIVE)

    assert thread(state).archived_at_ms is None


def test_name_that_a_person_gave_survives_a_reading(state: MemoryState) -> None:
    index(state, facts(1))

    assert state.ask(RecordThreadNames(names={thread_id(1): "my name", thread_id(2): "nobody"})) == 1
    assert state.ask(RecordThreadNames(names={thread_id(1): "my name"})) == 0
    index(state, facts(1, title="new"), size_bytes=200)

    assert thread(state).name == "my name"


def test_first_writer_of_a_tool_wins(state: MemoryState) -> None:
    index(state, facts(1, dynamic_tools=(tool("search"), tool("fetch"))))
    index(state, facts(1, dynamic_tools=(tool("other"),)), size_bytes=200)

    assert tools(state) == ["search", "fetch"]


def test_tools_are_those_of_the_file_that_holds_the_thread(state: MemoryState) -> None:
    index(state, facts(1, dynamic_tools=(tool("old"), tool("gone"))), path=OLDER)
    index(state, facts(1, dynamic_tools=(tool("new"),)), path=ACTIVE)

    assert tools(state) == ["new"]


@pytest.mark.parametrize(("better", "worse"), [(ACTIVE, OLDER), (OLDER, ARCHIVED), (ACTIVE, ARCHIVED)])
@pytest.mark.parametrize("better_first", [True, False])
def test_active_file_goes_before_an_archived_one_and_the_greater_path_before_the_smaller(
    state: MemoryState, better: str, worse: str, better_first: bool
) -> None:
    for path in (better, worse) if better_first else (worse, better):
        index(state, facts(1, title=f"from {path}"), path=path)

    assert thread(state).title == f"from {better}"
    assert file_row(state, better)["status"] == "indexed"
    assert file_row(state, worse)["status"] == "shadowed"
    assert file_row(state, worse)["reason"] == f"the same thread is in {better}"


def test_file_without_a_thread_is_skipped_with_its_reason(state: MemoryState) -> None:
    state.ask(RegisterRollouts(token=SCAN, found=()))
    index(state, facts(9))
    state.ask(RegisterRollouts(token=SCAN, found=(found(ACTIVE),)))

    assert record(state, read(found(ACTIVE), None)).skipped == 1
    assert file_row(state, ACTIVE)["reason"] == "it has no session_meta"


@pytest.mark.parametrize("now_holds", [None, facts(2)], ids=["no thread", "another thread"])
def test_shadowed_file_is_read_again_when_its_rival_no_longer_holds_the_thread(
    state: MemoryState, now_holds: Any
) -> None:
    index(state, facts(1), path=OLDER)
    index(state, facts(1), path=ACTIVE)
    assert file_row(state, OLDER)["status"] == "shadowed"

    rewritten = found(ACTIVE, size_bytes=200)
    state.ask(RegisterRollouts(token=SCAN, found=(rewritten,)))
    record(state, read(rewritten, now_holds))

    assert file_row(state, OLDER)["status"] == "pending"


def test_lesser_file_does_not_take_the_place_of_a_better_one_that_waits_to_be_read_again(state: MemoryState) -> None:
    index(state, facts(1, title="from the better"), path=ACTIVE)
    index(state, facts(1, title="from the lesser"), path=OLDER)
    grown = (found(ACTIVE, size_bytes=200), found(OLDER, size_bytes=200))
    state.ask(RegisterRollouts(token=SCAN, found=grown))

    record(state, read(grown[1], facts(1, title="from the lesser")))

    assert file_row(state, OLDER)["status"] == "shadowed"
    assert thread(state).title == "from the better"


def test_failure_is_tried_again_with_back_off_and_counted(state: MemoryState) -> None:
    index(state, facts(1))
    failure = RolloutUnreadable(path=path_of(1), reason="permission denied")

    assert record(state, failure).failed == 1
    first = file_row(state, path_of(1))
    record(state, failure)
    second = file_row(state, path_of(1))

    assert (first["status"], first["reason"], first["attempts"]) == ("failed", "permission denied", 1)
    assert first["next_attempt_at_ms"] == state.clock.wall_ms + BACKOFF_MS_MIN
    assert (second["attempts"], second["next_attempt_at_ms"]) == (2, state.clock.wall_ms + 2 * BACKOFF_MS_MIN)
    assert thread(state).title == "task 1", "what was read before stays"


def test_reading_that_works_clears_the_failure(state: MemoryState) -> None:
    index(state, facts(1))
    record(state, RolloutUnreadable(path=path_of(1), reason="permission denied"))

    record(state, read(found(path_of(1)), facts(1)))

    row = file_row(state, path_of(1))
    assert (row["status"], row["reason"], row["attempts"], row["next_attempt_at_ms"]) == ("indexed", None, 0, None)


def test_remark_on_a_file_that_was_read_is_kept(state: MemoryState) -> None:
    index(state, facts(1))

    record(state, read(found(path_of(1)), facts(1), remark="last line is torn"))

    assert file_row(state, path_of(1))["reason"] == "last line is torn"


def test_counts_say_what_became_of_each_file(state: MemoryState) -> None:
    index(state, facts(9))
    paths = [ACTIVE, OLDER, "sessions/empty.jsonl", "sessions/failed.jsonl"]
    state.ask(RegisterRollouts(token=SCAN, found=tuple(map(found, paths))))

    assert record(
        state,
        read(found(ACTIVE), facts(1)),
        read(found(OLDER), facts(1)),
        read(found("sessions/empty.jsonl"), None),
        RolloutUnreadable(path="sessions/failed.jsonl", reason="permission denied"),
    ) == RolloutsRecorded(indexed=1, shadowed=1, skipped=1, failed=1)


def test_one_thread_that_cannot_be_stored_leaves_nothing_of_its_batch(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(RegisterRollouts(token=SCAN, found=(found(ACTIVE), found(OLDER))))
    before = state.tables()

    with pytest.raises(Exception, match="CHECK"):
        record(state, read(found(ACTIVE), facts(2)), read(found(OLDER), facts(3, tokens_used=-1)))

    assert state.tables() == before


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("enabled", "enabled"),
        ("disabled", "disabled"),
        ("polluted", "polluted"),
        ("", "enabled"),
        ("never", "disabled"),
    ],
)
def test_memory_mode_that_is_not_known_is_a_wish_not_to_be_remembered(
    state: MemoryState, said: str, stored: str
) -> None:
    index(state, facts(1, memory_mode=said))

    assert thread(state).memory_mode == stored


def test_thread_without_content_has_no_extraction_job(state: MemoryState) -> None:
    index(state, facts(1, preview=""))
    index(state, facts(2, content_at_ms=None))
    index(state, facts(3))

    assert state.rows("SELECT thread_id FROM extraction_jobs") == [(thread_id(3),)]


def test_change_of_the_memory_mode_makes_a_known_scope_dirty(state: MemoryState) -> None:
    index(state, facts(1))
    state.rows(
        "INSERT INTO scopes (scope_kind, scope_key, inputs_mark, consolidated_mark, generation, published_memories,"
        " attempts, fencing_number) VALUES ('cwd', '/home/ann/shop', 5, 5, 0, 0, 0, 0)"
    )

    index(state, facts(1, title="new"), size_bytes=200)
    assert state.value("SELECT inputs_mark FROM scopes") == 5
    index(state, facts(1, memory_mode="disabled"), size_bytes=300)
    assert state.value("SELECT inputs_mark FROM scopes") == 6


ALL_COPIED = {"content_at_ms": None, "content_lines": 0, "content_digest": "", "is_all_copied": True}


def test_thread_whose_words_turn_out_to_be_copies_is_not_remembered(state: MemoryState) -> None:
    """As when a newer memoryd sees a copy where an older one saw a thread's own words."""
    index(state, facts(1))
    index(state, facts(2))
    for token in ("first", "second"):
        claimed(state, token)
        finish(state, token, draft())
    marks = state.value("SELECT inputs_mark FROM scopes")
    index(state, facts(1, **ALL_COPIED), mtime_ns=1)

    assert state.rows("SELECT thread_id FROM memories") == [(thread_id(2),)]
    assert state.value("SELECT inputs_mark FROM scopes") == marks + 1
    assert isinstance(claim(state, "third"), NothingToExtract)


def test_extraction_of_words_that_turn_out_to_be_copies_comes_too_late(state: MemoryState) -> None:
    index(state, facts(1))
    claimed(state, "slow")
    index(state, facts(1, **ALL_COPIED), mtime_ns=1)

    assert isinstance(finish(state, "slow", draft()), NotOwner)
    assert state.rows("SELECT * FROM memories") == []


def test_fork_that_says_something_itself_is_remembered_again(state: MemoryState) -> None:
    index(state, facts(1))
    before = claimed(state, "first")
    finish(state, "first", draft())
    index(state, facts(1, **ALL_COPIED), mtime_ns=1)
    index(state, facts(1, content_digest="own"), mtime_ns=2)
    job = claimed(state, "second")

    assert job.fencing_number > before.fencing_number
    assert job.last is None


def test_thread_without_content_keeps_its_memory_if_nothing_says_that_it_was_copied(state: MemoryState) -> None:
    """A file that was cut off has not become somebody else's."""
    index(state, facts(1))
    claimed(state, "first")
    finish(state, "first", draft())
    index(state, facts(1, **ALL_COPIED | {"is_all_copied": False}), mtime_ns=1)

    assert state.rows("SELECT thread_id FROM memories") == [(thread_id(1),)]


def test_copy_without_a_job_gets_none(state: MemoryState) -> None:
    index(state, facts(1, **ALL_COPIED))

    assert state.rows("SELECT * FROM extraction_jobs") == []
