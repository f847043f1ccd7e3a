"""Saying something of a thread: its git triple, its name, whether it may be remembered.

    find the rollout, put the row right -> write the file, read what is new -> store both, the edit is journaled first

A legacy rollout gets one more session_meta line, under the thread's writer lock, so that its file alone gives the edit
again, to Codex as well. A paginated one is never appended to; there the journal is what outlives the database. The
triple in the line is read under that lock too: of two edits of different fields at the same time the later line has
both. A process that is killed between the file and the store was asked for the edit and has not said that it is kept:
the line stays, and the row follows it at the next scan as far as no earlier edit goes before it.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, Protocol

import attrs
import trio

from state.ids import ThreadId
from state.live import PAGINATED
from state.messages.backfill import RolloutRead
from state.messages.stored_threads import EditStoredThread, StoredThread
from state.messages.thread_edits import (
    KEEP,
    Keep,
    MemoryMode,
    PatchThreadGit,
    SetThreadMemoryMode,
    SetThreadName,
)
from state.messages.thread_places import ThreadPlace
from state.messages.thread_rows import ApplyRolloutItems
from state.messages.threads import Thread
from state.rollouts import read_rollout
from state.rollouts.append import RolloutAppender
from state.rollouts.as_read import look_at
from state.rollouts.meta_line import first_meta, meta_line
from state.rollouts.name_list import append_name
from state.thread_storage import (
    RowMissingError,
    StoreMissingError,
    ThreadStorage,
    only_writer,
    rollout_of,
    row_of,
    stored_in_place,
)

READ_BYTES_MAX = 1 << 20
"""So much of a rollout is read with an edit, so that nobody has to wait for a scan after it. It takes some 10 ms."""


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
    git_of: Callable[[Thread, Mapping[str, Any]], dict[str, str | None]] | None,
    mode: MemoryMode | None,
    live: LineTaker | None,
) -> Thread:
    if live is not None and not live.is_recorded:
        return await _store(storage, thread_id, request)
    stored = await _editable(storage, thread_id, place)
    if stored.thread.history_mode == PAGINATED:
        return await _store(storage, thread_id, request)
    async with nullcontext() if live is not None else only_writer(storage.codex_home, thread_id):
        # Once more: the rollout may have been moved, and the triple edited, before the lock was ours.
        stored = await _editable(storage, thread_id, place)
        if stored.file is None and live is None:
            stored = await _caught_up(storage, stored)
        row = stored.thread

        def line_of(first: Mapping[str, Any]) -> bytes:
            return meta_line(
                first,
                memory_mode=row.memory_mode if mode is None else mode.value,
                git=None if git_of is None else git_of(row, first),
                at_ms=time.time_ns() // 1_000_000,
            )

        applied = None
        if live is not None:
            first = await trio.to_thread.run_sync(first_meta, storage.codex_home, row.rollout_path, thread_id)
            await live.append(line_of(first))
        else:
            applied = await trio.to_thread.run_sync(_append, storage, stored, line_of)
        return await _store(storage, thread_id, request, applied)


async def _editable(storage: ThreadStorage, thread_id: ThreadId, place: ThreadPlace) -> StoredThread:
    """What is stored of a thread whose rollout lies where the row says; put right first where it does not.

    Raises:
      ThreadChangeError: the thread has no rollout in this place, or no row can be made from it.
    """
    stored = await stored_in_place(storage, thread_id)
    if stored is not None:
        is_active = stored.thread.archived_at_ms is None
        if place is ThreadPlace.ANY or is_active == (place is ThreadPlace.ACTIVE):
            return stored
    assert storage.handle is not None
    found = await rollout_of(storage, thread_id, place)
    row = await row_of(storage.handle, thread_id)
    return StoredThread(thread=attrs.evolve(row, rollout_path=found.path), file=None, checkpoint=None)


async def _caught_up(storage: ThreadStorage, stored: StoredThread) -> StoredThread:
    """The same with what others have written since it was read: the triple may have been edited by them."""
    assert storage.handle is not None
    applied = await trio.to_thread.run_sync(_read_new, storage, stored)
    if applied is None:
        return stored
    await storage.handle.ask(applied)
    row = await row_of(storage.handle, stored.thread.id)
    return attrs.evolve(
        stored,
        thread=attrs.evolve(row, rollout_path=stored.thread.rollout_path),
        checkpoint=applied.read.reading.checkpoint,
    )


async def _store(
    storage: ThreadStorage,
    thread_id: ThreadId,
    edit: PatchThreadGit | SetThreadMemoryMode,
    applied: ApplyRolloutItems | None = None,
) -> Thread:
    assert storage.handle is not None
    row = await storage.handle.ask(EditStoredThread(edit=edit, applied=applied))
    if not isinstance(row, Thread):
        raise RowMissingError(thread_id, f"thread metadata disappeared before update completed: {thread_id}")
    return row


def _append(
    storage: ThreadStorage, stored: StoredThread, line_of: Callable[[Mapping[str, Any]], bytes]
) -> ApplyRolloutItems | None:
    """Append the line that follows from the rollout's first one, have it on the disk, and read what is new."""
    home, path = storage.codex_home, stored.thread.rollout_path
    line = line_of(first_meta(home, path, stored.thread.id))
    with RolloutAppender(home, path) as rollout:
        rollout.append(line)
        rollout.sync()
    return _read_new(storage, stored)


def _read_new(storage: ThreadStorage, stored: StoredThread) -> ApplyRolloutItems | None:
    """What the rollout says that was not read; None where that would be much, or fails: the scan reads it then."""
    found = look_at(storage.codex_home, stored.thread.rollout_path)
    read_before = 0 if stored.checkpoint is None else stored.checkpoint.offset_bytes
    if found is None or found.size_bytes - read_before > READ_BYTES_MAX:
        return None
    try:
        reading = read_rollout(storage.codex_home, found, stored.checkpoint, redact=storage.redact)
    except OSError:
        return None
    return ApplyRolloutItems(
        read=RolloutRead(found=found, reading=reading), model_provider_default=storage.model_provider_default
    )


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
