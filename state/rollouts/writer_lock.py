"""One writer per thread, over all processes: the lock that Codex itself takes before it writes a thread's rollout.

    thread-writer-locks/.coordination.lock   shared while a lock is taken, alone while a lock's file is removed
    thread-writer-locks/<thread id>.lock     held alone by whoever writes

So neither Codex nor another memoryd appends to, moves or deletes a rollout while we do, and none while we hold a live
thread. A process that dies loses its locks at once; its empty file stays until the next one takes the lock.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from state.ids import ThreadId

FOLDER = "thread-writer-locks"
COORDINATION = ".coordination.lock"

WAIT_SECONDS_MAX = 2.0
"""How long an edit waits for another one. A live thread's writer goes on for hours, so waiting longer is no use."""

COORDINATION_SECONDS_MAX = 30.0
"""It is held for the time of one system call. Whoever holds it longer is stopped, or away with the network."""

_POLL_SECONDS = 0.005


class ActiveWriterError(Exception):
    """Somebody else writes this thread."""

    def __init__(self, thread_id: ThreadId) -> None:
        super().__init__(f"thread {thread_id} already has an active writer")


class WriterLock:
    """The lock of one thread, held from its making until `release`. Blocks; use it in a worker thread."""

    def __init__(self, codex_home: Path, thread_id: ThreadId, *, wait_seconds: float = WAIT_SECONDS_MAX) -> None:
        """Take the lock.

        Raises:
          ActiveWriterError: it is held by somebody else after `wait_seconds`.
          OSError: the lock's file cannot be made; TimeoutError when the folder is held for too long.
        """
        self._folder = codex_home / FOLDER
        self._path = self._folder / f"{thread_id}.lock"
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._folder)
        give_up_at = time.monotonic() + wait_seconds
        while True:
            with _coordination(self._folder, fcntl.LOCK_SH):
                self._descriptor: int | None = _open(self._path)
                if _is_taken(self._descriptor, fcntl.LOCK_EX):
                    return
                os.close(self._descriptor)
            if time.monotonic() >= give_up_at:
                raise ActiveWriterError(thread_id)
            time.sleep(_POLL_SECONDS)

    def release(self) -> None:
        """Give the lock back and remove its file. Asking again is safe."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            # The file is only for looks: a lock that cannot be tidied up is given back all the same.
            with contextlib.suppress(OSError), _coordination(self._folder, fcntl.LOCK_EX):
                os.unlink(self._path)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def writing(codex_home: Path, thread_id: ThreadId, *, wait_seconds: float = WAIT_SECONDS_MAX) -> Iterator[None]:
    """Be the thread's one writer for the block. Raises as WriterLock does."""
    lock = WriterLock(codex_home, thread_id, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def held_alone(path: Path, what: str, *, wait_seconds: float = COORDINATION_SECONDS_MAX) -> Iterator[None]:
    """Hold a lock file alone for the block.

    Raises:
      TimeoutError: somebody holds it for too long; names `what` it is.
      OSError: it cannot be made.
    """
    with _held(path, fcntl.LOCK_EX, what, wait_seconds):
        yield


@contextlib.contextmanager
def _coordination(folder: Path, how: int) -> Iterator[None]:
    with _held(folder / COORDINATION, how, "the thread writer coordination lock", COORDINATION_SECONDS_MAX):
        yield


@contextlib.contextmanager
def _held(path: Path, how: int, what: str, wait_seconds: float) -> Iterator[None]:
    descriptor = _open(path)
    try:
        give_up_at = time.monotonic() + wait_seconds
        while not _is_taken(descriptor, how):
            if time.monotonic() >= give_up_at:
                raise TimeoutError(f"timed out waiting for {what}; another process may be stopped")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _is_taken(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
