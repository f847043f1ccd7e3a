"""A disk that fails when it is told to: a VFS of SQLite between APSW and the real files.

The database and its write-ahead log can fail; locks and shared memory never do. What fails has no effect on the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

_REAL_FILES = "unix"


class FaultyDisk(apsw.VFS):
    """Counts down to its failures."""

    def __init__(self) -> None:
        self._syncs_before_failing = 0
        self._syncs_to_fail = 0
        self._write_error: apsw.Error | None = None
        super().__init__("faulty-disk", _REAL_FILES, makedefault=True)

    def fail_syncs(self, times: int, *, after: int = 0) -> None:
        """Let `times` syncs fail once `after` more have succeeded, as a dying disk does."""
        self._syncs_before_failing = after
        self._syncs_to_fail = times

    def fail_writes(self, error: apsw.Error) -> None:
        """Let every write fail with `error`."""
        self._write_error = error

    def recover(self) -> None:
        """Be a good disk again."""
        self._syncs_to_fail = 0
        self._write_error = None

    def on_sync(self) -> None:
        """Told before each sync."""
        if self._syncs_to_fail == 0:
            return
        if self._syncs_before_failing > 0:
            self._syncs_before_failing -= 1
            return
        self._syncs_to_fail -= 1
        raise apsw.IOError("sync")

    def on_write(self) -> None:
        """Told before each write."""
        if self._write_error is not None:
            raise self._write_error

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - the name that SQLite knows
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is not None and path.endswith((".sqlite", "-wal")):
            return _File(self, name, flags)
        return apsw.VFSFile(_REAL_FILES, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__(_REAL_FILES, name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - the name that SQLite knows
        self._disk.on_sync()
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - the name that SQLite knows
        self._disk.on_write()
        super().xWrite(data, offset)


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    """Let every connection that is opened in the block use one faulty disk, which is good until told otherwise."""
    disk = FaultyDisk()
    try:
        yield disk
    finally:
        disk.recover()
        disk.unregister()
