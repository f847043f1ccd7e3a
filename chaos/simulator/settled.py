"""When everything is done, and what it must be then: what a run without faults makes of the same files."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from chaos.rows import Rows
from chaos.simulator.life import LIFE, Life
from chaos.simulator.visitor import KIND
from chaos.simulator.world import World
from state.folder import StateFolder
from state.rollouts import find_rollouts
from state.store import StateHandle
from workers.once import do_once
from workers.progress import NoProgress

_WITH_SOMETHING_IN_IT = "(scope_kind = 'home' OR published_memories > 0)"
"""Visitors' scopes are empty, and so are those that every session has moved away from."""

_COMPARED = (
    (
        "threads",
        # Not recency_at_ms: what was written since somebody turned to a thread tells only who has read it before.
        "SELECT id, rollout_path, created_at_ms, updated_at_ms, archived_at_ms, source, originator,"
        " model_provider, cwd, cli_version, history_mode, memory_mode, title, name, preview, first_user_message,"
        " tokens_used, git_sha, git_branch, content_at_ms, content_digest FROM threads ORDER BY id",
    ),
    (
        "rollout_files",
        # Of several files that go before a shadowed one, its reason names the one that was met first.
        "SELECT path, archived, size_bytes, mtime_ns, inode, status, iif(status = 'shadowed', '', reason), thread_id,"
        " offset_bytes, head_digest,"
        " tail_digest, fold_state, lines_skipped FROM rollout_files WHERE status <> 'vanished' ORDER BY path",
    ),
    (
        "extraction_jobs",
        "SELECT thread_id, scope_kind, scope_key, status, content_at_ms, done_input_digest, ownership_token"
        " FROM extraction_jobs ORDER BY thread_id",
    ),
    (
        "memories",
        "SELECT thread_id, scope_kind, scope_key, raw_memory, rollout_summary, rollout_slug, source_at_ms"
        " FROM memories ORDER BY thread_id",
    ),
    ("memory_notes", "SELECT thread_id, position, kind, topic, text, line FROM memory_notes ORDER BY 1, 2"),
    (
        "scopes",
        "SELECT scope_kind, scope_key, published_digest, source_at_ms, published_memories, ownership_token"
        f" FROM scopes WHERE {_WITH_SOMETHING_IN_IT} ORDER BY 1, 2",
    ),
)


def unsettled(world: World) -> str | None:
    """What is still to be done, in words; None when nothing is."""
    rows = world.rows()
    for what in _to_do(world, rows):
        return what
    return None


def _to_do(world: World, rows: Rows) -> Iterator[str]:
    found, _ = find_rollouts(world.codex_home)
    for file in found:
        row = rows.files.get(file.path)
        if row is None or (row.size_bytes, row.mtime_ns) != (file.size_bytes, file.mtime_ns):
            yield f"{file.path} was not read since it changed"
        elif row.status not in ("indexed", "skipped", "shadowed"):
            yield f"{file.path} is {row.status}: {row.reason}, to be tried at {row.next_attempt_at_ms}"
    paths = {file.path for file in found}
    for path, known in rows.files.items():
        if path not in paths and known.status != "vanished":
            yield f"{path} is gone, and is {known.status}"
    for key, job in rows.jobs.items():
        if job.status not in ("succeeded", "empty"):
            yield f"the job of {key} is {job.status} ({job.reason}), to be tried at {job.next_attempt_at_ms}"
    for scope, state in rows.scopes.items():
        if state.inputs_mark > state.consolidated_mark:
            yield (
                f"scope {scope} is dirty after {state.attempts} failures, to be tried at {state.next_attempt_at_ms};"
                f" its lease says {rows.leases['consolidation', scope]}"
            )
    for owned, lease in rows.leases.items():
        if lease.token is not None and not owned[1].startswith(f"{KIND}:"):
            yield f"{owned} is still held by {lease.process}"
    living = {life.process for life in world.lives.values() if not life.is_dead and not life.ended.is_set()}
    for process in sorted(rows.processes - living):
        yield f"the dead process {process} is still entered"


