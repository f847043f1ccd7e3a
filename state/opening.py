"""Opening the store: locks, migrations, the home it belongs to, and what happens to a damaged file.

Order: state.lock shared -> the migration lock -> connect, migrate, check the home -> the process's own lock -> the
process's row. The lock comes before the row, so that a row without a living lock always means a dead process.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import apsw
import attrs

from state.clock import Clock
from state.connection import BUSY_DEADLINE_MS, close_untouched, open_reader, open_writer
from state.damage import DAMAGE, check_if_suspect, connect_or_begin_anew, leave_word, share, try_alone
from state.errors import StateFolderError
from state.folder import StateFolder, finish_quarantine, held_lock, holders_of, prepare
from state.group_commit import GroupCommit
from state.ids import ProcessUuid
from state.journal import FileJournal
from state.legacy import legacy_databases, remove_legacy
from state.long_read import LongReads
from state.messages.service import RegisterProcess
from state.migrate import migrate, migrations, refuse_newer_schema, schema_version
from state.rules.service import register_process
from state.sqlite_transaction import SqliteTransaction, drive


@attrs.frozen(kw_only=True)
class OpenedStore:
    """An open store before it has a thread. `locks` ends with the store.

    Attributes:
      quarantined: where a damaged file was moved to, if one was.
      kept_legacy: a sentence on each file that has a legacy name and stays.
    """

    process: ProcessUuid
    group_commit: GroupCommit
    long_reads: LongReads
    locks: contextlib.ExitStack
    quarantined: Path | None
    kept_legacy: tuple[str, ...]


@attrs.frozen(kw_only=True)
class OpenedReader:
    """An open store that can only read."""

    long_reads: LongReads
    locks: contextlib.ExitStack


def open_for_writing(
    folder: StateFolder,
    codex_home: str,
    clock: Clock,
    busy_deadline_ms: int = BUSY_DEADLINE_MS,
    *,
    vfs: str | None = None,
) -> OpenedStore:
    """Open, creating and migrating as needed. `vfs`: as in `state.connection.open_writer`.

    Raises:
      StateFolderError: the folder cannot be used.
    """
    prepare(folder, codex_home=Path(codex_home))
    with contextlib.ExitStack() as locks, _explained(folder):
        state_lock = locks.enter_context(
            held_lock(folder.state_files.openers_lock, exclusive=False, purpose=f"use the state folder {folder.path}")
        )
        connection, quarantined = connect_or_begin_anew(
            folder,
            folder.state_files,
            state_lock,
            lambda: _ready_connection(folder, codex_home, clock, busy_deadline_ms, vfs),
            hint="stop that process; the next start moves the damaged file aside and rebuilds the index",
        )
        try:
            kept_legacy = _remove_legacy(folder, codex_home, state_lock)
            process = ProcessUuid(str(uuid.uuid4()))
            locks.enter_context(held_lock(folder.process_lock(process), exclusive=True, purpose="enter this process"))
            _register(connection, folder, process, clock)
            reader = open_reader(folder.database, vfs=vfs)
        except BaseException:
            connection.close(True)
            raise
        return OpenedStore(
            process=process,
            group_commit=GroupCommit(
                connection,
                memories_dir=folder.memories_dir,
                journal=FileJournal(folder.journal),
                clock=clock,
                process=process,
                busy_deadline_ms=busy_deadline_ms,
            ),
            long_reads=LongReads(reader, files=folder.state_files, memories_dir=folder.memories_dir, clock=clock),
            locks=locks.pop_all(),
            quarantined=quarantined,
            kept_legacy=tuple(kept_legacy),
        )
    raise AssertionError("unreachable: the with statement does not swallow exceptions")


def open_for_reading(folder: StateFolder, codex_home: str, clock: Clock) -> OpenedReader | None:
    """Open what is there for reading; None when nothing is there.

    Raises:
      StateFolderError: it belongs to another home, is too new, or cannot be read.
    """
    try:
        if folder.path.exists() and not folder.path.is_dir():
            raise StateFolderError(f"cannot use the state folder {folder.path}: it is not a folder")
        if not folder.database.exists():
            return None
    except OSError as error:
        raise StateFolderError(
            f"cannot read the state folder {folder.path}: {error.strerror or error}",
            hint="make it yours, or name another one with --state-dir or MEMORYD_HOME",
        ) from error
    with contextlib.ExitStack() as locks:
        locks.enter_context(
            held_lock(folder.state_files.openers_lock, exclusive=False, purpose=f"read the state folder {folder.path}")
        )
        try:
            connection = open_reader(folder.database)
            version = schema_version(connection)
            refuse_newer_schema(version)
            if version == 0:
                connection.close(True)
                return None
            _refuse_other_home(connection, folder, codex_home)
        except apsw.Error as error:
            raise StateFolderError(
                f"cannot read the state database {folder.database}: {error}",
                hint="`memoryd once` checks it and rebuilds what it can",
            ) from error
        reads = LongReads(connection, files=folder.state_files, memories_dir=folder.memories_dir, clock=clock)
        return OpenedReader(long_reads=reads, locks=locks.pop_all())
    raise AssertionError("unreachable: the with statement does not swallow exceptions")


def mark_suspect(folder: StateFolder, reason: str) -> None:
    """Leave word for the next opening that the database may be damaged, so that it is checked whole."""
    leave_word(folder.state_files, reason)


def _ready_connection(
    folder: StateFolder, codex_home: str, clock: Clock, busy_deadline_ms: int, vfs: str | None
) -> apsw.Connection:
    """Connect, migrate, look closer where word was left, and bind the state to its home."""
    with held_lock(folder.state_files.migrate_lock, exclusive=True, purpose="migrate the state database"):
        finish_quarantine(folder)
        connection = open_writer(folder.database, busy_deadline_ms=busy_deadline_ms, vfs=vfs)
        try:
            os.chmod(folder.database, 0o600)
            migrate(connection)
            check_if_suspect(connection, folder.state_files)
            _bind_home(connection, folder, codex_home, clock)
        except BaseException:
            close_untouched(connection)
            raise
        return connection


@contextlib.contextmanager
def _explained(folder: StateFolder) -> Iterator[None]:
    """Say in words for a person what SQLite raises in the block; damage has the next opening look closer."""
    try:
        yield
    except apsw.Error as error:
        if isinstance(error, DAMAGE):
            mark_suspect(folder, str(error))
        raise _cannot_open(folder, error) from error


def _cannot_open(folder: StateFolder, error: apsw.Error) -> StateFolderError:
    hint = ""
    if isinstance(error, apsw.FullError):
        hint = "the disk is full: free some space"
    elif isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError):
        hint = "check that you may read and write it"
    elif isinstance(error, apsw.BusyError):
        hint = f"it is in use by {holders_of(folder.database.with_name(folder.database.name + '-shm'))}; try again"
    elif isinstance(error, DAMAGE):
        hint = "start memoryd again: it moves the damaged file aside and rebuilds the index"
    return StateFolderError(f"cannot open the state database {folder.database}: {error}", hint=hint)


def _remove_legacy(folder: StateFolder, codex_home: str, state_lock: int) -> list[str]:
    """Remove files of older versions, if this process is the only opener; others may be of such a version."""
    version = len(migrations())
    databases = legacy_databases(folder, version)
    if not databases:
        return []
    if not try_alone(folder, folder.state_files, state_lock, wait_seconds_max=0):
        return [f"the legacy database {database} stays: the state folder is in use" for database in databases]
    try:
        return remove_legacy(codex_home, databases, version)
    finally:
        share(folder, folder.state_files, state_lock)


def _bind_home(connection: apsw.Connection, folder: StateFolder, codex_home: str, clock: Clock) -> None:
    _refuse_other_home(connection, folder, codex_home)
    connection.execute(
        "INSERT INTO home (id, codex_home, created_at_ms) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING",
        (codex_home, clock().wall_ms),
    )


def _refuse_other_home(connection: apsw.Connection, folder: StateFolder, codex_home: str) -> None:
    row = connection.execute("SELECT codex_home FROM home WHERE id = 1").fetchone()
    if row is not None and row[0] != codex_home:
        raise StateFolderError(
            f"the state folder {folder.path} belongs to the Codex home {row[0]}, not to {codex_home}",
            hint="name that home with --codex-home, or another folder with --state-dir",
        )


def _register(connection: apsw.Connection, folder: StateFolder, process: ProcessUuid, clock: Clock) -> None:
    connection.execute("BEGIN IMMEDIATE")
    transaction = SqliteTransaction(connection, folder.memories_dir)
    drive(register_process(transaction, RegisterProcess(process=process, pid=os.getpid()), clock()))
    connection.execute("COMMIT")
