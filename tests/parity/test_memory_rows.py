"""The baseline's memory rows: who may write one, how it is stamped, and which are read.

Each docstring says which behaviour of the baseline it pins. What the later runtime added (use, age, pollution) is in
`test_memory_retention`.
"""

from collections.abc import Iterator

import pytest

from state.ids import Scope
from state.messages.leases import NotOwner
from state.messages.memory_rows import GetNewestMemory, LastMemories, MemoryRow
from state.messages.threads import UnknownThread
from tests.fakes.extraction import SHOP, claimed_of, save, save_under_claim, saved
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id

LEASE_MS = 60_000
TEAM = Scope(kind="team", key="shop")
NOBODY = thread_id(99)


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """A state that knows one thread, with its first content."""
    state = MemoryState()
    index(state, facts(1))
    yield state
    state.close()


def newest(state: MemoryState) -> MemoryRow:
    """The newest memory of the thread."""
    row = state.ask(GetNewestMemory(thread_id=thread_id(1)))
    assert row is not None
    return row


def last(state: MemoryState, count: int, scope: Scope = SHOP) -> list[str]:
    """The last memories of a scope."""
    return [row.raw_memory for row in state.ask(LastMemories(scope=scope, count=count))]


def test_memory_is_saved_in_the_scope_of_the_threads_folder(state: MemoryState) -> None:
    """Baseline: `upsert_thread_memory` takes the scope from the thread's row."""
    row = saved(state, "tabs")

    assert (row.scope, row.raw_memory, row.rollout_summary) == (SHOP, "- tabs", "# tabs")
    assert (row.source_at_ms, row.updated_at_ms) == (CONTENT_AT_MS, state.clock.wall_ms)
    assert (row.usage_count, row.last_used_at_ms, row.invalidated_at_ms, row.invalid_reason) == (0, None, None, None)


def test_memory_is_saved_in_the_scope_that_is_given(state: MemoryState) -> None:
    """Baseline: `upsert_thread_memory_for_scope`; the same thread may have a memory in each of several scopes."""
    saved(state, "tabs")

    assert saved(state, "spaces", scope=TEAM).scope == TEAM
    assert (last(state, 5), last(state, 5, TEAM)) == (["- tabs"], ["- spaces"])


def test_memory_of_an_unknown_thread_is_not_saved(state: MemoryState) -> None:
    """Baseline: error `thread not found: <id>`; here a typed reply."""
    before = state.tables()

    assert save(state, "tabs", NOBODY) == UnknownThread(thread_id=NOBODY)
    assert save(state, "tabs", NOBODY, scope=TEAM) == UnknownThread(thread_id=NOBODY)
    assert state.tables() == before


def test_saving_again_replaces_both_texts(state: MemoryState) -> None:
    """Baseline: on conflict raw memory and summary are replaced."""
    saved(state, "tabs")
    row = saved(state, "spaces")

    assert (row.raw_memory, row.rollout_summary) == ("- spaces", "# spaces")
    assert state.value("SELECT count(*) FROM memories") == 1
    assert state.rows("SELECT text FROM memory_notes") == [("spaces",)], "its notes too"


def test_updated_at_strictly_grows_even_for_the_same_text_in_the_same_millisecond(state: MemoryState) -> None:
    """Baseline: `now if now > old else old + 1` (there in seconds)."""
    stamps = [saved(state, "tabs").updated_at_ms for _ in range(3)]

    assert stamps == [state.clock.wall_ms, state.clock.wall_ms + 1, state.clock.wall_ms + 2]


def test_updated_at_follows_the_clock_where_that_is_ahead_and_never_goes_back_with_it(state: MemoryState) -> None:
    """Baseline: the same rule, across longer times and a clock that was set back."""
    first = saved(state, "tabs").updated_at_ms
    state.clock.advance(5_000)
    second = saved(state, "tabs").updated_at_ms
    state.clock.wall_ms -= 3_600_000
    third = saved(state, "tabs").updated_at_ms

    assert (second, third) == (first + 5_000, first + 5_001)