async def difference_from_a_run_without_faults(world: World) -> str | None:
    """Do the work once more, in an empty state folder, with nothing going wrong; say what differs, or None."""
    folder = world.root / "without-faults"
    life = Life(world, 0, 0, state_dir=folder, is_calm=True)

    async def work(handle: StateHandle) -> None:
        phases = frozenset({"backfill", "extract", "consolidate"})
        await do_once(handle, world.codex_home, world.settings, NoProgress(), phases)

    before = LIFE.get()
    await life.run(work)
    LIFE.set(before)
    return _difference(StateFolder(path=world.state_dir), StateFolder(path=folder))


def _difference(ours: StateFolder, theirs: StateFolder) -> str | None:
    mine, other = (apsw.Connection(str(folder.database), flags=apsw.SQLITE_OPEN_READONLY) for folder in (ours, theirs))
    try:
        for table, sql in _COMPARED:
            have, want = list(mine.execute(sql)), list(other.execute(sql))
            if have != want:
                return f"{table}: {_first_difference(have, want)}"
        folders = [
            dict(
                connection.execute(
                    "SELECT scope_kind || ':' || scope_key, generation_folder FROM scopes WHERE"
                    f" {_WITH_SOMETHING_IN_IT}"
                )
            )
            for connection in (mine, other)
        ]
    finally:
        mine.close()
        other.close()
    for scope, generation in folders[0].items():
        have_files = _files(ours.memories_dir / generation)
        want_files = _files(theirs.memories_dir / folders[1][scope])
        if have_files != want_files:
            names = sorted(name for name in have_files | want_files if have_files.get(name) != want_files.get(name))
            return f"the published files of {scope} differ: {', '.join(names)}"
    return None


def strange_tools(world: World) -> str | None:
    """A thread whose tools are not those that its file begins with; None when there is none."""
    folder = StateFolder(path=world.state_dir)
    connection = apsw.Connection(str(folder.database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        threads = list(connection.execute("SELECT id, rollout_path FROM threads ORDER BY id"))
        sql = "SELECT name FROM thread_dynamic_tools WHERE thread_id = ? ORDER BY position"
        have = {thread: [row[0] for row in connection.execute(sql, (thread,))] for thread, _ in threads}
    finally:
        connection.close()
    for thread, path in threads:
        with open(world.codex_home / path, encoding="utf-8") as rollout:
            said = json.loads(rollout.readline())["payload"]["dynamic_tools"]
        want = [tool["name"] for tool in said]
        if have[thread] != want:
            return f"thread {thread} has the tools {have[thread]}, and {path} begins with {want}"
    return None


def unpublished(world: World) -> str | None:
    """What of the memories is not in the Codex home, where they are to be published there; None when all is."""
    if not world.settings.publish.codex:
        return None
    folder = StateFolder(path=world.state_dir)
    connection = apsw.Connection(str(folder.database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        row = connection.execute("SELECT generation_folder FROM scopes WHERE scope_kind = 'home'").fetchone()
    finally:
        connection.close()
    have = _files(world.codex_home / "memories")
    for name, data in _files(folder.memories_dir / row[0]).items() if row else ():
        if have.get(name) != data:
            return f"memories/{name} in the Codex home is not what the row's generation holds"
    return None


def _first_difference(have: list[Any], want: list[Any]) -> str:
    for mine, other in zip(have, want, strict=False):
        if mine != other:
            values = next(pair for pair in zip(mine, other, strict=True) if pair[0] != pair[1])
            return f"{mine[:2]}: have {str(values[0])[:200]!r}, a run without faults has {str(values[1])[:200]!r}"
    return f"{len(have)} rows, and a run without faults has {len(want)}"


def _files(folder: Path) -> dict[str, bytes]:
    return {
        os.path.relpath(os.path.join(where, name), folder): Path(where, name).read_bytes()
        for where, _, names in os.walk(folder)
        for name in names
    }
