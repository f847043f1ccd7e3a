"""`memoryd memories list|show`: what is remembered."""

import sys
import time
from typing import Annotated, Any

import attrs
from cyclopts import App, Parameter

from interfaces.cli.errors import NotFoundError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import ago, iso, print_json, print_table
from interfaces.cli.paging import LIMIT_DEFAULT, Limit, checked_limit
from interfaces.cli.reading import nothing_indexed, reading
from state.ids import Scope
from state.messages.memories import GetMemories, ListMemories, MemoriesOfThread, Memory, MemoryNotFound, MemoryPage


def add_to(app: App) -> None:
    """Add the commands."""
    memories = App(name="memories", help="What is remembered.")
    app.command(memories)

    @memories.command(name="list")
    async def list_(
        *,
        cwd: Annotated[str | None, Parameter(help="only of this working folder, written exactly")] = None,
        limit: Limit = LIMIT_DEFAULT,
        common: CommonOptions | None = None,
    ) -> int:
        """List memories, last changed first: one a session."""
        common = common or CommonOptions()
        limit = checked_limit(limit)
        paths = common.paths()
        scope = Scope(kind="cwd", key=cwd) if cwd is not None else None
        async with reading(paths) as handle:
            page = MemoryPage(memories=(), next_anchor=None)
            if handle is not None:
                page = await handle.ask(ListMemories(scope=scope, limit=limit))
        if common.json:
            print_json(
                {
                    "memories": [_json(memory) for memory in page.memories],
                    "more": page.next_anchor is not None,
                    "memories_dir": paths.memories_dir,
                }
            )
            return 0
        now_ms = int(time.time() * 1000)
        print_table(
            ("id", "changed", "folder", "remembered"),
            [(m.thread_id, ago(m.updated_at_ms, now_ms), m.scope.key, _first_line(m)) for m in page.memories],
        )
        return 0

    @memories.command
    async def show(
        thread_id: Annotated[str, Parameter(help="the session's id, or a beginning of it that no other has")],
        /,
        *,
        common: CommonOptions | None = None,
    ) -> int:
        """Show what is remembered of one session, with the transcript lines that prove it."""
        common = common or CommonOptions()
        paths = common.paths()
        async with reading(paths) as handle:
            if handle is None:
                raise nothing_indexed(paths)
            found = await handle.ask(GetMemories(thread_id=thread_id))
        match found:
            case MemoryNotFound(similar=similar):
                hint = f"several begin like that: {', '.join(similar)}" if similar else "see `memoryd memories list`"
                raise NotFoundError(f"there is no memory of session {thread_id}", hint=hint)
            case MemoriesOfThread(memories=several):
                if common.json:
                    print_json({"memories": [_json(memory, whole=True) for memory in several]})
                    return 0
                for memory in several:
                    sys.stdout.write(f"{memory.thread_id} in {memory.scope.key}\n\n")
                    sys.stdout.write(memory.rollout_summary.strip() + "\n")
        return 0


def _first_line(memory: Memory) -> str:
    return memory.rollout_summary.strip().partition("\n")[0].lstrip("# ")


def _json(memory: Memory, *, whole: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {
        "thread_id": memory.thread_id,
        "scope": {"kind": memory.scope.kind, "key": memory.scope.key},
        "title": _first_line(memory),
        "source_at": iso(memory.source_at_ms),
        "updated_at": iso(memory.updated_at_ms),
        "usage_count": memory.usage_count,
        "extractor": memory.extractor,
    }
    if whole:
        row["rollout_summary"] = memory.rollout_summary
        row["raw_memory"] = memory.raw_memory
        row["notes"] = [attrs.asdict(note) for note in memory.notes]
    return row
