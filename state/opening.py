"""Opening the store: locks, migrations, the home it belongs to, and what happens to a damaged file.

Order: state.lock shared -> the migration lock -> connect and migrate -> check the home -> the process's own lock ->
the process's row. The lock comes before the row, so that a row without a living lock always means a dead process.
"""

import contextlib
import os
import time
import uuid
from pathlib import Path

import apsw
import attrs

from state.clock import Clock
from state.connection import BUSY_DEADLINE_MS, open_reader, open_writer
from state.errors import StateFolderError
from state.folder import StateFolder, held_lock, holders_of, prepare, quarantine, try_lock
from state.group_commit import GroupCommit
from state.ids import ProcessUuid
from state.long_read import LongReads
from state.messages.service import RegisterProcess
from state.migrate import migrate, refuse_newer_schema, schema_version
from state.rules.service import register_process
from state.sqlite_transaction import SqliteTransaction, drive

QUARANTINE_WAIT_SECONDS_MAX = 2.0
"""How long quarantine waits for other openers to leave. A service does not leave, so there is no point in more."""


@attrs.frozen(kw_only=True)
class OpenedStore:
    """An open store before it has a thread. `locks` ends with the store."""

    process: ProcessUuid
    group_commit: GroupCommit
    long_reads: LongReads
    locks: contextlib.ExitStack
    quarantined: Path | None


@attrs.frozen(kw_only=True)
class OpenedReader:
    """An open store that can only read."""

    long_reads: LongReads
    locks: contextlib.ExitStack


def open_for_writing(
    folder: StateFolder, codex_home: str, clock: Clock, busy_deadline_ms: int = BUSY_DEADLINE_MS
) -> OpenedStore:
    """Open, creating and migrating as needed.

    Raises:
      StateFolderError: the folder cannot be used.
    """
    prepare(folder)
    with contextlib.ExitStack() as locks:
        state_lock = locks.enter_context(
            held_lock(folder.path / "state.lock", exclusive=False, purpose=f"use the state folder {folder.path}")
        )
        connection, quarantined = _connect(folder, state_lock, busy_deadline_ms)
        try:
            _bind_home(connection, folder, codex_home, clock)
            process = ProcessUuid(str(uuid.uuid4()))
            lock_path = folder.process_lock(process)
            locks.enter_context(held_lock(lock_path, exclusive=True, purpose="enter this process"))
            locks.callback(_unlink, lock_path)
            _register(connection, folder, process, clock)
            reader = open_reader(folder.database)
        except BaseException:
            connection.close(True)
            raise
        return OpenedStore(
            process=process,
            group_commit=GroupCommit(
                connection,
                memories_dir=folder.memories_dir,
                clock=clock,
                process=process,
                busy_deadline_ms=busy_deadline_ms,
            ),
            long_reads=LongReads(reader, memories_dir=folder.memories_dir, clock=clock),
            locks=locks.pop_all(),
            quarantined=quarantined,
        )
    raise AssertionError("unreachable: the with statement does not swallow exceptions")


def open_for_reading(folder: StateFolder, codex_home: str, clock: Clock) -> OpenedReader | None:
    """Open what is there for reading; None when nothing is there.

    Raises:
      StateFolderError: it belongs to another home, is too new, or cannot be read.
    """
    if not folder.database.exists():
        return None
    with contextlib.ExitStack() as locks:
        locks.enter_context(
            held_lock(folder.path / "state.lock", exclusive=False, purpose=f"read the state folder {folder.path}")
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
        reads = LongReads(connection, memories_dir=folder.memories_dir, clock=clock)
        return OpenedReader(long_reads=reads, locks=locks.pop_all())
    raise AssertionError("unreachable: the with statement does not swallow exceptions")


def mark_suspect(folder: StateFolder, reason: str) -> None:
    """Leave word for the next opening that the database may be damaged, so that it is checked whole."""
    with contextlib.suppress(OSError):
        _suspect(folder).write_text(reason + "\n", encoding="utf-8")


def _suspect(folder: StateFolder) -> Path:
    return folder.path / "suspect"


def _connect(folder: StateFolder, state_lock: int, busy_deadline_ms: int) -> tuple[apsw.Connection, Path | None]:
    """Connect and migrate; when the file is damaged and nobody else has it open, set it aside and start anew."""
    try:
        return _migrated(folder, busy_deadline_ms), None
    except (apsw.CorruptError, apsw.NotADBError) as error:
        damage = error
    except apsw.Error as error:
        raise _cannot_open(folder, error) from error
    _take_alone(state_lock, folder, damage)
    try:
        # Whoever had the lock before may have repaired it already, so look again.
        return _migrated(folder, busy_deadline_ms), None
    except (apsw.CorruptError, apsw.NotADBError):
        moved_to = quarantine(folder)
        with contextlib.suppress(FileNotFoundError):
            _suspect(folder).unlink()
        return _migrated(folder, busy_deadline_ms), moved_to
    finally:
        try_lock(state_lock, exclusive=False)


def _take_alone(state_lock: int, folder: StateFolder, damage: Exception) -> None:
    give_up_at = time.monotonic() + QUARANTINE_WAIT_SECONDS_MAX
    while not try_lock(state_lock, exclusive=True):
        if time.monotonic() >= give_up_at:
            raise StateFolderError(
                f"the state database {folder.database} is damaged ({damage}) and still open in"
                f" {holders_of(folder.path / 'state.lock')}",
                hint="stop that process; the next start moves the damaged file aside and rebuilds the index",
            )
        time.sleep(0.05)


def _migrated(folder: StateFolder, busy_deadline_ms: int) -> apsw.Connection:
    with held_lock(folder.path / "migrate.lock", exclusive=True, purpose="migrate the state database"):
        connection = open_writer(folder.database, busy_deadline_ms=busy_deadline_ms)
        try:
            os.chmod(folder.database, 0o600)
            migrate(connection)
            if _suspect(folder).exists():
                _check_whole(connection)
                _suspect(folder).unlink()
        except BaseException:
            connection.close(True)
            raise
        return connection


def _check_whole(connection: apsw.Connection) -> None:
    findings = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    if findings != ["ok"]:
        raise apsw.CorruptError(findings[0])


def _cannot_open(folder: StateFolder, error: apsw.Error) -> StateFolderError:
    hint = ""
    if isinstance(error, apsw.FullError):
        hint = "the disk is full: free some space"
    elif isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError):
        hint = "check that you may read and write it"
    return StateFolderError(f"cannot open the state database {folder.database}: {error}", hint=hint)


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


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
