"""Deleting a thread for good: its rollout, its names, its row with its memories, and what was said of it.

    word that it is deleted -> rollouts -> names -> row -> journal -> the word is taken back

The word is an empty file in the state folder, named by the thread's id. As long as it is there the deletion is not
done: a process that is killed on the way leaves it, and the next one that opens the store goes on from the beginning,
since every step may be done again. So no thread comes back by half.
"""

import contextlib
import os
from pathlib import Path

import structlog
import trio

from state.errors import StoreError
from state.folder import StateFolder, sync_folder
from state.ids import ThreadId
from state.messages.thread_family import FindThreadFamily
from state.messages.thread_rows import DeleteThread, ForgetThread
from state.rollouts.filename import COMPRESSED_SUFFIX, rollout_name, thread_id_of
from state.rollouts.find import find_rollouts
from state.rollouts.locate import HeadError, head_thread_id
from state.rollouts.name_list import remove_names
from state.rollouts.places import rollout_folder
from state.rollouts.set_aside import remove_set_aside
from state.rollouts.writer_lock import ActiveWriterError
from state.store import StateHandle
from state.thread_moving import active_path, agents_of, archived_path
from state.thread_storage import NoRolloutError, ThreadChangeError, ThreadStorage, only_writer, rollout_of

log = structlog.get_logger(__name__)


class HistoryNeededError(ThreadChangeError):
    """Another thread has its history in this one's rollout."""

    def __init__(self, thread_id: ThreadId) -> None:
        super().__init__(thread_id, f"cannot delete thread {thread_id}: forked history still references it")


async def delete(storage: ThreadStorage, thread_id: ThreadId) -> tuple[ThreadId, ...]:
    """Delete a thread that is not live, and its agents. Asking again after a failure goes on where it stopped.

    A thread whose rollout is gone already, but not its row, is deleted too.

    Returns:
      What is deleted, in that order: the agents, the youngest generation first, and the thread last.

    Raises:
      NoRolloutError: there is neither a rollout nor a row.
      HistoryNeededError: a fork needs it.
      ActiveWriterError: somebody writes it.
      OSError: a file cannot be removed; StoreError: the store could not answer. What was begun is ended later.
    """
    try:
        await rollout_of(storage, thread_id)
    except NoRolloutError as error:
        if not error.has_row:
            raise
    agents = await agents_of(storage, thread_id)
    await _refuse_if_needed(storage, thread_id)
    deleted = []
    for agent in reversed(agents):
        try:
            await _refuse_if_needed(storage, agent)
            await _delete_one(storage, agent)
        except (ThreadChangeError, ActiveWriterError, OSError) as error:
            log.warning("an agent's thread was not deleted", thread=agent, reason=str(error))
            continue
        deleted.append(agent)
    await _delete_one(storage, thread_id)
    return (*deleted, thread_id)


async def _refuse_if_needed(storage: ThreadStorage, thread_id: ThreadId) -> None:
    if storage.handle is not None:
        family = await storage.handle.ask(FindThreadFamily(thread_id=thread_id))
        if family.has_history_forks:
            raise HistoryNeededError(thread_id)


async def finish_deletions(handle: StateHandle, codex_home: Path) -> None:
    """End the deletions that a killed process has begun.

    What cannot be ended now is left for the next time, with a warning.
    """
    folder = handle.folder.deletions_dir
    for name in await trio.to_thread.run_sync(_begun, folder):
        thread_id = thread_id_of(name)
        if thread_id is None:
            continue
        try:
            async with only_writer(codex_home, thread_id):
                await _go_on(handle, codex_home, thread_id)
        except (ActiveWriterError, OSError, StoreError) as error:
            log.warning("a deletion that was begun could not be ended", thread=thread_id, reason=str(error))


async def _delete_one(storage: ThreadStorage, thread_id: ThreadId) -> None:
    async with only_writer(storage.codex_home, thread_id):
        if storage.handle is None:
            await trio.to_thread.run_sync(_remove_files, storage.codex_home, thread_id)
            return
        await trio.to_thread.run_sync(_begin, storage.handle.folder, thread_id)
        await _go_on(storage.handle, storage.codex_home, thread_id)


async def _go_on(handle: StateHandle, codex_home: Path, thread_id: ThreadId) -> None:
    await trio.to_thread.run_sync(_remove_files, codex_home, thread_id)
    await handle.ask(DeleteThread(thread_id=thread_id))
    await handle.ask(ForgetThread(thread_id=thread_id))
    await trio.to_thread.run_sync(_end, handle.folder, thread_id)


def _begun(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _begin(folder: StateFolder, thread_id: ThreadId) -> None:
    folder.deletions_dir.mkdir(mode=0o700, exist_ok=True)
    word = folder.deletions_dir / thread_id
    os.close(os.open(word, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    sync_folder(folder.deletions_dir)
    sync_folder(folder.path)


def _end(folder: StateFolder, thread_id: ThreadId) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(folder.deletions_dir / thread_id)
    sync_folder(folder.deletions_dir)


def _remove_files(codex_home: Path, thread_id: ThreadId) -> None:
    """Remove every rollout that is called by the thread's id, what was set aside for it, and the thread's names."""
    for found in find_rollouts(codex_home)[0]:
        name = rollout_name(found.path.rpartition("/")[2])
        if name is not None and name.thread_id == thread_id and _is_of(codex_home, found.path, thread_id):
            file_name = found.path.rpartition("/")[2]
            for path in (archived_path(file_name), active_path(file_name)):
                remove_set_aside(codex_home, path)
            _remove(codex_home, found.path)
    remove_names(codex_home, (thread_id,))


def _is_of(codex_home: Path, path: str, thread_id: ThreadId) -> bool:
    """Whether a file that is called so is the thread's: its head says so, or says nothing, so that its name counts."""
    try:
        return head_thread_id(codex_home, path) == thread_id
    except HeadError:
        return True
    except FileNotFoundError:
        return False


def _remove(codex_home: Path, path: str) -> None:
    with rollout_folder(codex_home, path) as (folder, name):
        # The plain one last: as long as it is there nobody takes the other for the rollout.
        for form in (COMPRESSED_SUFFIX, ""):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name + form, dir_fd=folder)
        os.fsync(folder)
