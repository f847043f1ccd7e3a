"""Listing threads and finding one: order, filters, pages and beginnings of ids."""

from typing import Any

import attrs
import pytest

from state.messages.backfill import MarkRolloutsVanished, RecordThreadNames, RegisterRollouts
from state.messages.threads import (
    GetThread,
    ListThreadIds,
    ListThreads,
    ThreadAnchor,
    ThreadDirection,
    ThreadFound,
    ThreadNotFound,
    ThreadPage,
    ThreadSort,
)
from state.rollouts.model import DynamicTool
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, SCAN, facts, found, index, path_of, thread_id


def listed(state: MemoryState, **filters: Any) -> list[str]:
    """Titles of the first page."""
    return [thread.title for thread in state.ask(ListThreads(**filters)).threads]


@pytest.fixture
def three(state: MemoryState) -> MemoryState:
    """Three threads that differ in everything that can be filtered or sorted by."""
    index(state, facts(1, created_at_ms=1, title="one"), mtime_ns=5_000_000)
    other = facts(2, created_at_ms=2, title="two", source="exec", model_provider="azure", cwd="/blog")
    index(state, other, mtime_ns=4_000_000)
    index(state, attrs.evolve(other, git_branch="edited"), mtime_ns=6_000_000)
    index(state, facts(3, created_at_ms=3, title="Three"), path="archived_sessions/three.jsonl", mtime_ns=3_000_000)
    index(state, facts(4, created_at_ms=4, preview="", title="nobody sees me"))
    return state


def test_newest_comes_first(three: MemoryState) -> None:
    assert listed(three) == ["two", "one"]
    assert listed(three, sort=ThreadSort.CREATED) == ["two", "one"]
    assert listed(three, sort=ThreadSort.UPDATED) == ["two", "one"]
    assert listed(three, sort=ThreadSort.RECENCY) == ["one", "two"]


def test_archived_threads_are_listed_apart(three: MemoryState) -> None:
    assert listed(three, archived=True) == ["Three"]


def test_thread_without_a_preview_is_not_listed(three: MemoryState) -> None:
    assert "nobody sees me" not in listed(three)
    assert isinstance(three.ask(GetThread(thread_id=thread_id(4))), ThreadFound)


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"sources": ("cli",)}, ["one"]),
        ({"sources": ("cli", "exec")}, ["two", "one"]),
        ({"sources": ()}, []),
        ({"model_providers": ("azure",)}, ["two"]),
        ({"model_providers": ()}, []),
        ({"cwds": ("/blog",)}, ["two"]),
        ({"cwds": ("/blo", "/blog/")}, []),
        ({"cwds": ()}, []),
        ({"title_contains": "w"}, ["two"]),
        ({"title_contains": "W"}, []),
        ({"title_contains": ""}, ["two", "one"]),
        ({"title_contains": "%"}, []),
        ({"sources": ("cli",), "cwds": ("/blog",)}, []),
        ({"archived": True, "title_contains": "Th"}, ["Three"]),
    ],
)
def test_filters_all_hold_together(three: MemoryState, filters: dict[str, Any], titles: list[str]) -> None:
    assert listed(three, **filters) == titles


def test_title_filter_finds_names_too(three: MemoryState) -> None:
    three.ask(RecordThreadNames(names={thread_id(1): "the login"}))

    assert listed(three, title_contains="login") == ["one"]


def test_thread_whose_file_is_gone_is_hidden_until_it_comes_back(three: MemoryState) -> None:
    three.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(1),)))
    assert listed(three) == ["two"]

    three.ask(RegisterRollouts(token=SCAN, found=(found(path_of(1)),)))
    assert listed(three) == ["two", "one"]


def test_page_says_where_the_next_one_begins_only_if_there_is_one(three: MemoryState) -> None:
    first = three.ask(ListThreads(limit=1))
    assert first.next_anchor == ThreadAnchor(at_ms=2, id=thread_id(2))

    second = three.ask(ListThreads(limit=1, anchor=first.next_anchor))
    assert [thread.title for thread in second.threads] == ["one"]
    assert second.next_anchor is None
    assert three.ask(ListThreads(limit=2)).next_anchor is None


def test_ties_at_a_page_border_are_not_lost(state: MemoryState) -> None:
    for number in range(1, 6):
        index(state, facts(number, created_at_ms=CONTENT_AT_MS))

    seen: list[str] = []
    anchor = None
    for _ in range(3):
        page = state.ask(ListThreads(limit=2, anchor=anchor))
        seen += [thread.id for thread in page.threads]
        anchor = page.next_anchor

    assert anchor is None
    assert seen == [thread_id(number) for number in range(5, 0, -1)]


