"""`thread/search` and `thread/searchOccurrences`: threads in which something was said, and where in a thread."""

import time
from itertools import islice
from typing import Any, Final

import attrs
import msgspec
import trio

from interfaces.rpc.errors import RpcError, internal
from interfaces.rpc.found_thread import paginated_thread, turns_of
from interfaces.rpc.handlers.listing import (
    DIRECTIONS,
    KINDS,
    SORTS,
    anchor_of,
    direction_of,
    kinds_of,
    limit_of,
    listed_object,
    page_cursors,
)
from interfaces.rpc.host import Host
from interfaces.rpc.pages import page_of
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, nullable, sequence, text, u32
from interfaces.rpc.shapes import variant as one_word_of
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.turn_cursors import TURNS, line_place, written
from state.ids import ThreadId
from state.messages.threads import ListThreads, Thread, ThreadAnchor, ThreadPage, ThreadSort
from state.rollouts import thread_id_of
from state.rollouts.excerpts import trimmed
from state.rollouts.occurrences import Occurrence, OccurrencePlace, occurrences_in
from state.rollouts.search import search_rollouts
from state.rollouts.search_term import SearchTerm, TermTooLongError
from state.rules.thread_listing import SORT_COLUMN

SEARCH_SECONDS_MAX = 20.0
"""A search that takes longer answers what it has found, with a cursor behind the last thread that it has looked at."""

SLICE_SECONDS = 0.5
"""So long a search keeps a thread of the pool; then another one that waits has its turn."""

SEARCHES_MAX = 4
"""So many searches read files at a time."""

ROWS_AT_A_TIME = 256

OCCURRENCES_DEFAULT, OCCURRENCES_MAX = 50, 250

FIRST_ORDINAL = 1
"""Before it is only the line that says whose rollout it is."""

_readers: Final = trio.CapacityLimiter(SEARCHES_MAX)


@attrs.frozen(kw_only=True)
class ThreadSearchParams:
    """What is looked for, in which threads, and in which order these are shown."""

    current_account_only: bool = member_or(False, boolean)
    include_attached_threads: bool = member_or(False, boolean)
    cursor: str | None = member_or(None, nullable(text))
    limit: int | None = member_or(None, nullable(u32))
    sort_key: str | None = member_or(None, nullable(one_word_of(*SORTS)))
    sort_direction: str | None = member_or(None, nullable(one_word_of(*DIRECTIONS)))
    source_kinds: tuple[str, ...] | None = member_or(None, nullable(sequence(one_word_of(*KINDS))))
    archived: bool | None = member_or(None, nullable(boolean))
    search_term: str = member(text)


@attrs.frozen(kw_only=True)
class ThreadSearchOccurrencesParams:
    """What is looked for in one thread."""

    thread_id: str = member(text)
    search_term: str = member(text)
    cursor: str | None = member_or(None, nullable(text))
    limit: int | None = member_or(None, nullable(u32))


class _OccurrenceCursor(msgspec.Struct, rename="camel"):
    thread_id: str
    search_term: str
    next_rollout_ordinal: int
    next_occurrence_index: int


async def search_threads(host: Host, session: Session, params: ThreadSearchParams) -> dict[str, Any]:
    """A page of the threads of all providers in which the term was said, each with the words around its first place."""
    wanted = trimmed(params.search_term)
    if not wanted:
        raise RpcError("thread/search requires a non-empty searchTerm")
    direction = direction_of(params.sort_direction)
    listing = ListThreads(
        limit=ROWS_AT_A_TIME if host.handle is not None else 2**31,  # without an index each page reads everything
        anchor=anchor_of(params.cursor, direction),
        sort=ThreadSort(params.sort_key or ThreadSort.CREATED),
        direction=direction,
        archived=bool(params.archived),
        source_kinds=kinds_of(params.source_kinds),
    )
    try:
        term = SearchTerm(wanted)
    except TermTooLongError as error:
        raise internal(
            "failed to list threads: thread-store internal error: failed to search rollout contents:"
            " Argument list too long (os error 7)"
        ) from error
    page, snippets = await _found(host, listing, term, limit_of(params.limit))
    data = [
        {"thread": listed_object(host, thread), "snippet": snippet}
        for thread, snippet in zip(page.threads, snippets, strict=True)
    ]
    return {"data": data, **page_cursors(page, direction)}


