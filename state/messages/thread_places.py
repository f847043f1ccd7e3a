"""Messages about where a thread's rollout lies: looked up, found elsewhere, archived and brought back."""

import enum

import attrs

from state.ids import ThreadId
from state.messages.base import Request, SmallRead
from state.messages.thread_edits import InvalidThreadId
from state.messages.threads import UnknownThread


class ThreadPlace(enum.StrEnum):
    """Among which threads to look."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    ANY = "any"


@attrs.frozen(kw_only=True)
class RolloutPathFound:
    """What the index says; whether the file is there, and is this thread's, only the file can tell."""

    thread_id: ThreadId
    path: str
    archived: bool


@attrs.frozen(kw_only=True)
class FindRolloutPath(SmallRead[RolloutPathFound | UnknownThread | InvalidThreadId]):
    """Where does the index say that this thread's rollout lies? UnknownThread also for one in the other place."""

    thread_id: str
    place: ThreadPlace = ThreadPlace.ANY


@attrs.frozen(kw_only=True)
class PlaceKnown:
    """The row names that path. changed: it named another one, or was archived otherwise, before."""

    thread_id: ThreadId
    changed: bool


@attrs.frozen(kw_only=True)
class RepairRolloutPath(Request[PlaceKnown | UnknownThread | InvalidThreadId]):
    """A thread's rollout was found at `path`: have its row say so. Writes only what differs. Asking again is safe.

    An active rollout is not archived; an archived one keeps its moment of archiving, or gets the time of its update.
    """

    thread_id: str
    path: str
    archived: bool


@attrs.frozen(kw_only=True)
class MarkThreadArchived(Request[PlaceKnown | UnknownThread | InvalidThreadId]):
    """A thread's rollout was moved to `path` in the archive. Asking again is safe.

    Attributes:
      archived_at_ms: when that was.
      mtime_ms: the moved file's time, which becomes the row's time of update; None when it could not be read.
    """

    thread_id: str
    path: str
    archived_at_ms: int
    mtime_ms: int | None


@attrs.frozen(kw_only=True)
class MarkThreadUnarchived(Request[PlaceKnown | UnknownThread | InvalidThreadId]):
    """A thread's rollout was moved back to `path` among the active ones. Asking again is safe.

    mtime_ms: as for MarkThreadArchived.
    """

    thread_id: str
    path: str
    mtime_ms: int | None