@pytest.mark.parametrize("sort", list(ThreadSort))
def test_ascending_is_descending_the_other_way_round(three: MemoryState, sort: ThreadSort) -> None:
    assert listed(three, sort=sort, direction=ThreadDirection.ASCENDING) == listed(three, sort=sort)[::-1]


def test_first_row_of_a_page_is_where_going_back_begins(state: MemoryState) -> None:
    for number in range(1, 6):
        index(state, facts(number, created_at_ms=CONTENT_AT_MS))
    first = state.ask(ListThreads(limit=2))
    second = state.ask(ListThreads(limit=2, anchor=first.next_anchor))

    back = state.ask(ListThreads(limit=2, anchor=second.first_anchor, direction=ThreadDirection.ASCENDING))

    assert back.threads[::-1] == first.threads
    assert back.next_anchor is None
    assert state.ask(ListThreads(archived=True)).first_anchor is None


def test_scanned_rows_count_the_one_that_tells_of_another_page(three: MemoryState) -> None:
    assert three.ask(ListThreads(limit=1)).rows_scanned == 2
    assert three.ask(ListThreads(limit=2)).rows_scanned == 2
    assert three.ask(ListThreads(limit=3)).rows_scanned == 2


@pytest.mark.parametrize("allowed", [{"sources": ()}, {"model_providers": ()}, {"cwds": ()}])
def test_list_that_allows_nothing_is_an_empty_page_without_a_look(
    three: MemoryState, allowed: dict[str, tuple[str, ...]]
) -> None:
    three.rows("DROP TABLE rollout_files")

    assert three.ask(ListThreads(**allowed)) == ThreadPage(threads=(), next_anchor=None)  # type: ignore[arg-type]
    assert three.ask(ListThreadIds(**allowed)) == ()  # type: ignore[arg-type]


def test_ids_are_those_of_the_page_up_to_the_limit(three: MemoryState) -> None:
    assert three.ask(ListThreadIds()) == (thread_id(2), thread_id(1))
    assert three.ask(ListThreadIds(limit=1)) == (thread_id(2),)
    assert three.ask(ListThreadIds(archived=True)) == (thread_id(3),)
    assert three.ask(ListThreadIds(cwds=("/blog",))) == (thread_id(2),)
    behind = ThreadAnchor(at_ms=2, id=thread_id(2))
    assert three.ask(ListThreadIds(anchor=behind)) == (thread_id(1),)


def test_page_of_nothing_is_empty_and_the_last(three: MemoryState) -> None:
    page = three.ask(ListThreads(limit=0))

    assert (page.threads, page.next_anchor) == ((), None)


def test_thread_comes_with_its_tools_in_order(state: MemoryState) -> None:
    tools = (
        DynamicTool(name="search", description="finds", input_schema='{"type":"object"}', defer_loading=True),
        DynamicTool(name="fetch", description="gets", input_schema="{}", namespace="web"),
    )
    index(state, facts(1, dynamic_tools=tools))

    found_thread = state.ask(GetThread(thread_id=thread_id(1)))

    assert isinstance(found_thread, ThreadFound)
    assert found_thread.dynamic_tools == tools


def test_unique_beginning_of_an_id_finds_the_thread(three: MemoryState) -> None:
    answer = three.ask(GetThread(thread_id=f"  {thread_id(2).upper()[:-1]}2 "))
    assert isinstance(answer, ThreadFound)
    assert answer.thread.title == "two"


def test_whole_id_finds_its_thread_although_another_id_begins_with_it(state: MemoryState) -> None:
    index(state, facts(1, title="asked for"))
    index(state, facts(1, title="longer", thread_id=f"{thread_id(1)}0"), path="sessions/longer.jsonl")

    answer = state.ask(GetThread(thread_id=thread_id(1)))

    assert isinstance(answer, ThreadFound)
    assert answer.thread.title == "asked for"


def test_ambiguous_beginning_names_what_it_could_be(three: MemoryState) -> None:
    assert three.ask(GetThread(thread_id="0199")) == ThreadNotFound(
        similar=(thread_id(1), thread_id(2), thread_id(3), thread_id(4))
    )


@pytest.mark.parametrize("asked", ["", "  ", "ffff", "%", "0199_"])
def test_what_matches_nothing_finds_nothing(three: MemoryState, asked: str) -> None:
    assert three.ask(GetThread(thread_id=asked)) == ThreadNotFound(similar=())
