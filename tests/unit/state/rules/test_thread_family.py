"""Who goes with a thread: its agents by generations, and forks that read on in its rollout."""

from state.messages.thread_family import FindThreadFamily, ThreadFamily
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

NOBODY = ThreadFamily(spawned=(), has_history_forks=False)


def family(state: MemoryState, number: int) -> ThreadFamily:
    return state.ask(FindThreadFamily(thread_id=thread_id(number)))


def test_agents_come_by_generations(state: MemoryState) -> None:
    for number, parent in ((1, None), (2, 1), (5, 1), (3, 5), (4, 3), (9, None)):
        index(state, facts(number, parent_thread_id=None if parent is None else thread_id(parent)))

    assert family(state, 1).spawned == tuple(thread_id(number) for number in (2, 5, 3, 4))
    assert family(state, 5).spawned == (thread_id(3), thread_id(4))
    assert family(state, 9) == family(state, 77) == NOBODY


def test_threads_that_started_each_other_end_the_walk(state: MemoryState) -> None:
    for number, parent in ((1, 2), (2, 1), (3, 3)):
        index(state, facts(number, parent_thread_id=thread_id(parent)))
    assert family(state, 1).spawned == (thread_id(2),)
    assert family(state, 3) == NOBODY


def test_only_a_paginated_fork_needs_the_rollout(state: MemoryState) -> None:
    index(state, facts(1))
    index(state, facts(2, forked_from_id=thread_id(1), history_mode="legacy"))
    assert not family(state, 1).has_history_forks
    index(state, facts(3, forked_from_id=thread_id(1), history_mode="paginated"))
    assert family(state, 1) == ThreadFamily(spawned=(), has_history_forks=True)
