"""Cursors of a listing: `<ISO time>|<id>` behind a row, `<ISO time>` beside one; what the Codex app-server gives too.

The rule: a cursor names a place and not a page. One without an id stands before everything of its millisecond when the
listing goes back in time, and behind it when it goes forward; `backwards` is built so that turning round begins with
the row that it was made of.
"""

import datetime
import re

from interfaces.rpc.errors import RpcError
from state.ids import ThreadId
from state.messages.threads import ThreadAnchor, ThreadDirection
from state.rollouts import thread_id_of

_FILE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d")
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)

_BEFORE_ALL_IDS = ThreadId("")
_BEHIND_ALL_IDS = ThreadId("~")


def behind(anchor: ThreadAnchor) -> str:
    """The cursor that goes on behind a row."""
    return f"{iso(anchor.at_ms)}|{anchor.id}"


def backwards(first: ThreadAnchor, direction: ThreadDirection) -> str:
    """The cursor for a listing the other way round that begins with the first row of this page."""
    step = -1 if direction is ThreadDirection.DESCENDING else 1
    return iso(first.at_ms + step)


def parse(cursor: str, direction: ThreadDirection) -> ThreadAnchor:
    """The place that a cursor names.

    Raises:
      RpcError: it names none.
    """
    time, bar, behind_id = cursor.partition("|")
    at_ms = _milliseconds(time)
    identity = thread_id_of(behind_id) if bar else None
    if at_ms is None or (bar and identity is None):
        raise RpcError(f"invalid cursor: {cursor}")
    if identity is None:
        identity = _BEFORE_ALL_IDS if direction is ThreadDirection.DESCENDING else _BEHIND_ALL_IDS
    return ThreadAnchor(at_ms=at_ms, id=identity)


def iso(at_ms: int) -> str:
    """Unix milliseconds as text; thousandths only where there are some."""
    time = (_EPOCH + at_ms * _MILLISECOND).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{time}.{at_ms % 1000:03d}Z" if at_ms % 1000 else f"{time}Z"


def _milliseconds(text: str) -> int | None:
    try:
        if _FILE_TIME.fullmatch(text):
            time = datetime.datetime.strptime(text, "%Y-%m-%dT%H-%M-%S").replace(tzinfo=datetime.UTC)
        elif _ISO_TIME.fullmatch(text):
            time = datetime.datetime.fromisoformat(text)
        else:
            return None
        # Down, also before 1970: a row's own millisecond is never skipped.
        return (time - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None
