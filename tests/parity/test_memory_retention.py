"""What the later runtime does with memories and the baseline did not: use, selection, age, pollution, deletion.

Each docstring says which behaviour of the later runtime it pins, and where memoryd means something else.
"""

from collections.abc import Iterator

import pytest

from state.ids import Scope, ThreadId
from state.messages.consolidation import ConsolidationClaimed, ConsolidationUnchanged
from state.messages.extraction import ExtractionClaimed, NothingToExtract
from state.messages.leases import NotOwner
from state.messages.retention import (
    DeleteThreadMemory,
    MarkPolluted,
    MemoriesPruned,
    Polluted,
    PruneMemories,
    RecordUsage,
    ThreadMemoryDeleted,
    UsageRecorded,
)
from state.messages.threads import UnknownThread
from tests.fakes import extraction
from tests.fakes.consolidation import BLOG, SHOP, claim, claimed, leave_unchanged, publish, remember, selection
from tests.fakes.extraction import claim_of, claimed_of, draft, finish, saved
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id

DAY_MS = 86_400_000
NOBODY = thread_id(99)


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """A state that knows nothing."""
    state = MemoryState()
    yield state
    state.close()


def consolidate(state: MemoryState, name: str) -> None:
    """Publish every scope that is dirty, as it is now."""
    number = 0
    while isinstance(job := claim(state, f"{name}-{number}"), ConsolidationClaimed):
        publish(state, f"{name}-{number}", digest=name, selected=selection(state, job.scope))
        number += 1
    assert number, "something had to be dirty"


def in_files(state: MemoryState) -> list[ThreadId]:
    """The threads whose memories are recorded as being in files."""
    rows = state.rows("SELECT thread_id FROM memories WHERE selected_source_at_ms = source_at_ms ORDER BY 1")
    return [thread for (thread,) in rows]


def prune(state: MemoryState, unused_ms: int, **more: int) -> MemoriesPruned:
    """Delete what was not needed for so long."""
    return state.ask(PruneMemories(unused_ms=unused_ms, **more))


def remembered(state: MemoryState) -> list[ThreadId]:
    """The threads that have a memory."""
    return [thread for (thread,) in state.rows("SELECT DISTINCT thread_id FROM memories ORDER BY 1")]


def age_ms(state: MemoryState) -> int:
    """How old the content of a made-up thread is."""
    return state.clock.wall_ms - CONTENT_AT_MS


def test_use_is_counted_once_a_thread_and_dated(state: MemoryState) -> None:
    """Later runtime: usage_count + 1 and last_usage = now for each cited thread id, deduplicated."""
    for number in (1, 2, 3):
        remember(state, number)

    used = RecordUsage(thread_ids=(thread_id(2), NOBODY, thread_id(1), thread_id(2), NOBODY))
    assert state.ask(used) == UsageRecorded(threads=2, unknown=(NOBODY,))
    state.clock.advance(1)
    assert state.ask(RecordUsage(thread_ids=(thread_id(1),))) == UsageRecorded(threads=1, unknown=())

    now_ms = state.clock.wall_ms
    assert state.rows("SELECT usage_count, last_used_at_ms FROM memories ORDER BY thread_id") == [
        (2, now_ms),
        (1, now_ms - 1),
        (0, None),
    ]


def test_generation_records_what_it_was_made_of(state: MemoryState) -> None:
    """Later runtime: success clears all flags, then sets flag and timestamp for what was selected."""
    remember(state, 1)
    remember(state, 2)
    remember(state, 3, scope=BLOG)
    consolidate(state, "first")
    assert in_files(state) == [thread_id(1), thread_id(2), thread_id(3)]

    state.ask(MarkPolluted(thread_id=thread_id(1)))
    consolidate(state, "second")
    assert in_files(state) == [thread_id(2), thread_id(3)], "and what another scope's files hold is not touched"


def test_files_that_stayed_as_they_are_record_it_too(state: MemoryState) -> None:
    """Later runtime: `succeeded_no_workspace_changes` is a success like any other."""
    remember(state, 1)
    claimed(state, "one")

    assert leave_unchanged(state, "one", selected=selection(state)) == ConsolidationUnchanged()
    assert in_files(state) == [thread_id(1)]


def test_memory_that_was_renewed_meanwhile_is_not_recorded(state: MemoryState) -> None:
    """Later runtime: only rows whose (thread_id, source_updated_at) still match get the flag."""
    remember(state, 1)
    remember(state, 2)
    claimed(state, "one")
    before = selection(state)
    remember(state, 1, text="newer", content_at_ms=CONTENT_AT_MS + 5)
    publish(state, "one", selected=before)

    assert in_files(state) == [thread_id(2)]
    assert claimed(state, "two").scope == SHOP, "the scope is dirty for the newer one"


def test_wrong_token_records_nothing(state: MemoryState) -> None:
    """Later runtime: the flags are written in the transaction that the token guards."""
    remember(state, 1)
    claimed(state, "one")
    claimed(state, "two", stale_after_ms=0)
    before = state.tables()

    assert publish(state, "one", selected=selection(state)) == NotOwner()
    assert state.tables() == before


