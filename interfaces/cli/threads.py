"""`memoryd threads`: the index of sessions. `thread_changes` has what changes one."""

import base64
import json
import sys
import time
from typing import Annotated, Literal

from cyclopts import App, Parameter

from interfaces.cli import thread_changes
from interfaces.cli.errors import NotFoundError, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import ago, print_json, print_table
from interfaces.cli.paging import LIMIT_DEFAULT, Limit, checked_limit
from interfaces.cli.reading import nothing_indexed, reading
from interfaces.cli.thread_json import thread_json
from interfaces.service import Service
from state.ids import ThreadId
from state.messages.backfill import GetBackfillState
from state.messages.threads import (
    GetThread,
    ListThreads,
    ThreadAnchor,
    ThreadFound,
    ThreadNotFound,
    ThreadPage,
    ThreadSort,
)

CURSOR_VERSION = 1


def add_to(app: App, service: Service) -> None:
    """Add the commands."""
    threads = App(name="threads", help="Sessions that were found.")
    app.command(threads)
    thread_changes.add_to(threads, service)

    @threads.command(name="list")
    async def list_(
        *,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Annotated[str | None, Parameter(help="next_cursor of the page before")] = None,
        sort: Annotated[Literal["created_at", "updated_at", "recency_at"], Parameter(help="newest first by")] = (
            "created_at"
        ),
        archived: Annotated[bool, Parameter(negative="", help="archived sessions instead of active ones")] = False,
        source: Annotated[tuple[str, ...], Parameter(help="only this source; repeatable")] = (),
        cwd: Annotated[tuple[str, ...], Parameter(help="only this working folder; repeatable")] = (),
        search: Annotated[str | None, Parameter(help="only titles and names with this text")] = None,
        common: CommonOptions | None = None,
    ) -> int:
        """List sessions, newest first."""
        common = common or CommonOptions()
        paths = common.paths()
        request = ListThreads(
            limit=checked_limit(limit),
            anchor=_anchor(cursor, sort),
            sort=ThreadSort(sort),
            archived=archived,
            sources=source or None,
            cwds=cwd or None,
            title_contains=search,
        )
        async with reading(paths) as handle:
            if handle is None:
                page, partial = ThreadPage(threads=(), next_anchor=None), True
            else:
                page = await handle.ask(request)
                partial = not (await handle.ask(GetBackfillState())).complete
        if common.json:
            rows = [thread_json(thread, str(paths.codex_home)) for thread in page.threads]
            print_json({"threads": rows, "next_cursor": _cursor(page.next_anchor, sort), "partial": partial})
            return 0
        now_ms = int(time.time() * 1000)
        print_table(
            ("id", "age", "source", "folder", "title"),
            [
                (t.id, ago(getattr(t, f"{sort}_ms"), now_ms), t.source, t.cwd, t.name or t.title or t.preview)
                for t in page.threads
            ],
        )
        if page.next_anchor is not None:
            sys.stderr.write(f"more: --cursor {_cursor(page.next_anchor, sort)}\n")
        if partial:
            sys.stderr.write("the index is not complete yet: `memoryd once` or `memoryd run` completes it\n")
        return 0

    @threads.command
    async def show(
        thread_id: Annotated[str, Parameter(help="the id, or a beginning of it that no other has")],
        /,
        *,
        common: CommonOptions | None = None,
    ) -> int:
        """Show one session."""
        common = common or CommonOptions()
        paths = common.paths()
        async with reading(paths) as handle:
            if handle is None:
                raise nothing_indexed(paths)
            found = await handle.ask(GetThread(thread_id=thread_id))
        match found:
            case ThreadNotFound(similar=similar):
                hint = f"several begin like that: {', '.join(similar)}" if similar else "see `memoryd threads list`"
                raise NotFoundError(f"there is no session {thread_id}", hint=hint)
            case ThreadFound(thread=thread, dynamic_tools=tools):
                row = thread_json(thread, str(paths.codex_home), tools)
                if common.json:
                    print_json(row)
                else:
                    for name, value in row.items():
                        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                        sys.stdout.write(f"{name:<20} {text}\n")
        return 0


def _cursor(anchor: ThreadAnchor | None, sort: str) -> str | None:
    """An anchor as opaque text; it is bound to its sort order."""
    if anchor is None:
        return None
    text = json.dumps([CURSOR_VERSION, sort, anchor.at_ms, anchor.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _anchor(cursor: str | None, sort: str) -> ThreadAnchor | None:
    if cursor is None:
        return None
    try:
        version, cursor_sort, at_ms, thread_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError):
        raise UsageError(f"invalid cursor: {cursor}") from None
    if version != CURSOR_VERSION or cursor_sort != sort:
        raise UsageError(f"the cursor is for --sort {cursor_sort}", hint="use it with the options that it came from")
    return ThreadAnchor(at_ms=at_ms, id=ThreadId(thread_id))
