"""What is shared by all that changes a stored thread: where threads are, whose rollout is where, and who may write it.

Nothing in here depends on how somebody asked; a door puts what is refused into its own words.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from state.errors import StoreError
from state.ids import ThreadId
from state.lookup import RolloutPlace, find_rollout
from state.messages.stored_threads import GetStoredThread, StoredThread
from state.messages.thread_places import ThreadPlace
from state.messages.thread_rows import InsertThreadIfAbsent, ThreadFields
from state.messages.threads import GetThread, Thread, ThreadFound
from state.rollouts import HeadError, Redact, find_rollouts, head_thread_id
from state.rollouts.as_read import is_as_read
from state.rollouts.writer_lock import WriterLock
from state.store import StateHandle
from state.unindexed import read_thread


@attrs.frozen(kw_only=True)
class ThreadStorage:
    """Where threads are stored.

    Attributes:
      handle: None when there is no store; then only what is in files can be changed.
      redact: goes over every text that is put into the store.
      model_provider_default: for a row that has to be written from a rollout that names no provider.
    """

    handle: StateHandle | None
    codex_home: Path
    redact: Redact
    model_provider_default: str


class ThreadChangeError(Exception):
    """A thread could not be changed. `thread_id` is the thread."""

    def __init__(self, thread_id: ThreadId, message: str) -> None:
        super().__init__(message)
        self.thread_id = thread_id


class NoRolloutError(ThreadChangeError):
    """There is no rollout of this thread in the place that was looked at. has_row: the index says that there was."""

    def __init__(self, thread_id: ThreadId, place: ThreadPlace, *, has_row: bool = False) -> None:
        where = "archived rollout" if place is ThreadPlace.ARCHIVED else "rollout"
        super().__init__(thread_id, f"no {where} found for thread id {thread_id}")
        self.has_row = has_row


class StoreMissingError(ThreadChangeError):
    """The change can only be kept in the store, and there is none."""

    def __init__(self, thread_id: ThreadId) -> None:
        super().__init__(thread_id, f"sqlite state db unavailable for thread {thread_id}")


class RowMissingError(ThreadChangeError):
    """The thread has a rollout, and no row could be made from it, or the row went meanwhile."""


async def rollout_of(storage: ThreadStorage, thread_id: ThreadId, place: ThreadPlace = ThreadPlace.ANY) -> RolloutPlace:
    """Where a thread's rollout is. A row that is missing, or that names a wrong file, is put right on the way.

    Raises:
      NoRolloutError: it has none in this place.
      ThreadChangeError: what may be it cannot be read now.
    """
    found = await find_rollout(
        storage.handle,
        storage.codex_home,
        thread_id,
        place,
        redact=storage.redact,
        model_provider_default=storage.model_provider_default,
    )
    if found is None:
        row = None if storage.handle is None else await find_row(storage.handle, thread_id)
        other = ThreadPlace.ACTIVE if row is not None and row.archived_at_ms is not None else ThreadPlace.ARCHIVED
        raise NoRolloutError(thread_id, place, has_row=row is not None and place is not other)
    if not found.is_verified:
        raise ThreadChangeError(thread_id, f"failed to locate thread id {thread_id}: {found.path} cannot be read")
    return found


async def settled_row(storage: ThreadStorage, thread_id: ThreadId) -> Thread | None:
    """The row of a thread whose rollout is where the row says and was not changed since it was read; else None.

    One request and one look at the file. After a None, `rollout_of` finds out what is the matter.
    """
    stored = await _looked_at(storage, thread_id, _settled)
    return None if stored is None else stored.thread


async def stored_in_place(storage: ThreadStorage, thread_id: ThreadId) -> StoredThread | None:
    """What is stored of a thread whose rollout is where the row says; else None, as `settled_row`.

    Where the rollout was changed since it was read, `file` is None.
    """
    return await _looked_at(storage, thread_id, _in_place)


async def _looked_at(
    storage: ThreadStorage, thread_id: ThreadId, look: Callable[[Path, StoredThread], StoredThread | None]
) -> StoredThread | None:
    if storage.handle is None:
        return None
    try:
        stored = await storage.handle.ask(GetStoredThread(thread_id=thread_id))
    except StoreError:
        return None
    if not isinstance(stored, StoredThread):
        return None
    return await trio.to_thread.run_sync(look, storage.codex_home, stored, abandon_on_cancel=True)


def _settled(codex_home: Path, stored: StoredThread) -> StoredThread | None:
    file = stored.file
    if file is None:
        return None
    known = {"size_bytes": file.size_bytes, "mtime_ns": file.mtime_ns, "inode": file.inode}
    return stored if is_as_read(codex_home, file.path, **known) else None


def _in_place(codex_home: Path, stored: StoredThread) -> StoredThread | None:
    settled = _settled(codex_home, stored)
    if settled is not None:
        return settled
    try:
        holder = head_thread_id(codex_home, stored.thread.rollout_path)
    except (HeadError, OSError):
        return None
    return attrs.evolve(stored, file=None) if holder == stored.thread.id else None


async def find_row(handle: StateHandle, thread_id: ThreadId) -> Thread | None:
    """The thread's row."""
    answer = await handle.ask(GetThread(thread_id=thread_id))
    return answer.thread if isinstance(answer, ThreadFound) else None


async def row_of(handle: StateHandle, thread_id: ThreadId) -> Thread:
    """The thread's row.

    Raises:
      RowMissingError: it has none.
    """
    row = await find_row(handle, thread_id)
    if row is None:
        raise RowMissingError(thread_id, f"failed to create thread metadata from rollout for {thread_id}")
    return row


async def insert_row(storage: ThreadStorage, row: Thread) -> None:
    """Give a thread that has no rollout yet a row, if it has none. Asking again is safe.

    Raises:
      StoreMissingError: there is no store to have it in.
    """
    if storage.handle is None:
        raise StoreMissingError(row.id)
    known = {field.name: getattr(row, field.name) for field in attrs.fields(ThreadFields)}
    # With which model its turns will be run is said with the first one.
    fields = ThreadFields(**known | {"cwd": storage.redact(row.cwd), "model": None, "reasoning_effort": None})
    await storage.handle.ask(InsertThreadIfAbsent(fields=fields))


async def row_of_file(storage: ThreadStorage, found: RolloutPlace) -> Thread | None:
    """What a thread's row would say without anything that was only said to the store; None when it holds no thread.

    Raises:
      OSError: the rollout cannot be read.
    """

    def read() -> Thread | None:
        listed = find_rollouts(storage.codex_home, (found.path,))[0]
        if not listed:
            return None
        return read_thread(
            storage.codex_home,
            listed[0],
            redact=storage.redact,
            model_provider_default=storage.model_provider_default,
        )

    return await trio.to_thread.run_sync(read)


@asynccontextmanager
async def only_writer(codex_home: Path, thread_id: ThreadId) -> AsyncIterator[None]:
    """Be the thread's one writer for the block, over all processes.

    Raises:
      ActiveWriterError: somebody else is, and goes on.
      OSError: the lock cannot be made.
    """
    lock = await trio.to_thread.run_sync(WriterLock, codex_home, thread_id)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(lock.release)
