"""Pages of a listing: together they are the whole listing, in order, each thread once, whatever their size."""

from hypothesis import given
from hypothesis import strategies as st

from state.messages.memories import ListMemories, MemoryAnchor
from state.messages.threads import ListThreadIds, ListThreads, ThreadAnchor, ThreadDirection, ThreadSort
from tests.fakes.consolidation import remember
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

TIMES = st.sampled_from([1, 2, 3])
"""Few, so that most threads share theirs with another."""


@given(
    st.lists(st.tuples(TIMES, TIMES, TIMES, st.booleans()), max_size=9),
    st.integers(1, 4),
    st.sampled_from(ThreadDirection),
)
def test_pages_of_threads_lose_no_tie_and_repeat_nothing(
    threads: list[tuple[int, int, int, bool]], limit: int, direction: ThreadDirection
) -> None:
    state = MemoryState()
    for number, (created, updated, recent, is_visible) in enumerate(threads):
        index(
            state,
            facts(number, created_at_ms=created, preview="seen" if is_visible else ""),
            mtime_ns=updated * 1_000_000,
        )
        state.rows("UPDATE threads SET recency_at_ms = ? WHERE id = ?", recent, thread_id(number))

    for place, sort in enumerate((ThreadSort.CREATED, ThreadSort.UPDATED, ThreadSort.RECENCY)):
        seen: list[str] = []
        anchor: ThreadAnchor | None = None
        while True:
            page = state.ask(ListThreads(limit=limit, anchor=anchor, sort=sort, direction=direction))
            seen += [thread.id for thread in page.threads]
            assert page.rows_scanned == len(page.threads) + (page.next_anchor is not None)
            anchor = page.next_anchor
            if anchor is None:
                break
            assert len(page.threads) == limit
        expected = sorted(
            ((times[place], thread_id(number)) for number, times in enumerate(threads) if times[3]),
            reverse=direction is ThreadDirection.DESCENDING,
        )
        assert seen == [one for _, one in expected]
        ids = state.ask(ListThreadIds(limit=limit, sort=sort, direction=direction))
        assert list(ids) == seen[:limit]
    state.close()


@given(st.lists(TIMES, max_size=7), st.integers(1, 3))
def test_pages_of_memories_lose_no_tie_and_repeat_nothing(steps: list[int], limit: int) -> None:
    state = MemoryState()
    for number, step in enumerate(steps):
        state.clock.advance(step - 1)
        remember(state, number)

    seen: list[str] = []
    anchor: MemoryAnchor | None = None
    while True:
        page = state.ask(ListMemories(limit=limit, anchor=anchor))
        seen += [memory.thread_id for memory in page.memories]
        anchor = page.next_anchor
        if anchor is None:
            break

    stamps = dict(state.rows("SELECT thread_id, updated_at_ms FROM memories"))
    assert seen == sorted(stamps, key=lambda one: (stamps[one], one), reverse=True)
    state.close()