@pytest.mark.parametrize("how", ["deleted", "polluted", "pruned", "invalidated"])
def test_memory_that_went_while_the_files_were_written_is_taken_out_of_them(state: MemoryState, how: str) -> None:
    """Beyond both: what was loaded before it was forgotten is in the files, so the scope stays dirty."""
    remember(state, 1)
    remember(state, 2)
    claimed(state, "one")
    before = selection(state)
    if how == "deleted":
        state.ask(DeleteThreadMemory(thread_id=thread_id(1)))
    elif how == "polluted":
        state.ask(MarkPolluted(thread_id=thread_id(1)))
    elif how == "pruned":
        state.rows("UPDATE memories SET last_used_at_ms = ? WHERE thread_id = ?", state.clock.wall_ms, thread_id(2))
        assert prune(state, age_ms(state) - 1) == MemoriesPruned(memories=1, scopes=0)
    else:
        state.rows("UPDATE memories SET invalidated_at_ms = 1 WHERE thread_id = ?", thread_id(1))
    publish(state, "one", selected=before)

    assert claimed(state, "two").scope == SHOP
    publish(state, "two", digest="digest-2", selected=selection(state))
    assert in_files(state) == [thread_id(2)]


def test_memory_that_was_not_needed_for_longer_than_allowed_is_pruned(state: MemoryState) -> None:
    """Later runtime: COALESCE(last_usage, source_updated_at) < now - max_unused_days."""
    remember(state, 1)

    assert prune(state, age_ms(state)) == MemoriesPruned(memories=0, scopes=0)
    assert prune(state, age_ms(state) - 1) == MemoriesPruned(memories=1, scopes=0)
    assert state.rows("SELECT * FROM memory_notes") == []
    assert prune(state, age_ms(state) - 1) == MemoriesPruned(memories=0, scopes=0)


def test_use_keeps_a_memory(state: MemoryState) -> None:
    """Later runtime: the last use counts, where there was one."""
    remember(state, 1)
    state.clock.advance(40 * DAY_MS)
    state.ask(RecordUsage(thread_ids=(thread_id(1),)))
    state.clock.advance(30 * DAY_MS)

    assert prune(state, 30 * DAY_MS).memories == 0
    state.clock.advance(1)
    assert prune(state, 30 * DAY_MS).memories == 1


def test_stalest_go_first_and_no_more_than_allowed(state: MemoryState) -> None:
    """Later runtime: stalest first, at most 200 at a time."""
    for number in (1, 2, 3):
        remember(state, number, content_at_ms=CONTENT_AT_MS - number)

    assert prune(state, 0, limit=2) == MemoriesPruned(memories=2, scopes=0)
    assert remembered(state) == [thread_id(1)]
    assert prune(state, 0, limit=0) == MemoriesPruned(memories=0, scopes=0)
    assert PruneMemories(unused_ms=0).limit == 200


def test_memory_in_files_is_not_pruned_but_taken_out_of_them_first(state: MemoryState) -> None:
    """Later runtime: selected outputs stay. There the next run leaves them out in any case; here a clean scope is not
    consolidated, so it is made dirty, once."""
    remember(state, 1)
    remember(state, 2)
    state.rows("UPDATE memories SET last_used_at_ms = ? WHERE thread_id = ?", state.clock.wall_ms, thread_id(2))
    consolidate(state, "one")

    assert prune(state, DAY_MS) == MemoriesPruned(memories=0, scopes=1)
    assert prune(state, DAY_MS) == MemoriesPruned(memories=0, scopes=0)
    claimed(state, "two")
    publish(state, "two", digest="digest-2", selected=tuple(m for m in selection(state) if m.thread_id == thread_id(2)))
    assert prune(state, DAY_MS) == MemoriesPruned(memories=1, scopes=0)
    assert remembered(state) == [thread_id(2)]


def published_by_an_older_version(state: MemoryState) -> None:
    """Two memories in files, and no record of what the files hold."""
    remember(state, 1)
    remember(state, 2)
    consolidate(state, "one")
    state.rows("UPDATE memories SET selected_source_at_ms = NULL")


def test_files_of_an_older_version_are_written_again_before_a_memory_is_pruned(state: MemoryState) -> None:
    """Beyond both: files that were published before it was recorded what they hold may hold any memory."""
    published_by_an_older_version(state)

    assert prune(state, 0) == MemoriesPruned(memories=0, scopes=1)
    claimed(state, "two")
    publish(state, "two", digest="digest-2", memories=0)
    assert prune(state, 0) == MemoriesPruned(memories=2, scopes=0)


def test_files_of_an_older_version_forget_what_is_to_be_forgotten(state: MemoryState) -> None:
    """Beyond both: else what was forgotten would stay in them until something else changed."""
    published_by_an_older_version(state)

    assert state.ask(MarkPolluted(thread_id=thread_id(1))).dirty == (SHOP,)  # type: ignore[union-attr]
    assert state.ask(DeleteThreadMemory(thread_id=thread_id(2))).dirty == (SHOP,)  # type: ignore[union-attr]


