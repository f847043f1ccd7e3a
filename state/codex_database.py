"""Codex's own thread index, read without a trace: not a byte of it changes, and no file appears beside it.

Merely opening a database in WAL mode can leave files beside it, and would take locks that a living Codex waits for. So
the database, its write-ahead log and its journal are copied into a private folder, and the copy is opened.

The copy is of one moment. The database comes first and the log after it: a checkpoint that runs meanwhile writes only
what the log holds, so the pages that it tears are read from the log, as long as the log was not begun anew in between.
That, and any other change of the database, is seen and the copy is made again.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import apsw
import attrs

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
_STATE_NAME = re.compile(r"state_([0-9]{1,9})\.sqlite", re.ASCII)

CodexValue = int | float | str | None


class CodexDatabaseError(Exception):
    """Codex's database cannot be read. The message is a plain sentence about it, without its path."""


class _TornError(Exception):
    """The files changed while they were copied."""


@attrs.frozen(kw_only=True)
class CodexDatabasePlace:
    """Where Codex keeps its thread index.

    Attributes:
      folder: sqlite_home of its config.toml, else $CODEX_SQLITE_HOME, else the Codex home.
      path: the `state_<n>.sqlite` of the highest n in there, or None.
      remark: why the folder may be another one (a config.toml that is not understood), or None.
    """

    folder: Path
    path: Path | None
    remark: str | None


def find_codex_database(codex_home: Path, environment: Mapping[str, str]) -> CodexDatabasePlace:
    """Find Codex's thread index. A folder that is missing or cannot be listed holds none."""
    configured, remark = _sqlite_home(codex_home)
    folder = configured or environment.get("CODEX_SQLITE_HOME") or ""
    place = Path(codex_home, os.path.expanduser(folder)) if folder else codex_home
    numbered = []
    with contextlib.suppress(OSError):
        for name in os.listdir(place):
            match = _STATE_NAME.fullmatch(name)
            if match:
                numbered.append((int(match[1]), name))
    return CodexDatabasePlace(folder=place, path=place / max(numbered)[1] if numbered else None, remark=remark)


def _sqlite_home(codex_home: Path) -> tuple[str, str | None]:
    try:
        # Where people keep their settings elsewhere this is a link, which Codex follows, too.
        with RegularFile(os.path.realpath(os.path.join(codex_home, "config.toml"))) as file:
            text = os.pread(file.descriptor, _CHUNK_BYTES, 0).decode()
        value = tomllib.loads(text).get("sqlite_home", "")
    except FileNotFoundError:
        return "", None
    except OSError as error:
        return "", f"Codex's config.toml could not be read: {plain_reason(error)}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return "", f"Codex's config.toml is not valid TOML: {error}"
    return (value, None) if isinstance(value, str) else ("", "sqlite_home in Codex's config.toml is not a text")


@attrs.frozen(kw_only=True)
class CodexRow:
    """One row of Codex's `threads`, with the columns that this version of Codex has. `columns` are as stored."""

    id: str
    columns: Mapping[str, CodexValue]


_TEXTS = (
    "rollout_path", "source", "model_provider", "cwd", "cli_version", "title", "name", "sandbox_policy",
    "approval_mode", "first_user_message", "preview", "git_sha", "git_branch", "git_origin_url", "agent_nickname",
    "agent_role", "agent_path", "model", "reasoning_effort", "thread_source", "originator", "history_mode",
    "memory_mode",
)  # fmt: skip
_NUMBERS = (
    "created_at", "updated_at", "recency_at", "created_at_ms", "updated_at_ms", "recency_at_ms", "archived",
    "archived_at", "tokens_used",
)  # fmt: skip


class CodexDatabase:
    """An open copy of Codex's thread index, or the index itself where it is read in place.

    Attributes:
      backfill_status: what Codex says of its own backfill; None where this version keeps no such row.
      threads: how many rows there are.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        present = {str(row[1]) for row in connection.execute("PRAGMA table_info(threads)")}
        if not {"id", "rollout_path"} <= present:
            raise CodexDatabaseError("it has no table of threads that this memoryd understands")
        self._texts = tuple(name for name in _TEXTS if name in present)
        self._numbers = tuple(name for name in _NUMBERS if name in present)
        # As blobs: a text that is not UTF-8 costs its odd characters and not the row.
        columns = [*(f"CAST({name} AS BLOB)" for name in ("id", *self._texts)), *self._numbers]
        # Ids that are no texts are nobody's threads, and would not be passed by the next page.
        self._sql = f"SELECT {', '.join(columns)} FROM threads WHERE typeof(id) = 'text' AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
        (self.threads,) = (int(row[0]) for row in connection.execute("SELECT count(*) FROM threads"))
        self.backfill_status = self._backfill_status()

    def rows(self, after: str, limit: int) -> list[CodexRow]:
        """A page of rows in id order.

        Raises:
          CodexDatabaseError: the pages that hold them are damaged.
        """
        try:
            found = list(self._connection.execute(self._sql, (after, limit)))
        except apsw.Error as error:
            raise CodexDatabaseError(f"it is damaged: {error}") from error
        names = (*self._texts, *self._numbers)
        return [
            CodexRow(id=str(_plain(row[0])), columns={name: _plain(v) for name, v in zip(names, row[1:], strict=True)})
            for row in found
        ]

    def _backfill_status(self) -> str | None:
        try:
            for (status,) in self._connection.execute("SELECT status FROM backfill_state"):
                return str(status)
        except apsw.SQLError:
            pass  # an older Codex, which has no such table
        return None


def _plain(value: CodexValue | bytes) -> CodexValue:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


@contextlib.contextmanager
def open_codex_database(path: Path, *, copy_bytes_max: int = COPY_BYTES_MAX) -> Iterator[CodexDatabase]:
    """Open a copy of Codex's thread index for the block. A link is followed, as SQLite does, to the files beside it.

    Raises:
      CodexDatabaseError: it cannot be read; the message says why.
    """
    path = Path(os.path.realpath(path))
    with contextlib.ExitStack() as stack:
        try:
            connection = _sound_connection(path, copy_bytes_max, stack)
            database = CodexDatabase(connection)
        except apsw.Error as error:
            raise CodexDatabaseError(f"it is damaged: {error}") from error
        yield database


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
