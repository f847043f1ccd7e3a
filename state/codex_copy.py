"""A database of Codex's, read without a trace: not a byte of it changes, and no file appears beside it.

Merely opening a database in WAL mode can leave files beside it, and would take locks that a living Codex waits for. So
the database, its write-ahead log and its journal are copied into a private folder, and the copy is opened.

The copy is of one moment. The database comes first and the log after it: a checkpoint that runs meanwhile writes only
what the log holds, so the pages that it tears are read from the log, as long as the log was not begun anew in between.
That, and any other change of the database, is seen and the copy is made again.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import apsw

from state.integrity import quick_check
from state.rollouts.regular import RegularFile, plain_reason

COPY_BYTES_MAX = 1 << 30
"""A thread index of 100,000 sessions takes some hundred megabytes. A larger one is read in place where that is safe."""

COPY_TRIES_MAX = 5
COPY_PAUSE_SECONDS = 0.1
"""A checkpoint takes milliseconds; five tries outlast a busy Codex."""

CHECK_SECONDS_MAX = 10.0
SPARE_BYTES = 64 << 20
"""Left free in the folder for temporary files, which other programs need too."""

FOLDER_PREFIX = "memoryd-doctor-"
_WAL_HEADER_BYTES = 32
_CHUNK_BYTES = 1 << 20
_SQLITE_MAGIC = b"SQLite format 3\0"


class CodexDatabaseError(Exception):
    """Codex's database cannot be read. The message is a plain sentence about it, without its path."""


class _TornError(Exception):
    """The files changed while they were copied."""


@contextlib.contextmanager
def open_codex_copy(path: Path, *, copy_bytes_max: int = COPY_BYTES_MAX) -> Iterator[apsw.Connection]:
    """Open a sound copy for the block. A link is followed, as SQLite does, to the files beside it.

    Raises:
      CodexDatabaseError: it cannot be read; the message says why.
      apsw.Error: it is damaged.
    """
    with contextlib.ExitStack() as stack:
        yield _sound_connection(Path(os.path.realpath(path)), copy_bytes_max, stack)


def _sound_connection(path: Path, copy_bytes_max: int, stack: contextlib.ExitStack) -> apsw.Connection:
    size_bytes = sum(_size(_sibling(path, suffix)) for suffix in ("", "-wal", "-journal"))
    if size_bytes > copy_bytes_max:
        return _in_place(path, size_bytes, stack)
    if size_bytes + SPARE_BYTES > shutil.disk_usage(tempfile.gettempdir()).free:
        raise CodexDatabaseError(
            f"there is no room for a copy of its {size_bytes >> 20} MiB in {tempfile.gettempdir()}; name another folder"
            " with TMPDIR"
        )
    scratch = stack.enter_context(_private_folder())
    trouble = "it changed again and again while it was copied; a Codex is at work"
    for attempt in range(COPY_TRIES_MAX):
        if attempt:
            time.sleep(COPY_PAUSE_SECONDS)
        folder = scratch / str(attempt)
        folder.mkdir(mode=0o700)
        try:
            _copy(path, folder)
        except _TornError:
            continue
        except OSError as error:
            raise CodexDatabaseError(f"it could not be read: {plain_reason(error)}") from error
        copy = folder / path.name
        _refuse_other_files(copy)
        connection, damage = _checked(copy)
        if connection is not None:
            stack.callback(connection.close, True)
            return connection
        # Perhaps torn in a way that was not seen; a damaged original is damaged in every copy.
        trouble = f"it is damaged: {damage}"
    raise CodexDatabaseError(trouble)


def _checked(copy: Path) -> tuple[apsw.Connection | None, str]:
    """Open a copy that is sound; else answer what is wrong with it."""
    damage: list[str] = []
    connection: apsw.Connection | None = None
    try:
        # May write: it is a copy, and a log or journal that was left has to be played in.
        connection = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READWRITE)
        quick_check(connection, damage, seconds_max=CHECK_SECONDS_MAX)
    except apsw.Error as error:
        damage.append(str(error))
    if damage and connection is not None:
        connection.close(True)
    return (None, damage[0]) if damage else (connection, "")


def _in_place(path: Path, size_bytes: int, stack: contextlib.ExitStack) -> apsw.Connection:
    """Open the database itself, without locks and without any other file; only where no log or journal is in use."""
    if _size(_sibling(path, "-wal")) or _size(_sibling(path, "-journal")):
        raise CodexDatabaseError(
            f"its {size_bytes >> 20} MiB are too much to copy while a Codex is at work; end every Codex and look again"
        )
    with RegularFile(str(path)):
        pass
    connection = apsw.Connection(f"{path.as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    stack.callback(connection.close, True)
    return connection


def _refuse_other_files(copy: Path) -> None:
    with open(copy, "rb") as file:
        head = file.read(len(_SQLITE_MAGIC))
    if not head:
        raise CodexDatabaseError("it is empty")
    if head != _SQLITE_MAGIC:
        raise CodexDatabaseError("it is not a database, or an encrypted one")


def _copy(path: Path, folder: Path) -> None:
    """Copy the files of one moment.

    Raises:
      _TornError: they changed meanwhile.
      OSError: they could not be read, or the copy not be written.
    """
    wal, journal = _sibling(path, "-wal"), _sibling(path, "-journal")
    before = _signature(path), _wal_header(wal), _signature(journal)
    _copy_file(path, folder / path.name)
    for other in (wal, journal):
        with contextlib.suppress(FileNotFoundError):
            _copy_file(other, folder / other.name)
    after = _signature(path), _wal_header(wal), _signature(journal)
    # While a log is in use the database may change below it; without one any change tears the copy.
    compared = slice(1, None) if before[1] else slice(0, None)
    if before[compared] != after[compared]:
        raise _TornError


def _copy_file(source: Path, target: Path) -> None:
    with RegularFile(str(source)) as file, open(target, "xb") as copy:
        offset = 0
        while chunk := os.pread(file.descriptor, _CHUNK_BYTES, offset):
            copy.write(chunk)
            offset += len(chunk)


def _wal_header(wal: Path) -> bytes:
    """The beginning of the log, whose random numbers change when it is begun anew; empty where none is in use."""
    try:
        with RegularFile(str(wal)) as file:
            return os.pread(file.descriptor, _WAL_HEADER_BYTES, 0)
    except FileNotFoundError:
        return b""


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _size(path: Path) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise CodexDatabaseError(f"it could not be read: {plain_reason(error)}") from error


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder for this user alone, gone after the block. Its lock says whether its owner lives."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
    try:
        with open(folder / "lock", "xb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forsaken_copies() -> list[Path]:
    """Private folders of this user whose owner was killed before it could remove them."""
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*")):
        with contextlib.suppress(OSError):
            status = os.lstat(folder)
            if status.st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink() and _is_forsaken(folder):
                found.append(folder)
    return found


def _is_forsaken(folder: Path) -> bool:
    with open(os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