def test_use_and_invalidation_survive_a_save(state: MemoryState) -> None:
    """Baseline: used_count, last_used_at and invalidated_* are no part of the upsert."""
    saved(state, "tabs")
    state.rows(
        "UPDATE memories SET usage_count = 7, last_used_at_ms = 5, invalidated_at_ms = 6, invalid_reason = 'wrong',"
        " selected_source_at_ms = 8"
    )

    row = saved(state, "spaces")

    assert (row.usage_count, row.last_used_at_ms) == (7, 5)
    assert (row.invalidated_at_ms, row.invalid_reason) == (6, "wrong")
    assert state.value("SELECT selected_source_at_ms FROM memories") == 8


def test_save_cannot_be_forgotten_by_the_scopes_files(state: MemoryState) -> None:
    """Meant differently: in the baseline the dirty flag is set by hand beside the upsert; here by the write itself."""
    saved(state, "tabs")
    claimed_of(state, "one", scope=TEAM)
    save_under_claim(state, "one", "spaces", scope=TEAM)

    assert state.rows("SELECT scope_key, inputs_mark, consolidated_mark FROM scopes ORDER BY 1") == [
        (SHOP.key, 1, 0),
        (TEAM.key, 1, 0),
    ]


def test_owners_guarded_write_is_stored_and_answers_the_row(state: MemoryState) -> None:
    """Baseline: `upsert_thread_memory_for_scope_if_phase1_owner` answers the stored row."""
    claimed_of(state, "one", scope=TEAM)

    row = save_under_claim(state, "one", "tabs", scope=TEAM)

    assert isinstance(row, MemoryRow)
    assert (row.thread_id, row.scope, row.raw_memory, row.updated_at_ms) == (
        thread_id(1),
        TEAM,
        "- tabs",
        state.clock.wall_ms,
    )
    assert state.value("SELECT status FROM extraction_jobs WHERE scope_kind = 'team'") == "running"


def test_stale_owners_guarded_write_is_stored_until_somebody_steals(state: MemoryState) -> None:
    """Baseline: the guard is the token, not the time."""
    claimed_of(state, "one", lease_ms=LEASE_MS)
    state.clock.advance(LEASE_MS)

    assert isinstance(save_under_claim(state, "one", "tabs"), MemoryRow)


def test_robbed_owners_guarded_write_stores_nothing(state: MemoryState) -> None:
    """Baseline: no running job with this token for exactly this thread and scope -> None, nothing written."""
    saved(state, "the good one")
    claimed_of(state, "one")
    claimed_of(state, "two", stale_after_ms=0)
    before = state.tables()

    assert save_under_claim(state, "one", "late") == NotOwner()
    assert state.tables() == before


@pytest.mark.parametrize(("number", "scope"), [(1, TEAM), (1, Scope(kind="cwd", key=SHOP.key + "/")), (2, SHOP)])
def test_right_token_for_another_thread_or_scope_stores_nothing(state: MemoryState, number: int, scope: Scope) -> None:
    """Baseline: the guard matches thread, scope kind and scope key, not the token alone."""
    index(state, facts(2))
    claimed_of(state, "one")
    before = state.tables()

    assert save_under_claim(state, "one", "tabs", thread_id(number), scope=scope) == NotOwner()
    assert state.tables() == before


def test_guarded_write_for_an_unknown_thread_says_so_before_it_asks_for_the_token(state: MemoryState) -> None:
    """Baseline: the thread is looked up first, with the error `thread not found`."""
    claimed_of(state, "one")

    assert save_under_claim(state, "one", "tabs", NOBODY) == UnknownThread(thread_id=NOBODY)


def test_newest_memory_is_the_one_that_was_changed_last_in_any_scope(state: MemoryState) -> None:
    """Baseline: `get_thread_memory` orders by updated_at DESC first."""
    saved(state, "tabs", scope=TEAM)
    state.clock.advance(1)
    saved(state, "spaces")

    assert newest(state).raw_memory == "- spaces"