def test_pruned_thread_is_not_extracted_again(state: MemoryState) -> None:
    """Later runtime: the job's watermark stays, so that a pruned thread is not claimed until it has new content."""
    remember(state, 1)
    prune(state, 0)
    index(state, facts(1, content_digest="memory 1"), size_bytes=200)

    assert extraction.claim(state, "one") == NothingToExtract(next_due_in_ms=None)
    assert not isinstance(claim_of(state, "one"), ExtractionClaimed)
    index(state, facts(1, content_digest="newer"), size_bytes=300)
    assert isinstance(claim_of(state, "one"), ExtractionClaimed)


def test_polluted_thread_leaves_the_files_that_hold_it(state: MemoryState) -> None:
    """Later runtime: memory_mode `polluted`; phase 2 is enqueued where the output was selected."""
    remember(state, 1)
    remember(state, 2)
    consolidate(state, "one")

    assert state.ask(MarkPolluted(thread_id=thread_id(1))) == Polluted(changed=True, dirty=(SHOP,))
    assert state.rows("SELECT memory_mode FROM threads ORDER BY id") == [("polluted",), ("enabled",)]
    consolidate(state, "two")
    assert in_files(state) == [thread_id(2)]


def test_polluted_thread_that_no_files_hold_makes_nothing_dirty(state: MemoryState) -> None:
    """Later runtime: nothing is enqueued for an output that was not selected."""
    remember(state, 1)
    marks = state.rows("SELECT * FROM scopes")

    assert state.ask(MarkPolluted(thread_id=thread_id(1))) == Polluted(changed=True, dirty=())
    assert state.rows("SELECT * FROM scopes") == marks


def test_polluting_again_changes_nothing(state: MemoryState) -> None:
    """Later runtime: only a mode that is another one is written."""
    remember(state, 1)
    consolidate(state, "one")
    state.ask(MarkPolluted(thread_id=thread_id(1)))
    state.clock.advance(1)
    before = state.tables()

    assert state.ask(MarkPolluted(thread_id=thread_id(1))) == Polluted(changed=False, dirty=())
    assert state.tables() == before


def test_polluted_thread_is_never_extracted(state: MemoryState) -> None:
    """Later runtime: threads that are not enabled are never claimed."""
    index(state, facts(1))
    state.ask(MarkPolluted(thread_id=thread_id(1)))

    assert extraction.claim(state, "one") == NothingToExtract(next_due_in_ms=None)


def test_pollution_is_kept_as_an_edit_of_the_thread(state: MemoryState) -> None:
    """Beyond both: the rollout does not say it, so it is stored beside what the rollout says."""
    index(state, facts(1))
    state.ask(MarkPolluted(thread_id=thread_id(1)))

    assert state.rows("SELECT field, value, edited_at_ms FROM thread_edits") == [
        ("memory_mode", "polluted", state.clock.wall_ms)
    ]


def test_deleting_a_threads_memory_takes_its_job_and_what_files_hold(state: MemoryState) -> None:
    """Later runtime: delete output and job; enqueue where it was selected."""
    remember(state, 1)
    remember(state, 2)
    consolidate(state, "one")
    saved(state, "in a team's files", scope=Scope(kind="team", key="shop"))

    deleted = state.ask(DeleteThreadMemory(thread_id=thread_id(1)))

    assert deleted == ThreadMemoryDeleted(memories=2, jobs=1, dirty=(SHOP,))
    assert remembered(state) == [thread_id(2)]
    assert state.rows("SELECT thread_id FROM extraction_jobs") == [(thread_id(2),)]
    assert state.ask(DeleteThreadMemory(thread_id=thread_id(1))) == ThreadMemoryDeleted(memories=0, jobs=0, dirty=())


def test_owner_whose_job_was_deleted_saves_nothing(state: MemoryState) -> None:
    """Beyond both: what is forgotten in the middle of its extraction stays forgotten."""
    index(state, facts(1))
    claimed_of(state, "one")
    state.ask(DeleteThreadMemory(thread_id=thread_id(1)))

    assert finish(state, "one", draft()) == NotOwner()
    assert remembered(state) == []


def test_unknown_thread_is_neither_polluted_nor_forgotten(state: MemoryState) -> None:
    """As everywhere: a typed reply where the id is nobody's."""
    assert state.ask(MarkPolluted(thread_id=NOBODY)) == UnknownThread(thread_id=NOBODY)
    assert state.ask(DeleteThreadMemory(thread_id=NOBODY)) == UnknownThread(thread_id=NOBODY)


def test_ages_and_numbers_below_nothing_cannot_be_asked_for() -> None:
    """As with the numbers of the baseline, which are unsigned: an age in the future would prune everything."""
    with pytest.raises(ValueError, match="unused_ms"):
        PruneMemories(unused_ms=-1)
    with pytest.raises(ValueError, match="limit"):
        PruneMemories(unused_ms=0, limit=-1)
