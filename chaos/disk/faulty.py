"""A disk that fails as planned: a VFS of SQLite between APSW and the real files.

The database, its write-ahead log and its journal can fail; locks and shared memory never do. It counts what it is
asked, so that every point of a run can be tried, and has whoever records hear what it changed.
"""

import collections
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import apsw

from chaos.disk.faults import Effect, Fault, Operation, Part
from chaos.disk.recording import Deleted, Recorder, SyncFailed, Truncated, Wrote

_REAL_FILES = "unix"

_PARTS = {
    apsw.SQLITE_OPEN_MAIN_DB: Part.DATABASE,
    apsw.SQLITE_OPEN_WAL: Part.LOG,
    apsw.SQLITE_OPEN_MAIN_JOURNAL: Part.JOURNAL,
}

_ERRORS = {
    Operation.READ: apsw.SQLITE_IOERR_READ,
    Operation.WRITE: apsw.SQLITE_IOERR_WRITE,
    Operation.SYNC: apsw.SQLITE_IOERR_FSYNC,
    Operation.TRUNCATE: apsw.SQLITE_IOERR_TRUNCATE,
}


class FaultyDisk(apsw.VFS):
    """A good disk until it is told to `follow` a plan.

    Attributes:
      name: what to hand to `open_writer` and its like as `vfs`.
      counts: how many operations there were since the plan was taken up, by operation.
      struck: how many of these were struck by a fault.
      room_bytes: how large all files together may become; None for no limit. May be changed at any time.
      recorder: hears every change, if there is one. A file that is open goes on with the one that it was opened with.
    """

    def __init__(
        self, name: str = "faulty-disk", *, recorder: Recorder | None = None, is_default: bool = False
    ) -> None:
        self.name = name
        self.recorder = recorder
        self.room_bytes: int | None = None
        self.counts: collections.Counter[Operation] = collections.Counter()
        self.struck = 0
        self._plan: tuple[Fault, ...] = ()
        self._part_counts: collections.Counter[tuple[Operation, Part]] = collections.Counter()
        self._sizes: dict[str, int] = {}
        super().__init__(name, _REAL_FILES, makedefault=is_default)

    def follow(self, *plan: Fault) -> None:
        """Take up a plan; every count begins anew."""
        self._plan = plan
        self.counts.clear()
        self._part_counts.clear()
        self.struck = 0

    def recover(self) -> None:
        """Be a good disk again, with room."""
        self.room_bytes = None
        self.follow()

    @property
    def used_bytes(self) -> int:
        """How large all files together are."""
        return sum(self._sizes.values())

    def effect_on(self, operation: Operation, part: Part) -> Effect | None:
        """Count an operation, and say what becomes of it; None: it succeeds."""
        self.counts[operation] += 1
        self._part_counts[operation, part] += 1
        for fault in self._plan:
            if fault.operation is operation and fault.part in (None, part):
                count = self.counts[operation] if fault.part is None else self._part_counts[operation, part]
                if fault.strikes(count):
                    self.struck += 1
                    return fault.effect
        return None

    def room_for(self, path: str, end: int) -> int:
        """How far a write that ends there may go."""
        before = self._sizes.get(path, 0)
        if self.room_bytes is None or end <= before:
            return end
        return min(end, max(before, before + self.room_bytes - self.used_bytes))

    def has_size(self, path: str, size: int) -> None:
        """Take note of a file's size in bytes."""
        self._sizes[path] = size

    def grew(self, path: str, end: int) -> None:
        """Take note that a file reaches this far."""
        self._sizes[path] = max(self._sizes.get(path, 0), end)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - the name that SQLite knows
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        part = next((part for flag, part in _PARTS.items() if flags[0] & flag), None)
        if path is None or part is None:
            return apsw.VFSFile(_REAL_FILES, name, flags)
        is_new = not os.path.exists(path)
        file = _File(self, path, part, name, flags)
        self._sizes[path] = 0 if is_new else os.path.getsize(path)
        if is_new and self.recorder is not None:
            self.recorder.created(os.path.basename(path))
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - the name that SQLite knows
        super().xDelete(filename, syncdir)
        if self._sizes.pop(filename, None) is not None and self.recorder is not None:
            self.recorder.take(Deleted(os.path.basename(filename), syncdir))


class _File(apsw.VFSFile):
    """One open file of the disk."""

    def __init__(
        self, disk: FaultyDisk, path: str, part: Part, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        self._path = path
        self._name = os.path.basename(path)
        self._part = part
        self._recorder = disk.recorder
        super().__init__(_REAL_FILES, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - the name that SQLite knows
        effect = self._disk.effect_on(Operation.READ, self._part)
        if effect is Effect.FAIL:
            raise _error(Operation.READ)
        data = super().xRead(amount, offset)
        return data[: amount // 2] if effect is Effect.SHORT else data

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the name that SQLite knows
        content = bytes(data)
        effect = self._disk.effect_on(Operation.WRITE, self._part)
        if effect is Effect.LIE:
            return
        if effect is Effect.FAIL:
            raise _error(Operation.WRITE)
        end = offset + len(content)
        reaches = self._disk.room_for(self._path, end)
        if effect is Effect.FULL:
            reaches = offset
        elif effect is Effect.SHORT:
            reaches = min(reaches, offset + len(content) // 2)
        if reaches > offset:
            self._write(content[: reaches - offset], offset)
        if reaches < end:
            raise apsw.exception_for(apsw.SQLITE_FULL)

    def _write(self, content: bytes, offset: int) -> None:
        super().xWrite(content, offset)
        self._disk.grew(self._path, offset + len(content))
        if self._recorder is not None:
            self._recorder.take(Wrote(self._name, offset, content))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - the name that SQLite knows
        effect = self._disk.effect_on(Operation.TRUNCATE, self._part)
        if effect is Effect.FAIL:
            raise _error(Operation.TRUNCATE)
        if effect is Effect.LIE:
            return
        super().xTruncate(newsize)
        self._disk.has_size(self._path, newsize)
        if self._recorder is not None:
            self._recorder.take(Truncated(self._name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - the name that SQLite knows
        effect = self._disk.effect_on(Operation.SYNC, self._part)
        recorder = self._recorder
        if effect is Effect.LIE:
            return
        if effect is Effect.FAIL:
            if recorder is not None:
                recorder.take(SyncFailed(self._name))
            raise _error(Operation.SYNC)
        super().xSync(flags)
        if recorder is not None:
            recorder.synced(self._name)


def _error(operation: Operation) -> Exception:
    return apsw.exception_for(_ERRORS[operation])


@contextlib.contextmanager
def faulty_disk(
    name: str = "faulty-disk", *, recorder: Recorder | None = None, is_default: bool = False
) -> Iterator[FaultyDisk]:
    """Have a disk for the block. `is_default`: for every connection that names no VFS, too."""
    disk = FaultyDisk(name, recorder=recorder, is_default=is_default)
    try:
        yield disk
    finally:
        disk.recover()
        disk.unregister()


def scratch_parent() -> Path | None:
    """Where temporary disks lie: in memory where the system has such a place; None for its usual place."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and os.access(memory, os.W_OK) else None