def test_of_memories_of_one_instant_the_greater_scope_is_the_newest(state: MemoryState) -> None:
    """Baseline: then scope_kind DESC, then scope_key DESC."""
    saved(state, "a", scope=Scope(kind="cwd", key="/a"))
    saved(state, "c", scope=Scope(kind="cwd", key="/c"))
    saved(state, "b", scope=Scope(kind="cwd", key="/b"))
    assert newest(state).raw_memory == "- c"

    saved(state, "team", scope=Scope(kind="team", key="/a"))
    assert newest(state).raw_memory == "- team"


def test_newest_memory_may_be_an_invalidated_one(state: MemoryState) -> None:
    """Baseline: `get_thread_memory` does not look at invalidated_at."""
    saved(state, "tabs")
    state.rows("UPDATE memories SET invalidated_at_ms = 1")

    assert (newest(state).raw_memory, newest(state).invalidated_at_ms) == ("- tabs", 1)


def test_thread_without_a_memory_has_no_newest_one(state: MemoryState) -> None:
    """Baseline: None, for a thread that is known and for one that is not."""
    assert state.ask(GetNewestMemory(thread_id=thread_id(1))) is None
    assert state.ask(GetNewestMemory(thread_id=NOBODY)) is None
    assert state.ask(GetNewestMemory(thread_id=thread_id(1)[:8])) is None  # type: ignore[arg-type]  # no prefix either


def test_last_memories_are_those_of_exactly_this_scope(state: MemoryState) -> None:
    """Baseline: kind and key are compared exactly; a folder's memories are not those of the folders in it."""
    index(state, facts(2))
    index(state, facts(3))
    saved(state, "here")
    saved(state, "below", thread_id(2), scope=Scope(kind="cwd", key=SHOP.key + "/src"))
    saved(state, "beside", thread_id(3), scope=Scope(kind="cwd", key=SHOP.key + "2"))
    saved(state, "another kind", thread_id(3), scope=Scope(kind="team", key=SHOP.key))

    assert last(state, 10) == ["- here"]
    assert last(state, 10, Scope(kind="cwd", key="/home/ann")) == []
    assert last(state, 10, Scope(kind="cwd", key=SHOP.key.upper())) == []


def test_last_memories_come_newest_first_and_ties_by_the_greater_thread(state: MemoryState) -> None:
    """Baseline: ORDER BY updated_at DESC, thread_id DESC LIMIT n."""
    for number in (2, 3, 4):
        index(state, facts(number))
    for number in (3, 1, 2):
        saved(state, f"memory {number}", thread_id(number))
    state.clock.advance(1)
    saved(state, "memory 4", thread_id(4))

    assert last(state, 10) == ["- memory 4", "- memory 3", "- memory 2", "- memory 1"]
    assert last(state, 2) == ["- memory 4", "- memory 3"]


def test_last_memories_leave_invalidated_ones_out_and_do_not_count_them(state: MemoryState) -> None:
    """Baseline: only rows whose invalidated_at is NULL."""
    index(state, facts(2))
    saved(state, "good")
    saved(state, "wrong", thread_id(2))
    state.rows("UPDATE memories SET invalidated_at_ms = 1 WHERE thread_id = ?", thread_id(2))

    assert last(state, 1) == ["- good"]


def test_none_of_the_last_memories_is_none(state: MemoryState) -> None:
    """Baseline: n = 0 -> empty."""
    saved(state, "tabs")

    assert last(state, 0) == []


def test_fewer_than_none_cannot_be_asked_for() -> None:
    """Baseline: n is unsigned. SQLite would take a negative LIMIT for no limit."""
    with pytest.raises(ValueError, match="count"):
        LastMemories(scope=SHOP, count=-1)


def test_deleted_thread_takes_its_memories_along(state: MemoryState) -> None:
    """Baseline: ON DELETE CASCADE."""
    index(state, facts(2))
    saved(state, "tabs")
    saved(state, "spaces", scope=TEAM)
    saved(state, "another's", thread_id(2))
    state.rows("DELETE FROM threads WHERE id = ?", thread_id(1))

    assert state.rows("SELECT raw_memory FROM memories") == [("- another's",)]
    assert state.rows("SELECT text FROM memory_notes") == [("another's",)]
