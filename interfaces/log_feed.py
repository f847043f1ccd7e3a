"""From a log call to an entry of the log database: what is kept of it, where it was said, and nothing secret."""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state.ids import ThreadId
from state.log_queue import LogQueue
from state.messages.logs import LogEntry

MESSAGE_CHARACTERS_MAX = 32_768
"""A longer message is cut: one entry must not push all others of its kind out."""

_ROOT = Path(__file__).resolve().parent.parent

_OURS = ("commands", "config", "interfaces", "memoryd", "state", "stopping", "supervisor", "workers")
"""First part of the names of our own loggers."""

_THREAD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_NOT_IN_MESSAGE = frozenset({"event", "level", "timestamp", "exception", "stack"})


class LogFeed(logging.Handler):
    """Hands every record to its formatter, whose last processor puts it into the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(is_worth_keeping)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.format(record)
        except Exception:
            self.handleError(record)

    @staticmethod
    def processor(queue: LogQueue, redact: Callable[[str], str]) -> Callable[[Any, str, Any], str]:
        """The last processor of a chain: puts the event into the queue."""

        def feed(_logger: Any, _method: str, event: Any) -> str:
            queue.put(entry_of(dict(event), redact, queue.process_uuid))
            return ""

        return feed


def is_worth_keeping(record: logging.LogRecord) -> bool:
    """Say whether a record is stored: what libraries say for their own debugging (timers, connections) is not."""
    return record.levelno > logging.DEBUG or record.name.partition(".")[0] in _OURS


def entry_of(event: dict[str, Any], redact: Callable[[str], str], process_uuid: str) -> LogEntry:
    """The entry for an event of structlog, whose `_record` is the record of logging that brought it.

    The message is the event with what was said beside it, as `name=value`. It is redacted as a whole: a name tells that
    its value is a secret, and a value may be more than one text.
    """
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    thread_id = None
    for name in ("thread_id", "thread"):
        if thread_id is None and isinstance(event.get(name), str) and _THREAD_ID.fullmatch(event[name]):
            thread_id = ThreadId(event.pop(name))
    words = [str(event.get("event", ""))]
    words += [f"{name}={_value(value)}" for name, value in event.items() if name not in _NOT_IN_MESSAGE]
    lines = [" ".join(words), *(str(event[name]) for name in ("exception", "stack") if event.get(name))]
    file, module = _place(record)
    return LogEntry(
        at_ns=round(record.created * 1_000_000) * 1_000,
        level=record.levelname.upper(),
        target=record.name,
        message=_bounded(redact(_storable("\n".join(lines)))),
        thread_id=thread_id,
        module=module,
        file=file,
        line=record.lineno or None,
        process_uuid=process_uuid,
    )


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str)


def _storable(text: str) -> str:
    """The text without what is no character of UTF-8, e.g. half of a pair in a path that is none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _bounded(text: str) -> str:
    if len(text) <= MESSAGE_CHARACTERS_MAX:
        return text
    return f"{text[:MESSAGE_CHARACTERS_MAX]}... ({len(text)} characters)"


def _place(record: logging.LogRecord) -> tuple[str, str]:
    """The file and the module of a record: within our own code as people name them, elsewhere only the last name."""
    path = Path(record.pathname)
    try:
        inside = path.resolve().relative_to(_ROOT)
    except (OSError, ValueError):
        return path.name, record.name
    if inside.parts[0] not in _OURS and inside.stem not in _OURS:
        return path.name, record.name
    return inside.as_posix(), ".".join(inside.with_suffix("").parts)
