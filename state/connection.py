"""Opening SQLite the one way memoryd does: each setting with its reason.

Only the functions here that open make connections, and only the store calls them. No process that
holds a connection may open these files in any other way: closing such a descriptor would drop SQLite's POSIX locks.
"""

import contextlib
import random
import time
from pathlib import Path
from typing import Literal

import apsw

from state.errors import StateFolderError

BUSY_DEADLINE_MS = 10_000
"""How long a statement waits for another process's write lock. Writers here hold it for milliseconds."""

STATEMENTS_KEPT = 512
"""Prepared statements that a connection keeps, the most that APSW can. It forgets what was not among the last so many
that ran, a text that ran ten times counting ten: by its usual 100, what is seldom asked is prepared anew each time."""

WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
"""SQLite versions, first and last, in which several connections on one WAL file can corrupt the database."""


def refuse_broken_sqlite(version: str) -> None:
    """Refuse an SQLite that can corrupt a WAL database which several processes have open.

    Raises:
      StateFolderError: the version lies in WAL_RESET_BUG.
    """
    parts = tuple(int(part) for part in version.split(".")[:3])
    if WAL_RESET_BUG[0] <= parts <= WAL_RESET_BUG[1]:
        raise StateFolderError(
            f"SQLite {version} can corrupt a database that several processes use",
            hint="install apsw 3.51.3 or newer, which brings its own SQLite",
        )


class JitteredBusyHandler:
    """Waits 0.1 to 1 ms between tries, until a deadline. SQLite's own growing back-off starves under contention."""

    def __init__(self, deadline_ms: int) -> None:
        self._deadline_ms = deadline_ms
        self._give_up_at = 0.0

    def __call__(self, tries: int) -> bool:
        now = time.monotonic()
        if tries == 0:
            self._give_up_at = now + self._deadline_ms / 1000
        if now >= self._give_up_at:
            return False
        time.sleep(random.uniform(0.000_1, 0.001))
        return True


Synchronous = Literal["FULL", "NORMAL"]
"""FULL: a commit survives a power cut. NORMAL: a power cut may take the newest commits with it, and never the file."""


def open_writer(
    database: Path,
    *,
    busy_deadline_ms: int = BUSY_DEADLINE_MS,
    synchronous: Synchronous = "FULL",
    shrinks: bool = False,
    vfs: str | None = None,
) -> apsw.Connection:
    """Open the one connection that writes, creating the file if it is missing.

    Args:
      shrinks: let a new file give the pages of deleted rows back to the disk, when `give_pages_back` is called.
      vfs: name of the SQLite VFS whose files to use, for a disk that fails on purpose; None for the system's own.

    Raises:
      apsw.Error: SQLite's own reason; NotADBError and CorruptError mean that the file is damaged.
    """
    refuse_broken_sqlite(apsw.sqlite_lib_version())
    connection = apsw.Connection(str(database), vfs=vfs, statementcachesize=STATEMENTS_KEPT)
    try:
        connection.set_busy_handler(JitteredBusyHandler(busy_deadline_ms))
        if shrinks:
            # Only heard before anything is written, and so before the next line.
            _pragma(connection, "auto_vacuum = INCREMENTAL")
        _prepare_writer(connection, synchronous)
    except BaseException:
        close_untouched(connection)
        raise
    return connection


def _prepare_writer(connection: apsw.Connection, synchronous: Synchronous) -> None:
    # WAL: readers never wait for the writer, and a commit is one append. It stays set in the file.
    _pragma(connection, "journal_mode = WAL")
    # FULL: an acknowledged commit survives power loss. With group commit it costs about a tenth of the throughput.
    _pragma(connection, f"synchronous = {synchronous}")
    # Off by default in SQLite for compatibility with old files; our cascades need it.
    _pragma(connection, "foreign_keys = ON")
    # A statement is planned once. SQLite would else plan anew, at every use, each one whose parameter is compared
    # with a column of a partial index: claiming and finishing a job spent four fifths of its time in that.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    # Each request, and each statement with a trigger, can be undone alone: SQLite copies the pages that it is about to
    # change, and to a temporary file as soon as they are more than a few. In memory recording is a fifth faster; they
    # are as many as one request changes.
    _pragma(connection, "temp_store = MEMORY")
    # A WAL that grew in a burst is cut back at the next checkpoint instead of staying large for ever.
    _pragma(connection, f"journal_size_limit = {16 * 1024 * 1024}")


def open_reader(database: Path, *, busy_deadline_ms: int = BUSY_DEADLINE_MS, vfs: str | None = None) -> apsw.Connection:
    """Open a connection that can only read; the file must exist. `vfs` as in `open_writer`."""
    refuse_broken_sqlite(apsw.sqlite_lib_version())
    connection = apsw.Connection(
        str(database), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs, statementcachesize=STATEMENTS_KEPT
    )
    connection.set_busy_handler(JitteredBusyHandler(busy_deadline_ms))
    _pragma(connection, "query_only = ON")
    return connection


def open_checkpointer(database: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Open a connection that only moves the write-ahead log into the database; the file must exist.

    It waits for nobody, and closing it moves nothing. `vfs` as in `open_writer`.

    Raises:
      apsw.Error: SQLite's own reason.
    """
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    # What was moved is synced before the log may be written over.
    _pragma(connection, "synchronous = FULL")
    return connection


def open_immutable(database: Path) -> apsw.Connection:
    """Open a file that nobody has open, to look at it: nothing is locked, and nothing is made beside it.

    What is only in its write-ahead log is not seen.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"{database.as_uri()}?immutable=1", flags=flags)


def close_untouched(connection: apsw.Connection) -> None:
    """Close and leave the file and its write-ahead log as they are, for whoever has to judge them.

    An ordinary close of the last connection moves the log into the file and deletes it. Doing it twice is safe.
    """
    with contextlib.suppress(apsw.ConnectionClosedError):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close(True)


def truncate_wal(connection: apsw.Connection) -> None:
    """Move the whole WAL into the database file and empty it.

    Raises:
      apsw.BusyError: another connection still uses the WAL after the busy deadline.
    """
    for busy, _frames, _moved in connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"):
        if busy:
            raise apsw.BusyError("another connection uses the write-ahead log")


def give_pages_back(connection: apsw.Connection) -> None:
    """Give the disk back what deleted rows took, in a file that was made to shrink; elsewhere nothing happens."""
    _pragma(connection, "incremental_vacuum")


def checkpoint_passively(connection: apsw.Connection) -> None:
    """Move what can be moved at once from the WAL into the database file; waits for nobody."""
    _pragma(connection, "wal_checkpoint(PASSIVE)")


def _pragma(connection: apsw.Connection, text: str) -> None:
    # The cursor is exhausted: APSW stops at the first row otherwise, and leaves the statement open.
    for _ in connection.execute(f"PRAGMA {text}"):
        pass
