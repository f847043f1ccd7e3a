"""Saying something of a thread: its git triple, its name, whether it may be remembered.

    find the rollout, put the row right -> write the file -> store the edit, which journals it first -> read back

A legacy rollout gets one more session_meta line, under the thread's writer lock, so that its file alone gives the edit
again, to Codex as well. A paginated one is never appended to; there the journal is what outlives the database. The
triple in the line is read under that lock too: of two edits of different fields at the same time the later line has
both. A process that is killed between the file and the store was asked for the edit and has not said that it is kept:
the line stays, and the row follows it at the next scan as far as no earlier edit goes before it.
"""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Protocol

import attrs
import trio

from state.ids import ThreadId
from state.live import PAGINATED
from state.messages.thread_edits import (
    KEEP,
    Keep,
    MemoryMode,
    PatchThreadGit,
    SetThreadMemoryMode,
    SetThreadName,
    ThreadEdited,
)
from state.messages.thread_places import ThreadPlace
from state.messages.threads import Thread
from state.rollouts.append import RolloutAppender
from state.rollouts.meta_line import first_meta, meta_line
from state.rollouts.name_list import append_name
from state.thread_storage import (
    RowMissingError,
    StoreMissingError,
    ThreadStorage,
    find_row,
    only_writer,
    rollout_of,
    row_of,
)


class LineTaker(Protocol):
    """The writer of a live thread, which holds its lock once the thread has a rollout."""

    @property
    def is_recorded(self) -> bool:
        """The thread has its rollout."""
        ...

    async def append(self, line: bytes) -> None:
        """Append one line, given without its line feed, and have it on the disk. Raises OSError."""
        ...


@attrs.frozen(kw_only=True)
class GitPatch:
    """What becomes of each of the three: kept, cleared with None, or set."""

    sha: str | Keep | None = KEEP
    branch: str | Keep | None = KEEP
    origin_url: str | Keep | None = KEEP

    def said(self) -> dict[str, str | None]:
        """What is not kept, by field."""
        fields = attrs.asdict(self, recurse=False)
        return {name: value for name, value in fields.items() if not isinstance(value, Keep)}


async def patch_git(
    storage: ThreadStorage, thread_id: ThreadId, patch: GitPatch, live: LineTaker | None = None
) -> Thread:
    """Patch the git triple; the row as it is then. Works for archived threads too. Asking again is safe.

    Args:
      live: the thread's writer, if it is live in this process. One without a rollout has a row, and is not legacy.

    Raises:
      ThreadChangeError: the thread has no rollout or no row, or there is no store.
      ActiveWriterError, MetaError, OSError: its rollout cannot be written; nothing was stored.
      StoreError: the edit could not be stored; the line is in the rollout all the same.
    """
    if storage.handle is None:
        raise StoreMissingError(thread_id)
    said = patch.said()
    request = PatchThreadGit(
        thread_id=thread_id,
        **{name: value if value is None else storage.redact(value) for name, value in said.items()},
    )

    def git_of(row: Thread, first: Mapping[str, Any]) -> dict[str, str | None]:
        return _kept(row, first, storage) | said

    return await _edit(storage, thread_id, ThreadPlace.ANY, request, git_of, None, live)


async def set_memory_mode(
    storage: ThreadStorage, thread_id: ThreadId, mode: MemoryMode, live: LineTaker | None = None
) -> Thread:
    """Say whether a thread may be remembered. Refused for archived ones, as Codex does. Else as `patch_git`."""
    if storage.handle is None:
        raise StoreMissingError(thread_id)
    request = SetThreadMemoryMode(thread_id=thread_id, mode=mode)
    return await _edit(storage, thread_id, ThreadPlace.ACTIVE, request, None, mode, live)


async def set_name(storage: ThreadStorage, thread_id: ThreadId, name: str) -> None:
    """Give a thread its name, in Codex's list and in the store. Refused for archived ones. Asking again is safe.

    The list is written first: what a killed process has left there is followed like any name that Codex wrote.

    Raises:
      ThreadChangeError: the thread has no rollout.
      OSError: the list cannot be written; nothing was stored.
      StoreError: the name could not be stored; it is in the list.
    """
    await rollout_of(storage, thread_id, ThreadPlace.ACTIVE)
    at_ns = time.time_ns()
    await trio.to_thread.run_sync(append_name, storage.codex_home, thread_id, name, at_ns)
    if storage.handle is not None:
        await storage.handle.ask(SetThreadName(thread_id=thread_id, name=storage.redact(name)))


async def _edit(
    storage: ThreadStorage,
    thread_id: ThreadId,
    place: ThreadPlace,
    request: PatchThreadGit | SetThreadMemoryMode,
    git_of: Any,
    mode: MemoryMode | None,
    live: LineTaker | None,
) -> Thread:
    assert storage.handle is not None
    if live is not None and not live.is_recorded:
        return await _store(storage, thread_id, request)
    found = await rollout_of(storage, thread_id, place)
    row = await row_of(storage.handle, thread_id)
    if row.history_mode == PAGINATED:
        return await _store(storage, thread_id, request)
    async with nullcontext() if live is not None else only_writer(storage.codex_home, thread_id):
        # Once more: the rollout may have been moved, and the triple edited, before the lock was ours.
        found = await rollout_of(storage, thread_id, place)
        row = await row_of(storage.handle, thread_id)
        first = await trio.to_thread.run_sync(first_meta, storage.codex_home, found.path, thread_id)
        line = meta_line(
            first,
            memory_mode=row.memory_mode if mode is None else mode.value,
            git=None if git_of is None else git_of(row, first),
            at_ms=time.time_ns() // 1_000_000,
        )
        if live is not None:
            await live.append(line)
        else:
            await trio.to_thread.run_sync(_append, storage, found.path, line)
        return await _store(storage, thread_id, request)


async def _store(storage: ThreadStorage, thread_id: ThreadId, request: PatchThreadGit | SetThreadMemoryMode) -> Thread:
    assert storage.handle is not None
    answer = await storage.handle.ask(request)
    row = await find_row(storage.handle, thread_id) if isinstance(answer, ThreadEdited) else None
    if row is None:
        raise RowMissingError(thread_id, f"thread metadata disappeared before update completed: {thread_id}")
    return row


def _append(storage: ThreadStorage, path: str, line: bytes) -> None:
    with RolloutAppender(storage.codex_home, path) as rollout:
        rollout.append(line)
        rollout.sync()


def _kept(row: Thread, first: Mapping[str, Any], storage: ThreadStorage) -> dict[str, str | None]:
    """The triple before the edit. The store has texts without their secrets; a rollout keeps what it said itself."""
    git = first.get("git")
    written = git if isinstance(git, Mapping) else {}
    kept: dict[str, str | None] = {}
    for ours, theirs in (("sha", "commit_hash"), ("branch", "branch"), ("origin_url", "repository_url")):
        stored: str | None = getattr(row, f"git_{ours}")
        original = written.get(theirs)
        is_same = isinstance(original, str) and stored is not None and storage.redact(original) == stored
        kept[ours] = original if is_same else stored
    return kept
