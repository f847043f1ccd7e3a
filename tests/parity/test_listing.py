"""Listing threads from the index: what is visible, how filters combine, how pages follow each other."""

from typing import Any

import pytest

from state.messages.backfill import MarkRolloutsVanished
from state.messages.thread_rows import UpsertThread
from state.messages.threads import ListThreadIds, ListThreads, ThreadAnchor, ThreadDirection, ThreadSort
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import SCAN, facts, index, path_of, thread_id
from tests.parity.rows import metadata, thread


def numbers(ids: Any) -> list[int]:
    """The made-up threads' numbers."""
    return [int(one.rpartition("-")[2], 16) for one in ids]


def listed(state: MemoryState, **filters: Any) -> list[int]:
    """The numbers of the threads on a page."""
    return numbers(one.id for one in state.ask(ListThreads(**filters)).threads)


@pytest.fixture
def four(state: MemoryState) -> MemoryState:
    """Four threads of which two share their time; the third is archived."""
    for number, created_at_ms, changes in (
        (1, 10, {"source": "cli", "title": "Login page"}),
        (2, 20, {"source": "exec", "model_provider": "azure", "title": "login test"}),
        (3, 20, {"archived_at_ms": 5}),
        (4, 20, {"cwd": "/blog", "source": "vscode"}),
    ):
        state.ask(UpsertThread(fields=metadata(number, created_at_ms=created_at_ms, **changes)))
    return state


def test_order_is_by_time_then_id_both_falling(four: MemoryState) -> None:
    """Baseline: ORDER BY ts DESC, id DESC; archived is one or the other, never both."""
    assert listed(four) == [4, 2, 1]
    assert listed(four, archived=True) == [3]


def test_order_can_be_turned_round(four: MemoryState) -> None:
    """Later baseline: a direction, ascending in both time and id."""
    assert listed(four, direction=ThreadDirection.ASCENDING) == [1, 2, 4]


def test_thread_without_a_first_message_is_not_visible(state: MemoryState) -> None:
    """Baseline: a row is listed once the person has said something; ours asks for a preview, as later versions do."""
    state.ask(UpsertThread(fields=metadata(1, preview="", first_user_message="")))
    state.ask(UpsertThread(fields=metadata(2)))

    assert listed(state) == [2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"sources": ("cli", "exec")}, [2, 1]),
        ({"model_providers": ("azure",)}, [2]),
        ({"cwds": ("/blog", "/nowhere")}, [4]),
        ({"sources": ("cli",), "model_providers": ("azure",)}, []),
        ({"title_contains": "login"}, [2]),
        ({"title_contains": "Login"}, [1]),
        ({"title_contains": "ogin"}, [2, 1]),
    ],
)
def test_filters_hold_together_and_the_search_knows_case(
    four: MemoryState, filters: dict[str, Any], expected: list[int]
) -> None:
    """Baseline: all filters are ANDed; search is a case-sensitive part of the title."""
    assert listed(four, **filters) == expected


def test_empty_list_of_folders_is_an_empty_page_at_once(four: MemoryState) -> None:
    """Baseline: an empty list of folders gives an empty page without a look at the rows."""
    page = four.ask(ListThreads(cwds=()))

    assert (page.threads, page.next_anchor, page.rows_scanned) == ((), None, 0)


def test_empty_list_of_sources_allows_none(four: MemoryState) -> None:
    """Differs: to the baseline an empty list of sources or providers is no filter. Ours has None for that."""
    assert listed(four, sources=()) == []
    assert listed(four, model_providers=()) == []
    assert listed(four, sources=None, model_providers=None) == [4, 2, 1]


def test_page_fetches_one_row_more_and_counts_it(four: MemoryState) -> None:
    """Baseline: the extra row is dropped, the anchor is the last row that was returned, the count has the extra one."""
    page = four.ask(ListThreads(limit=2))

    assert numbers(one.id for one in page.threads) == [4, 2]
    assert page.next_anchor == ThreadAnchor(at_ms=20, id=thread_id(2))
    assert page.rows_scanned == 3


def test_page_that_ends_with_the_last_row_has_no_anchor(four: MemoryState) -> None:
    """Baseline: without an extra row there is no next page."""
    page = four.ask(ListThreads(limit=3))

    assert (page.next_anchor, page.rows_scanned) == (None, 3)


@pytest.mark.parametrize("direction", list(ThreadDirection))
@pytest.mark.parametrize("sort", [ThreadSort.CREATED, ThreadSort.UPDATED])
def test_anchor_goes_on_behind_its_row_also_among_equal_times(
    four: MemoryState, sort: ThreadSort, direction: ThreadDirection
) -> None:
    """Baseline: keyset of time and id. Later baselines keep the time alone and lose ties; ours must not."""
    seen: list[int] = []
    anchor: ThreadAnchor | None = None
    for _ in range(3):
        page = four.ask(ListThreads(limit=1, anchor=anchor, sort=sort, direction=direction))
        seen += numbers(one.id for one in page.threads)
        anchor = page.next_anchor

    assert seen == listed(four, sort=sort, direction=direction)
    assert anchor is None


def test_ids_pass_the_same_filters_with_a_plain_limit(four: MemoryState) -> None:
    """Baseline: list_thread_ids has the listing's filters and order, and no extra row."""
    assert numbers(four.ask(ListThreadIds())) == [4, 2, 1]
    assert numbers(four.ask(ListThreadIds(limit=2, sources=("cli", "exec", "vscode")))) == [4, 2]
    assert numbers(four.ask(ListThreadIds(archived=True))) == [3]


def test_row_whose_file_is_gone_is_off_the_page_and_not_deleted(state: MemoryState) -> None:
    """Baseline: rows whose file is missing are dropped from the page, and deleted. Differs: ours are only hidden."""
    index(state, facts(1))
    state.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(1),)))

    assert listed(state) == []
    assert thread(state).id == thread_id(1)