async def _found(host: Host, listing: ListThreads, term: SearchTerm, limit: int) -> tuple[ThreadPage, list[str]]:
    """The page of those that have the term, and a snippet of each."""
    deadline = trio.current_time() + SEARCH_SECONDS_MAX
    found: list[tuple[Thread, str]] = []
    rows: list[Thread] = []
    next_rows: ThreadAnchor | None = None
    looked_up: Thread | None = None
    is_first = True
    while is_first or rows or next_rows is not None:
        if not rows:
            page = await page_of(
                host, listing if is_first else attrs.evolve(listing, anchor=next_rows), as_files_say=is_first
            )
            rows, next_rows, is_first = list(page.threads), page.next_anchor, False
            continue
        if looked_up is not None and trio.current_time() > deadline:
            return _page(listing, found, behind=looked_up)
        looked_at, snippets = await _look(host, rows, term, limit + 1 - len(found))
        found += [(rows[number], snippet) for number, snippet in snippets.items()]
        looked_up, rows = rows[looked_at - 1], rows[looked_at:]
        if len(found) > limit:
            return _page(listing, found[:limit], behind=found[limit - 1][0])
    return _page(listing, found, behind=None)


async def _look(host: Host, rows: list[Thread], term: SearchTerm, found_max: int) -> tuple[int, dict[int, str]]:
    """Look through the rollouts of some rows for a while: how many were looked at, and what has the term."""
    paths = [thread.rollout_path for thread in rows]

    def look() -> tuple[int, dict[int, str]]:
        end = time.monotonic() + SLICE_SECONDS
        looked = search_rollouts(
            host.codex_home,
            paths,
            term,
            found_max=found_max,
            has_time=lambda: time.monotonic() < end,
            pause=trio.from_thread.check_cancelled,
        )
        return looked.looked_at, looked.snippets

    return await trio.to_thread.run_sync(look, limiter=_readers)


def _page(
    listing: ListThreads, found: list[tuple[Thread, str]], *, behind: Thread | None
) -> tuple[ThreadPage, list[str]]:
    threads = tuple(thread for thread, _ in found)
    page = ThreadPage(
        threads=threads,
        first_anchor=_anchor(listing, threads[0]) if threads else None,
        next_anchor=None if behind is None else _anchor(listing, behind),
    )
    return page, [snippet for _, snippet in found]


def _anchor(listing: ListThreads, thread: Thread) -> ThreadAnchor:
    return ThreadAnchor(at_ms=getattr(thread, SORT_COLUMN[listing.sort]), id=thread.id)


async def search_occurrences(host: Host, session: Session, params: ThreadSearchOccurrencesParams) -> dict[str, Any]:
    """A page of the places in a newer thread that have the term, in the order in which things were said."""
    wanted = thread_id(params.thread_id)
    if not trimmed(params.search_term):
        raise RpcError("thread/searchOccurrences requires a non-empty searchTerm")
    thread = await paginated_thread(host, wanted, "thread/searchOccurrences")
    begin = _begin(params, wanted)
    limit = min(max(OCCURRENCES_DEFAULT if params.limit is None else params.limit, 1), OCCURRENCES_MAX)
    turns = (await turns_of(host, thread)).turns
    found = await trio.to_thread.run_sync(
        lambda: list(islice(occurrences_in(turns, params.search_term, begin), limit + 1)), abandon_on_cancel=True
    )
    return {
        "data": [_occurrence(wanted, one) for one in found[:limit]],
        "nextCursor": _next_cursor(wanted, params.search_term, found[limit].place) if len(found) > limit else None,
    }


def _begin(params: ThreadSearchOccurrencesParams, wanted: ThreadId) -> OccurrencePlace:
    """The place that a cursor of this thread and term names."""
    if params.cursor is None:
        return OccurrencePlace(ordinal=0, index=0)
    invalid = RpcError(f"invalid cursor: {params.cursor}")
    try:
        cursor = msgspec.json.decode(params.cursor.encode(), type=_OccurrenceCursor)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise invalid from error
    ordinal, index = cursor.next_rollout_ordinal, cursor.next_occurrence_index
    if (thread_id_of(cursor.thread_id), cursor.search_term) != (wanted, params.search_term) or min(ordinal, index) < 0:
        raise invalid
    if ordinal < FIRST_ORDINAL:
        raise RpcError("invalid cursor: position outside thread lineage")
    return OccurrencePlace(ordinal=ordinal, index=index)


def _next_cursor(thread: ThreadId, term: str, place: OccurrencePlace) -> str:
    cursor = _OccurrenceCursor(
        thread_id=thread, search_term=term, next_rollout_ordinal=place.ordinal, next_occurrence_index=place.index
    )
    return msgspec.json.encode(cursor).decode()


def _occurrence(thread: ThreadId, one: Occurrence) -> dict[str, Any]:
    return {
        "turnId": one.turn.id,
        "itemId": one.item["id"],
        "snippet": one.snippet,
        "snippetMatchRange": {"start": one.start, "end": one.end},
        "turnCursor": written(line_place(thread, one.turn.ordinal, TURNS, include_anchor=True)),
    }
