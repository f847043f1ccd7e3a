"""`memoryd logs`: what memoryd said, beside a running service or after it."""

import datetime
import json
import re
import select
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import attrs
import trio
from cyclopts import App, Parameter

from interfaces.cli.errors import UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import one_line, print_json
from interfaces.cli.paging import Limit, checked_limit
from state.folder import StateFolder
from state.log_store import LogHandle, open_log_store_for_reading
from state.messages.logs import LogFilter, QueryLogs, StoredLogEntry

LINES_DEFAULT = 100

FOLLOW_POLL_SECONDS = 0.5
"""New entries are stored every two seconds; looking costs one read by key."""

FOLLOW_ENTRIES_MAX = 1_000
"""So many are read at a time, so that a long history is not held in memory."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_UNIT_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


def add_to(app: App) -> None:
    """Add the command."""

    @app.command
    async def logs(
        *,
        level: Annotated[
            Literal["debug", "info", "warning", "error"] | None, Parameter(help="only this kind and worse")
        ] = None,
        since: Annotated[str | None, Parameter(help="e.g. 10min, 2h, 3d, or 2026-05-01T08:00")] = None,
        thread: Annotated[
            tuple[str, ...], Parameter(help="only about the session with this whole id; repeatable")
        ] = (),
        module: Annotated[tuple[str, ...], Parameter(help="only said here, e.g. consolidation; repeatable")] = (),
        search: Annotated[str | None, Parameter(help="only messages with this text")] = None,
        follow: Annotated[bool, Parameter(negative="", help="go on with what comes, until Ctrl-C")] = False,
        limit: Limit = LINES_DEFAULT,
        common: CommonOptions | None = None,
    ) -> int:
        """Show the newest log entries, oldest first. With --json and --follow each is one line of JSON."""
        common = common or CommonOptions()
        checked_limit(limit)
        folder = StateFolder(path=common.paths().state_dir)
        wanted = LogFilter(
            levels=LEVELS[LEVELS.index(level.upper()) :] if level is not None else (),
            from_ns=_since_ns(since, time.time()) if since is not None else None,
            modules=module,
            thread_ids=tuple(one.lower() for one in thread),
            search=search,
        )
        if follow:
            await _follow(folder, wanted, limit, as_json=common.json)
        async with open_log_store_for_reading(folder) as handle:
            found = () if handle is None else await _newest(handle, wanted, limit)
        if common.json:
            print_json({"logs": [entry_json(entry) for entry in found]})
            return 0
        _print(found)
        if handle is None:
            sys.stderr.write("nothing is logged yet: `memoryd once` and `memoryd run` log\n")
        elif not found:
            sys.stderr.write("no entry is like that\n" if wanted != LogFilter() else "no entry is stored yet\n")
        return 0


async def _newest(handle: LogHandle, wanted: LogFilter, limit: int) -> tuple[StoredLogEntry, ...]:
    """The newest entries, in the order in which they were stored."""
    return (await handle.ask(QueryLogs(filter=wanted, descending=True, limit=limit)))[::-1]


async def _follow(folder: StateFolder, wanted: LogFilter, limit: int, *, as_json: bool) -> None:
    """Print what there is, and then whatever comes, for ever."""
    while True:
        async with open_log_store_for_reading(folder) as handle:
            if handle is None:
                if _reader_left():
                    raise BrokenPipeError
                await trio.sleep(FOLLOW_POLL_SECONDS)
                continue
            found = await _newest(handle, wanted, limit)
            after_id = 0
            while True:
                if as_json:
                    for entry in found:
                        sys.stdout.write(json.dumps(entry_json(entry), ensure_ascii=False) + "\n")
                else:
                    _print(found)
                sys.stdout.flush()
                if _reader_left():
                    raise BrokenPipeError
                after_id = found[-1].id if found else after_id
                if len(found) < FOLLOW_ENTRIES_MAX:
                    await trio.sleep(FOLLOW_POLL_SECONDS)
                found = await handle.ask(
                    QueryLogs(filter=attrs.evolve(wanted, after_id=after_id), limit=FOLLOW_ENTRIES_MAX)
                )


def _reader_left() -> bool:
    """Whether nobody reads stdout any more, e.g. behind `| head`. Only a write would say so, and there may be none."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))
    except (OSError, ValueError):
        return False  # not a file that can be asked


def entry_json(entry: StoredLogEntry) -> dict[str, Any]:
    """An entry as the interface shows it: its fields, and its time readable too."""
    return {"at": _at(entry.at_ns), **attrs.asdict(entry)}


def _print(entries: Sequence[StoredLogEntry]) -> None:
    for entry in entries:
        first, *more = entry.message.splitlines() or [""]
        about = f" [{entry.thread_id}]" if entry.thread_id is not None else ""
        sys.stdout.write(f"{_at(entry.at_ns)} {entry.level:<7} {one_line(entry.target)}{about} {one_line(first)}\n")
        for line in more:
            indent = len(line) - len(line.lstrip(" "))
            sys.stdout.write(f"    {' ' * indent}{one_line(line)}\n")


def _at(at_ns: int) -> str:
    when = datetime.datetime.fromtimestamp(at_ns // 1_000_000 / 1_000, datetime.UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _since_ns(text: str, now_seconds: float) -> int:
    """An age or a time as Unix nanoseconds; a time without a zone is in the person's own.

    Raises:
      UsageError: it is neither.
    """
    if ago := _AGO.fullmatch(text.strip().removesuffix("ago").rstrip()):
        return _ns(now_seconds - float(ago[1]) * _UNIT_SECONDS[ago[2]])
    try:
        return _ns(datetime.datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"--since {text} is neither an age nor a time", hint="e.g. 90s, 10min, 2h, 3d, 2026-05-01, 2026-05-01T08:00"
        ) from None


def _ns(seconds: float) -> int:
    """Unix seconds as nanoseconds, as far as SQLite's numbers go."""
    return max(-(2**63), min(round(seconds * 1_000_000) * 1_000, 2**63 - 1))
