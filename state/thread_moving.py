"""Archiving a thread, and bringing it back: its rollout is moved, and its row follows.

The move is one rename under the thread's writer lock, so the rollout is in one place at any time; a process that is
killed before its row follows leaves that to the next scan, or to the next one who looks for the thread. What a thread
has started as its agents goes with it.
"""

import errno
import os
import time
from collections.abc import Awaitable
from pathlib import Path

import structlog
import trio

from state.ids import ThreadId
from state.lookup import RolloutPlace
from state.messages.thread_family import FindThreadFamily
from state.messages.thread_places import MarkThreadArchived, MarkThreadUnarchived, ThreadPlace
from state.rollouts import HeadError, head_thread_id
from state.rollouts.filename import COMPRESSED_SUFFIX, rollout_name
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS
from state.rollouts.places import is_there, rollout_folder
from state.rollouts.set_aside import set_aside
from state.rollouts.writer_lock import ActiveWriterError
from state.thread_storage import NoRolloutError, ThreadChangeError, ThreadStorage, only_writer, rollout_of

log = structlog.get_logger(__name__)


async def archive(storage: ThreadStorage, thread_id: ThreadId) -> tuple[ThreadId, ...]:
    """Archive a thread that is not live, and its agents. Safe to ask again after a failure.

    Returns:
      What is archived now and was not before: the thread first, then its agents, the youngest generation first. An
      agent that cannot be archived is left, with a warning.

    Raises:
      NoRolloutError: it is not among the active ones.
      ActiveWriterError: somebody writes it.
      OSError: its rollout cannot be moved.
    """
    await _archive_one(storage, thread_id)
    agents = reversed(await agents_of(storage, thread_id))
    return (thread_id, *[agent for agent in agents if await _try(_archive_one(storage, agent), agent)])


async def unarchive(storage: ThreadStorage, thread_id: ThreadId) -> tuple[ThreadId, ...]:
    """Bring an archived thread and its agents back among the active ones. Raises and answers like `archive`, but the
    agents come by generations, the oldest first."""
    await _unarchive_one(storage, thread_id)
    agents = await agents_of(storage, thread_id)
    return (thread_id, *[agent for agent in agents if await _try(_unarchive_one(storage, agent), agent)])


async def agents_of(storage: ThreadStorage, thread_id: ThreadId) -> tuple[ThreadId, ...]:
    """The threads that a thread has started, and those that they have started, by generations."""
    if storage.handle is None:
        return ()
    return (await storage.handle.ask(FindThreadFamily(thread_id=thread_id))).spawned


async def _try(moving: Awaitable[None], agent: ThreadId) -> bool:
    try:
        await moving
    except NoRolloutError:
        return False  # it is there already, or has no rollout
    except (ThreadChangeError, ActiveWriterError, OSError) as error:
        log.warning("an agent's thread was not moved", thread=agent, reason=str(error))
        return False
    return True


async def _archive_one(storage: ThreadStorage, thread_id: ThreadId) -> None:
    await rollout_of(storage, thread_id, ThreadPlace.ACTIVE)
    async with only_writer(storage.codex_home, thread_id):
        found = await rollout_of(storage, thread_id, ThreadPlace.ACTIVE)
        target = archived_path(found.path.rpartition("/")[2])
        mtime_ms = await trio.to_thread.run_sync(_move, storage.codex_home, thread_id, found.path, target, None)
        if storage.handle is not None:
            await storage.handle.ask(
                MarkThreadArchived(
                    thread_id=thread_id,
                    path=target,
                    archived_at_ms=time.time_ns() // 1_000_000,
                    mtime_ms=mtime_ms,
                )
            )


async def _unarchive_one(storage: ThreadStorage, thread_id: ThreadId) -> None:
    await _archived_rollout(storage, thread_id)
    async with only_writer(storage.codex_home, thread_id):
        found = await _archived_rollout(storage, thread_id)
        target = active_path(found.path.rpartition("/")[2])
        now_ns = time.time_ns()
        mtime_ms = await trio.to_thread.run_sync(_move, storage.codex_home, thread_id, found.path, target, now_ns)
        if storage.handle is not None:
            await storage.handle.ask(MarkThreadUnarchived(thread_id=thread_id, path=target, mtime_ms=mtime_ms))


async def _archived_rollout(storage: ThreadStorage, thread_id: ThreadId) -> RolloutPlace:
    """Where the rollout of an archived thread is; a thread with an active one is none, whatever else is in the archive.

    Raises:
      NoRolloutError: the thread is not archived.
    """
    try:
        found = await rollout_of(storage, thread_id)
    except NoRolloutError as error:
        raise NoRolloutError(thread_id, ThreadPlace.ARCHIVED, has_row=error.has_row) from error
    if not found.archived:
        raise NoRolloutError(thread_id, ThreadPlace.ARCHIVED)
    return found


def archived_path(name: str) -> str:
    """Where a rollout of this name lies in the archive, relative to the home."""
    return f"{ARCHIVED_SESSIONS}/{name}"


def active_path(name: str) -> str:
    """Where a rollout of this name lies among the active ones, relative to the home."""
    stamped = rollout_name(name)
    day = name.removeprefix("rollout-")[:10] if stamped is not None and stamped.stamp_ms is not None else ""
    return "/".join([SESSIONS, *(day.split("-") if day else ()), name])


def _is_of(codex_home: Path, path: str, thread_id: ThreadId) -> bool:
    try:
        return head_thread_id(codex_home, path) == thread_id
    except (HeadError, OSError):
        return False


def _move(codex_home: Path, thread_id: ThreadId, source: str, target: str, mtime_ns: int | None) -> int:
    """Move a rollout, in whichever form it is; answer its time, Unix ms. mtime_ns: its time from then on.

    Another rollout of the thread in the place is set aside.
    """
    with (
        rollout_folder(codex_home, source) as (there, name),
        rollout_folder(codex_home, target, make=True) as (
            here,
            new_name,
        ),
    ):
        suffix = "" if is_there(name, there) else COMPRESSED_SUFFIX
        if any(is_there(new_name + form, here) for form in ("", COMPRESSED_SUFFIX)):
            if not _is_of(codex_home, target, thread_id):
                raise FileExistsError(errno.EEXIST, "a rollout of that name is there already", target)
            set_aside(here, new_name)
            log.warning("another rollout of a thread was set aside", thread=thread_id, path=target)
        os.rename(name + suffix, new_name + suffix, src_dir_fd=there, dst_dir_fd=here)
        if not suffix and is_there(name + COMPRESSED_SUFFIX, there):
            # It was never looked at beside the plain one; left behind it would be taken for the rollout.
            os.unlink(name + COMPRESSED_SUFFIX, dir_fd=there)
        if mtime_ns is not None:
            os.utime(new_name + suffix, ns=(mtime_ns, mtime_ns), dir_fd=here, follow_symlinks=False)
        os.fsync(here)
        os.fsync(there)
        return os.stat(new_name + suffix, dir_fd=here, follow_symlinks=False).st_mtime_ns // 1_000_000
