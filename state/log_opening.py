"""Opening the log database: beside the state database, with locks of its own, so that neither waits for the other.

Nothing needs this file. Damaged, it is moved aside alone and begun anew; whatever else is wrong with it is said, and
memoryd goes on without.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import apsw
import attrs

from state.clock import Clock
from state.connection import (
    BUSY_DEADLINE_MS,
    checkpoint_passively,
    close_untouched,
    give_pages_back,
    open_reader,
    open_writer,
)
from state.damage import DAMAGE, check_if_suspect, connect_or_begin_anew, leave_word
from state.errors import StateFolderError
from state.folder import StateFolder, held_lock
from state.group_commit import GroupCommit
from state.ids import ProcessUuid
from state.long_read import LongReads
from state.messages.logs import DeleteLogsBefore
from state.messages.service import RegisterProcess
from state.migrate import migrate, migrations, refuse_newer_schema, schema_version
from state.rules.logs import delete_logs_before
from state.rules.registry import LOG_RULES
from state.rules.service import register_process
from state.sqlite_transaction import SqliteTransaction, drive

MIGRATIONS = "state.log_migrations"

KEPT_MS = 10 * 86_400_000
"""What was said longer ago goes at the start."""


@attrs.frozen(kw_only=True)
class OpenedLogs:
    """An open log database before it has a thread. `locks` ends with it.

    Attributes:
      quarantined: where a damaged file was moved to, if one was.
      trouble: why old entries could not be cleared away, or None; entries are stored all the same.
    """

    group_commit: GroupCommit
    long_reads: LongReads
    locks: contextlib.ExitStack
    quarantined: Path | None
    trouble: str | None


@attrs.frozen(kw_only=True)
class OpenedLogReader:
    """An open log database that can only be read."""

    long_reads: LongReads
    locks: contextlib.ExitStack


def open_logs_for_writing(folder: StateFolder, clock: Clock, busy_deadline_ms: int = BUSY_DEADLINE_MS) -> OpenedLogs:
    """Open, creating and migrating as needed; clear away what is old. The folder itself is there.

    Raises:
      StateFolderError: it cannot be used.
    """
    with contextlib.ExitStack() as locks, _explained(folder):
        openers_lock = locks.enter_context(
            held_lock(folder.log_files.openers_lock, exclusive=False, purpose="use the log database")
        )
        trouble: list[str] = []
        connection, quarantined = connect_or_begin_anew(
            folder,
            folder.log_files,
            openers_lock,
            lambda: _ready_connection(folder, clock, busy_deadline_ms, trouble),
            hint="end that process; the next start moves the damaged file aside",
        )
        try:
            process = ProcessUuid(str(uuid.uuid4()))
            _register(connection, folder, process, clock)
            reader = open_reader(folder.log_files.database)
        except BaseException:
            connection.close(True)
            raise
        return OpenedLogs(
            group_commit=GroupCommit(
                connection,
                memories_dir=folder.memories_dir,
                clock=clock,
                process=process,
                busy_deadline_ms=busy_deadline_ms,
                rules=LOG_RULES,
                synchronous="NORMAL",
            ),
            long_reads=LongReads(
                reader, files=folder.log_files, memories_dir=folder.memories_dir, clock=clock, rules=LOG_RULES
            ),
            locks=locks.pop_all(),
            quarantined=quarantined,
            trouble=trouble[0] if trouble else None,
        )
    raise AssertionError("unreachable: the with statement does not swallow exceptions")


def open_logs_for_reading(folder: StateFolder, clock: Clock) -> OpenedLogReader | None:
    """Open what is there for reading; None when nothing is there.

    Raises:
      StateFolderError: it is too new, or cannot be read.
    """
    files = folder.log_files
    if not files.database.exists():
        return None
    with contextlib.ExitStack() as locks, _explained(folder):
        locks.enter_context(held_lock(files.openers_lock, exclusive=False, purpose="read the log database"))
        connection = open_reader(files.database)
        try:
            version = schema_version(connection)
            refuse_newer_schema(version, migrations(MIGRATIONS))
        except BaseException:
            connection.close(True)
            raise
        if version == 0:
            connection.close(True)
            return None
        reads = LongReads(
            connection, files=folder.log_files, memories_dir=folder.memories_dir, clock=clock, rules=LOG_RULES
        )
        return OpenedLogReader(long_reads=reads, locks=locks.pop_all())
    raise AssertionError("unreachable: the with statement does not swallow exceptions")


def _ready_connection(folder: StateFolder, clock: Clock, busy_deadline_ms: int, trouble: list[str]) -> apsw.Connection:
    files = folder.log_files
    with held_lock(files.migrate_lock, exclusive=True, purpose="migrate the log database"):
        # NORMAL: the newest entries may be lost to a power cut, and so may those that still wait in the queue. Nobody
        # was promised them, and a sync for every batch would keep the disk from those who were promised something.
        connection = open_writer(files.database, busy_deadline_ms=busy_deadline_ms, synchronous="NORMAL", shrinks=True)
        try:
            os.chmod(files.database, 0o600)
            migrate(connection, migrations(MIGRATIONS))
            check_if_suspect(connection, files)
            _clear_away(connection, folder, clock, trouble)
        except BaseException:
            close_untouched(connection)
            raise
        return connection


def _clear_away(connection: apsw.Connection, folder: StateFolder, clock: Clock, trouble: list[str]) -> None:
    """Delete what is old and give its room back. Damage is damage; any other failure is only said."""
    at = clock()
    oldest_ms = at.wall_ms - KEPT_MS
    try:
        connection.execute("BEGIN IMMEDIATE")
        transaction = SqliteTransaction(connection, folder.memories_dir)
        drive(delete_logs_before(transaction, DeleteLogsBefore(at_ns=oldest_ms * 1_000_000), at))
        # Whoever still lives enters itself with its next start.
        connection.execute("DELETE FROM processes WHERE started_at_ms < ?", (oldest_ms,))
        connection.execute("COMMIT")
        give_pages_back(connection)
        checkpoint_passively(connection)
    except DAMAGE:
        raise
    except apsw.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        trouble.append(str(error))


def _register(connection: apsw.Connection, folder: StateFolder, process: ProcessUuid, clock: Clock) -> None:
    connection.execute("BEGIN IMMEDIATE")
    transaction = SqliteTransaction(connection, folder.memories_dir)
    drive(register_process(transaction, RegisterProcess(process=process, pid=os.getpid()), clock()))
    connection.execute("COMMIT")


@contextlib.contextmanager
def _explained(folder: StateFolder) -> Iterator[None]:
    """Say in words for a person what SQLite raises in the block; damage has the next opening look closer."""
    try:
        yield
    except apsw.Error as error:
        hint = "memoryd works without it; `memoryd logs` does not"
        if isinstance(error, DAMAGE):
            leave_word(folder.log_files, str(error))
            hint = "the next `memoryd once` or `memoryd run` sets it aside and begins it anew"
        raise StateFolderError(
            f"cannot use the log database {folder.log_files.database}: {error}",
            hint=hint,
        ) from error
