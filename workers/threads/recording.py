"""Lines of a rollout with their times and numbers, and the one writer that a live thread has for them.

A line that is paginated carries the number after its predecessor's. Numbers are given while the file is written, so
that a write that did not happen takes none. `Lines` is what writes; any writer that appends whole lines will do.
"""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio

from state.ids import ThreadId
from state.rollouts.append import RolloutAppender
from state.rollouts.filename import COMPRESSED_SUFFIX
from state.rollouts.find import SESSIONS
from state.rollouts.writer_lock import ActiveWriterError, WriterLock

Entry = tuple[str, Mapping[str, Any]]
"""The type of a line, and its payload."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lines(Protocol):
    """Appends to one rollout."""

    def append(self, lines: Iterable[bytes]) -> None:
        """Append whole lines, each without its end, and have them on the disk. Blocks.

        The next line is taken once the one before is in the file.

        Raises:
          OSError: they could not be written; some may have been.
        """
        ...

    def hold(self) -> None:
        """Be the rollout's one writer from now on. Blocks; asking again is safe.

        Raises:
          ActiveWriterError: somebody else is.
        """
        ...

    def release(self) -> None:
        """Let others write. Blocks for a moment; asking again is safe."""
        ...


@attrs.define
class HeldRollout:
    """Appends to a rollout of a Codex home. Its thread's writer lock is held from the first line on, or from `hold`.

    A turn and an edit may append at the same time, in worker threads of their own; one waits for the other.
    """

    codex_home: Path
    path: str
    thread_id: ThreadId
    _lock: WriterLock | None = None
    _one_at_a_time: threading.Lock = attrs.field(factory=threading.Lock)

    def hold(self) -> None:
        """Take the thread's lock, unless it is held already. Blocks.

        Raises:
          ActiveWriterError: somebody else writes this thread.
          OSError: the lock cannot be made.
        """
        with self._one_at_a_time:
            self._hold()

    def _hold(self) -> None:
        if self._lock is None:
            os.makedirs(self.codex_home, mode=0o700, exist_ok=True)
            self._lock = WriterLock(self.codex_home, self.thread_id)

    def append(self, lines: Iterable[bytes]) -> None:
        with self._one_at_a_time:
            self._append(lines)

    def _append(self, lines: Iterable[bytes]) -> None:
        try:
            self._hold()
        except ActiveWriterError as error:
            raise OSError(errno.EBUSY, str(error)) from error
        create = not os.path.lexists(self.codex_home / self.path) and not os.path.lexists(
            self.codex_home / f"{self.path}{COMPRESSED_SUFFIX}"
        )
        with RolloutAppender(self.codex_home, self.path, create=create) as rollout:
            for line in lines:
                rollout.append(line)
            rollout.sync()

    def release(self) -> None:
        """Give the lock back. Blocks for a moment; asking again is safe."""
        with self._one_at_a_time:
            lock, self._lock = self._lock, None
            if lock is not None:
                lock.release()


@attrs.define
class Recorder:
    """Records what happens in one thread.

    Attributes:
      lines: where; None for a thread that leaves nothing behind.
      next_ordinal: of the next line; None for a legacy rollout, whose lines have none.
      last_turn_ordinal, last_item_ordinal: where the last turn began and its last item stands; None where none does.
    """

    lines: Lines | None
    next_ordinal: int | None
    now_ms: Callable[[], int]
    last_turn_ordinal: int | None = None
    last_item_ordinal: int | None = None

    async def write(self, *entries: Entry) -> None:
        """Record these, in their order. Finished also when cancelled meanwhile.

        Raises:
          OSError: they could not be written.
        """
        if self.lines is not None and entries:
            await trio.to_thread.run_sync(self._write, self.lines, entries)

    def _write(self, lines: Lines, entries: Sequence[Entry]) -> None:
        lines.append(self._numbered(entries))

    def _numbered(self, entries: Sequence[Entry]) -> Iterator[bytes]:
        """The lines. Each takes its number for good when the next one is asked for: it is in the file then."""
        at = stamp(self.now_ms())
        for kind, payload in entries:
            line: dict[str, Any] = {"timestamp": at}
            if self.next_ordinal is not None:
                line["ordinal"] = self.next_ordinal
            yield encoded({**line, "type": kind, "payload": payload})
            if self.next_ordinal is not None:
                self._look_at(payload, self.next_ordinal)
                self.next_ordinal += 1

    def _look_at(self, payload: Mapping[str, Any], ordinal: int) -> None:
        match payload.get("type"):
            case "task_started":
                self.last_turn_ordinal = ordinal
            case "item_completed":
                self.last_item_ordinal = ordinal


def encoded(line: Mapping[str, Any]) -> bytes:
    """One line without its end. Halves of characters, which no file can hold, become question marks."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def stamp(at_ms: int) -> str:
    """Unix ms as rollouts write them."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def rollout_path(thread_id: str, at_ms: int) -> str:
    """Where a new thread is recorded, relative to the home; named by the local time, as all of them are."""
    local = datetime.fromtimestamp(at_ms / 1000)
    return f"{SESSIONS}/{local:%Y/%m/%d}/rollout-{local:%Y-%m-%dT%H-%M-%S}-{thread_id}.jsonl"
