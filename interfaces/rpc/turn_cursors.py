"""Cursors of a history: the turn or the item that a page ends with, as JSON; what the Codex app-server gives too.

A thread of the older form names its turn; one of the newer form names the line that told of the turn or item first.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from interfaces.rpc.errors import RpcError
from state.ids import ThreadId

PartT = TypeVar("PartT")

TURNS = "turns"
ITEMS = "itemsByCreatedAtOrdinal"


class TurnPlace(msgspec.Struct, rename="camel"):
    """A turn of an older thread. include_anchor: the page begins with it, and not behind it."""

    turn_id: str
    include_anchor: bool


class _Scope(msgspec.Struct):
    kind: str


class LinePlace(msgspec.Struct, rename="camel"):
    """A line of a newer thread."""

    requested_thread_id: str
    rollout_ordinal: int
    include_anchor: bool
    scope: _Scope


def line_place(thread_id: ThreadId, ordinal: int, scope: str, *, include_anchor: bool) -> LinePlace:
    """The place of what a line told of."""
    return LinePlace(
        requested_thread_id=thread_id, rollout_ordinal=ordinal, include_anchor=include_anchor, scope=_Scope(kind=scope)
    )


def written(place: TurnPlace | LinePlace) -> str:
    """The cursor of a place."""
    return msgspec.json.encode(place).decode()


def turn_place_of(cursor: str) -> TurnPlace:
    """The turn that a cursor names.

    Raises:
      RpcError: it names none.
    """
    return _read(cursor, TurnPlace)


def line_place_of(cursor: str, thread_id: ThreadId, scope: str) -> LinePlace:
    """The line that a cursor of this thread and scope names.

    Raises:
      RpcError: it names none.
    """
    place = _read(cursor, LinePlace)
    if place.requested_thread_id != thread_id or place.scope.kind != scope:
        raise RpcError(f"invalid cursor: {cursor}")
    return place


def cut(
    parts: Sequence[PartT],
    is_behind: Callable[[PartT], bool] | None,
    *,
    is_ascending: bool,
    limit: int,
) -> tuple[list[PartT], bool]:
    """The first `limit` parts in the order that is asked for, and whether there are more.

    Args:
      parts: in the order in which they happened.
      is_behind: says of a part whether the listing may show it; None: it begins at its beginning.
    """
    ordered = [part for part in (parts if is_ascending else reversed(parts)) if is_behind is None or is_behind(part)]
    return ordered[:limit], len(ordered) > limit


def is_from(ordinal: int, anchor: int, *, include_anchor: bool, is_ascending: bool) -> bool:
    """Say whether a place comes behind another one in the order of the listing."""
    if ordinal == anchor:
        return include_anchor
    return (ordinal > anchor) is is_ascending


def _read(cursor: str, kind: type[PartT]) -> PartT:
    try:
        return msgspec.json.decode(cursor.encode(), type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise RpcError(f"invalid cursor: {cursor}") from error
