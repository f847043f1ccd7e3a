"""Messages of the log database: what memoryd said of itself, and who asks for it.

They are asked of a `LogHandle` (state.log_store). That database is a file of its own, and no other request goes there.
"""

import attrs

from state.ids import ThreadId
from state.messages.base import Lane, LongRead, Request, SmallRead


@attrs.frozen(kw_only=True)
class LogEntry:
    """One thing that was said, without secrets.

    Attributes:
      at_ns: Unix nanoseconds on the wall clock.
      level: e.g. "WARNING"; stored in capitals.
      target: the name of the logger.
      thread_id: the session that it is about, if it is about one.
      module, file, line: where in the code it was said, as far as is known.
      process_uuid: `pid:<pid>:<uuid>`, fresh at each process start.
    """

    at_ns: int
    level: str
    target: str
    message: str
    thread_id: ThreadId | None = None
    module: str | None = None
    file: str | None = None
    line: int | None = None
    process_uuid: str | None = None


@attrs.frozen(kw_only=True)
class StoredLogEntry(LogEntry):
    """A stored entry. id: grows in the order of storing, and is never used again."""

    id: int
    estimated_bytes: int


@attrs.frozen(kw_only=True)
class InsertLogs(Request[int]):
    """Store entries in their order, and let the oldest of each partition that they belong to go.

    A partition is a thread; of what is about no thread, a process; and what is of no known process. Replies how many
    entries were stored; none asked, nothing is done. Asking again stores them again.
    """

    lane = Lane.BULK
    entries: tuple[LogEntry, ...]


@attrs.frozen(kw_only=True)
class LogFilter:
    """Which entries are meant; whatever is left out does not restrict, and what is given must all hold.

    Attributes:
      levels: any of these, in capitals or not.
      from_ns, to_ns: said within, both included; Unix nanoseconds.
      modules, files: contain any of these texts; `%` and `_` in one stand for any text and any character (LIKE).
      thread_ids: about any of these threads; with `threadless` also what is about none. `threadless` alone: only that.
      after_id: stored after this one.
      search: the message holds this text, capitals and all.
    """

    levels: tuple[str, ...] = ()
    from_ns: int | None = None
    to_ns: int | None = None
    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    thread_ids: tuple[str, ...] = ()
    threadless: bool = False
    after_id: int | None = None
    search: str | None = None


@attrs.frozen(kw_only=True)
class QueryLogs(LongRead[tuple[StoredLogEntry, ...]]):
    """Entries in the order of their ids, or against it; at most `limit`, where one is given."""

    filter: LogFilter = LogFilter()
    descending: bool = False
    limit: int | None = None


@attrs.frozen(kw_only=True)
class GetMaxLogId(SmallRead[int]):
    """The id of the newest entry; 0 when there is none."""


@attrs.frozen(kw_only=True)
class DeleteLogsBefore(Request[int]):
    """Delete what was said strictly before an instant, in Unix nanoseconds. Replies how many entries. Repeatable."""

    lane = Lane.BULK
    at_ns: int
