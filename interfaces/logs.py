"""Structured logs: to stderr for the person who looks, to a rotated file in the state folder for `run`, and for `run`
and `once` to the queue from which they reach the log database.

Every text in an entry is redacted. On a terminal entries are readable lines; elsewhere, and in the file, one JSON
object a line.
"""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from config.settings import LogSettings
from interfaces.log_feed import LogFeed
from state.log_queue import LogQueue


def configure_logs(
    settings: LogSettings,
    *,
    redact: Callable[[str], str],
    folder: Path | None = None,
    queue: LogQueue | None = None,
    stderr_level: str | None = None,
) -> None:
    """Send logs where they belong, replacing what was configured before.

    Args:
      folder: also write memoryd.log here, rotated; the folder is made for this user alone.
      queue: also put entries here, to be stored.
      stderr_level: the least important kind that is shown on stderr, where that is not what is kept.

    Raises:
      OSError: the folder or the file cannot be written.
    """

    def redact_entry(_logger: Any, _method: str, entry: Any) -> Any:
        return {key: redact(value) if isinstance(value, str) else value for key, value in entry.items()}

    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_entry,
    ]
    readable: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    bare = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    shown = _handler(logging.StreamHandler(sys.stderr), before, bare, readable)
    shown.setLevel((stderr_level or settings.level).upper())
    handlers: list[logging.Handler] = [shown]
    if queue is not None:
        handlers.append(_handler(LogFeed(), before, LogFeed.processor(queue, redact)))
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        rotated = _RotatedFile(
            folder / "memoryd.log",
            maxBytes=settings.file_bytes_max,
            backupCount=settings.files_max,
            encoding="utf-8",
        )
        (folder / "memoryd.log").chmod(0o600)
        handlers.append(_handler(rotated, before, bare, structlog.processors.JSONRenderer()))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(settings.level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _RotatedFile(logging.handlers.RotatingFileHandler):
    """The log file. An entry that it cannot take, e.g. on a full disk, is lost in silence: stderr has it too."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def _handler(handler: logging.Handler, before: list[Any], *processors: Any) -> logging.Handler:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=processors,
        )
    )
    return handler
