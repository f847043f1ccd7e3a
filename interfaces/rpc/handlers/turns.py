"""`thread/turns/list` and `thread/items/list`: what was said in a thread, a page at a time."""

from collections.abc import Sequence
from typing import Any

import attrs

from interfaces.rpc.errors import INVALID_PARAMS, RpcError
from interfaces.rpc.found_thread import paginated_thread, stored_thread, turns_of
from interfaces.rpc.handlers.listing import DIRECTIONS, limit_of
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import anything, member, member_or, nullable, structure, text, u32, untagged
from interfaces.rpc.shapes import variant as one_word_of
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.turn_cursors import (
    ITEMS,
    TURNS,
    TurnPlace,
    cut,
    is_from,
    line_place,
    line_place_of,
    turn_place_of,
    written,
)
from interfaces.rpc.turn_object import ItemsView, turn_object
from state.ids import ThreadId
from state.live import LEGACY
from state.messages.threads import Thread
from state.rollouts.turn_model import Turn, TurnItem


@attrs.frozen(kw_only=True)
class ThreadTurnsListParams:
    """Which turns of a thread; the newest first where nothing is said."""

    thread_id: str = member(text)
    cursor: str | None = member_or(None, nullable(text))
    limit: int | None = member_or(None, nullable(u32))
    sort_direction: str | None = member_or(None, nullable(one_word_of(*DIRECTIONS)))
    items_view: str | None = member_or(None, nullable(one_word_of(*(view.value for view in ItemsView))))


@attrs.frozen(kw_only=True)
class ItemAnchor:
    """An item of the turn that is asked for."""

    type: str = member(one_word_of("item"))
    item_id: str = member(text)


@attrs.frozen(kw_only=True)
class ThreadItemsListParams:
    """Which items of a thread, or of one turn of it; the oldest first where nothing is said."""

    thread_id: str = member(text)
    turn_id: str | None = member_or(None, nullable(text))
    cursor: Any = member_or(None, nullable(untagged("ThreadItemsListCursor", text, structure(ItemAnchor))))
    limit: int | None = member_or(None, nullable(u32))
    sort_direction: str | None = member_or(None, nullable(one_word_of(*DIRECTIONS)))
    defer_output: Any = member_or(None, nullable(anything))


async def list_turns(host: Host, session: Session, params: ThreadTurnsListParams) -> dict[str, Any]:
    """A page of a thread's turns."""
    wanted = thread_id(params.thread_id)
    live = host.loaded.look(wanted)
    if live is not None and not live.ephemeral and not live.is_recorded:
        raise RpcError(
            f"thread {wanted} is not materialized yet; thread/turns/list is unavailable before first user message"
        )
    thread = (await stored_thread(host, wanted)).thread
    is_ascending = params.sort_direction == "asc"
    # A newer thread's cursor is looked at without its history; an older one names a turn that has to be there.
    place = None if params.cursor is None else _turn_place(thread, params.cursor)
    turns = (await turns_of(host, thread)).turns
    numbers = {id(turn): _number(thread, turn, number) for number, turn in enumerate(turns)}
    anchor = None if place is None else _anchor(turns, place[0])
    shown, has_more = cut(
        turns,
        None
        if anchor is None or place is None
        else lambda turn: is_from(numbers[id(turn)], anchor, include_anchor=place[1], is_ascending=is_ascending),
        is_ascending=is_ascending,
        limit=limit_of(params.limit),
    )
    view = ItemsView.SUMMARY if params.items_view is None else ItemsView(params.items_view)
    return {
        "data": [turn_object(turn, view) for turn in shown],
        "nextCursor": _turn_cursor(thread, shown[-1], include_anchor=False) if has_more else None,
        "backwardsCursor": _turn_cursor(thread, shown[0], include_anchor=True) if shown else None,
    }


async def list_items(host: Host, session: Session, params: ThreadItemsListParams) -> dict[str, Any]:
    """A page of the items of a newer thread."""
    wanted = thread_id(params.thread_id)
    if isinstance(params.cursor, ItemAnchor) and not params.turn_id:
        raise RpcError("turnId is required when cursor is an item anchor", INVALID_PARAMS)
    thread = await paginated_thread(host, wanted, "thread/items/list")
    is_ascending = params.sort_direction != "desc"
    place = line_place_of(params.cursor, thread.id, ITEMS) if isinstance(params.cursor, str) else None
    turns = (await turns_of(host, thread)).turns
    items = [(turn, one) for turn in turns if params.turn_id in (None, turn.id) for one in turn.items]
    items.sort(key=lambda pair: pair[1].ordinal)
    anchor, include_anchor = (None, False) if place is None else (place.rollout_ordinal, place.include_anchor)
    if isinstance(params.cursor, ItemAnchor):
        anchor = _ordinal_of(items, params.cursor.item_id)
    shown, has_more = cut(
        items,
        None
        if anchor is None
        else lambda pair: is_from(pair[1].ordinal, anchor, include_anchor=include_anchor, is_ascending=is_ascending),
        is_ascending=is_ascending,
        limit=limit_of(params.limit),
    )
    return {
        "data": [
            {
                "turnId": turn.id,
                "item": one.item,
                "startedAtMs": one.item["startedAtMs"],
                "completedAtMs": one.item["completedAtMs"],
            }
            for turn, one in shown
        ],
        "nextCursor": _item_cursor(thread.id, shown[-1][1], include_anchor=False) if has_more else None,
        "backwardsCursor": _item_cursor(thread.id, shown[0][1], include_anchor=True) if shown else None,
    }


def _turn_place(thread: Thread, cursor: str) -> tuple[str | int, bool]:
    """What a cursor names, a turn's id or its number, and whether the page begins with it."""
    if thread.history_mode == LEGACY:
        place = turn_place_of(cursor)
        return place.turn_id, place.include_anchor
    line = line_place_of(cursor, thread.id, TURNS)
    return line.rollout_ordinal, line.include_anchor


def _number(thread: Thread, turn: Turn, number: int) -> int:
    return number if thread.history_mode == LEGACY else turn.ordinal


def _anchor(turns: Sequence[Turn], named: str | int) -> int:
    if isinstance(named, int):
        return named
    for number, turn in enumerate(turns):
        if turn.id == named:
            return number
    raise RpcError("invalid cursor: anchor turn is no longer present")


def _ordinal_of(items: Sequence[tuple[Turn, TurnItem]], item_id: str) -> int:
    for _, one in items:
        if one.item["id"] == item_id:
            return one.ordinal
    raise RpcError("invalid cursor: anchor item is no longer present")


def _turn_cursor(thread: Thread, turn: Turn, *, include_anchor: bool) -> str:
    if thread.history_mode == LEGACY:
        return written(TurnPlace(turn_id=turn.id, include_anchor=include_anchor))
    return written(line_place(thread.id, turn.ordinal, TURNS, include_anchor=include_anchor))


def _item_cursor(thread: ThreadId, one: TurnItem, *, include_anchor: bool) -> str:
    return written(line_place(thread, one.ordinal, ITEMS, include_anchor=include_anchor))
