"""Reading memories: pages, scopes and the notes of one thread."""

from typing import Any

import pytest

from state.ids import Scope
from state.messages.memories import GetMemories, ListMemories, MemoriesOfThread, MemoryAnchor, MemoryNotFound
from state.rules.prefixes import SIMILAR_MAX
from tests.fakes.consolidation import BLOG, SHOP, remember
from tests.fakes.extraction import saved
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import thread_id


@pytest.fixture
def remembered(state: MemoryState) -> MemoryState:
    """Three memories in two scopes; the second one was changed last."""
    remember(state, 1)
    remember(state, 3, scope=BLOG)
    state.clock.advance(1_000)
    remember(state, 2)
    return state


def listed(state: MemoryState, **filters: Any) -> list[str]:
    """The raw memories of the first page."""
    return [memory.raw_memory for memory in state.ask(ListMemories(**filters)).memories]


def test_last_changed_comes_first_and_ties_go_by_thread(remembered: MemoryState) -> None:
    assert listed(remembered) == ["- memory 2", "- memory 3", "- memory 1"]


def test_scope_is_compared_exactly(remembered: MemoryState) -> None:
    assert listed(remembered, scope=SHOP) == ["- memory 2", "- memory 1"]
    assert listed(remembered, scope=BLOG) == ["- memory 3"]
    assert listed(remembered, scope=Scope(kind="cwd", key="/home/ann")) == []


def test_invalidated_memory_is_not_listed(remembered: MemoryState) -> None:
    remembered.rows("UPDATE memories SET invalidated_at_ms = 1 WHERE thread_id = ?", thread_id(2))

    assert listed(remembered) == ["- memory 3", "- memory 1"]


def test_pages_lose_no_tie(remembered: MemoryState) -> None:
    seen: list[str] = []
    anchor: MemoryAnchor | None = None
    while True:
        page = remembered.ask(ListMemories(limit=1, anchor=anchor))
        seen += [memory.raw_memory for memory in page.memories]
        anchor = page.next_anchor
        if anchor is None:
            break

    assert seen == ["- memory 2", "- memory 3", "- memory 1"]


def test_pages_lose_none_of_a_threads_memories_that_changed_at_once(remembered: MemoryState) -> None:
    for kind in ("team", "area"):
        saved(remembered, kind, thread_id(2), scope=Scope(kind=kind, key="shop"))
    seen: list[str] = []
    page = remembered.ask(ListMemories(limit=1))
    while page.next_anchor is not None:
        seen.append(page.memories[0].raw_memory)
        page = remembered.ask(ListMemories(limit=1, anchor=page.next_anchor))

    assert seen == ["- team", "- memory 2", "- area", "- memory 3"]


def test_listing_leaves_the_notes_out_and_one_thread_has_them(remembered: MemoryState) -> None:
    assert all(memory.notes == () for memory in remembered.ask(ListMemories()).memories)

    answer = remembered.ask(GetMemories(thread_id=thread_id(2)))

    assert isinstance(answer, MemoriesOfThread)
    (memory,) = answer.memories
    assert (memory.title, memory.scope, memory.rollout_slug, memory.extractor) == (
        "task 2",
        SHOP,
        "a-slug",
        "builtin:1",
    )
    assert [(note.text, note.line) for note in memory.notes] == [("memory 2", 1)]


def test_beginning_that_is_not_unique_names_what_it_could_be(state: MemoryState) -> None:
    for number in range(1, SIMILAR_MAX + 3):
        remember(state, number)

    answer = state.ask(GetMemories(thread_id="0199"))

    assert answer == MemoryNotFound(similar=tuple(thread_id(number) for number in range(1, SIMILAR_MAX + 1)))


def test_unique_beginning_finds_the_thread_and_nothing_finds_nothing(remembered: MemoryState) -> None:
    remembered.rows("DELETE FROM memories WHERE thread_id <> ?", thread_id(2))

    assert isinstance(remembered.ask(GetMemories(thread_id="0199")), MemoriesOfThread)
    assert remembered.ask(GetMemories(thread_id="")) == MemoryNotFound(similar=())
    assert remembered.ask(GetMemories(thread_id=thread_id(1))) == MemoryNotFound(similar=())
