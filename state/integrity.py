"""How the state database is, judged by looking: its SQLite, its schema, its pages. Changes nothing, sets nothing aside.

What is found here is what the next start would meet; the start itself decides (state.opening).
"""

import time
from pathlib import Path

import apsw
import attrs

from state.connection import open_reader, refuse_broken_sqlite
from state.damage import DAMAGE
from state.errors import StateFolderError
from state.folder import DatabaseFiles, StateFolder, held_lock
from state.migrate import migrations, schema_version

PROBLEMS_MAX = 20
"""A damaged database has thousands of problems or one; either way it is set aside whole."""

_STEPS_BETWEEN_LOOKS = 20_000


@attrs.frozen(kw_only=True)
class Integrity:
    """What a look at the database gave.

    Attributes:
      schema: number of the last migration that ran on it; None when it could not be read.
      schema_known: the newest one that this memoryd knows.
      damage: why it is damaged, in SQLite's words; empty when it is sound as far as was looked.
      trouble: why it could not be looked at, or None.
      is_whole: False when the deadline ended the look.
    """

    schema: int | None
    schema_known: int
    damage: tuple[str, ...]
    trouble: str | None
    is_whole: bool


def sqlite_version() -> str:
    """The version of the SQLite library in use.

    Raises:
      StateFolderError: it can corrupt a database that several processes use.
    """
    version = apsw.sqlite_lib_version()
    refuse_broken_sqlite(version)
    return version


def look_at_database(folder: StateFolder, *, seconds_max: float, busy_deadline_ms: int = 2_000) -> Integrity | None:
    """Look at the state database; None when there is none.

    Runs `PRAGMA quick_check` on a connection that cannot write, under the lock that every opener shares, and breaks it
    off at the deadline.
    """
    return _look_under_lock(folder.state_files, len(migrations()), seconds_max, busy_deadline_ms)


def look_at_log_database(folder: StateFolder, *, seconds_max: float, busy_deadline_ms: int = 2_000) -> Integrity | None:
    """The same for the log database."""
    return _look_under_lock(folder.log_files, len(migrations("state.log_migrations")), seconds_max, busy_deadline_ms)


def _look_under_lock(files: DatabaseFiles, known: int, seconds_max: float, busy_deadline_ms: int) -> Integrity | None:
    if not files.database.is_file():
        return None
    try:
        with held_lock(files.openers_lock, exclusive=False, purpose=f"look at the {files.title}"):
            return _look(files.database, known, seconds_max, busy_deadline_ms)
    except StateFolderError as error:
        return Integrity(schema=None, schema_known=known, damage=(), trouble=str(error), is_whole=False)


def _look(database: Path, known: int, seconds_max: float, busy_deadline_ms: int) -> Integrity:
    schema: int | None = None
    damage: list[str] = []
    trouble: str | None = None
    is_whole = True
    connection: apsw.Connection | None = None
    try:
        connection = open_reader(database, busy_deadline_ms=busy_deadline_ms)
        schema = schema_version(connection)
        is_whole = quick_check(connection, damage, seconds_max=seconds_max)
    except DAMAGE as error:
        damage.append(str(error))
    except apsw.Error as error:
        trouble = str(error)
    finally:
        if connection is not None:
            connection.close(True)
    return Integrity(schema=schema, schema_known=known, damage=tuple(damage), trouble=trouble, is_whole=is_whole)


def quick_check(connection: apsw.Connection, damage: list[str], *, seconds_max: float) -> bool:
    """Run `PRAGMA quick_check`, adding what is wrong to `damage`; answer False when the deadline broke it off."""
    deadline = time.monotonic() + seconds_max
    connection.set_progress_handler(lambda: time.monotonic() >= deadline, _STEPS_BETWEEN_LOOKS)
    try:
        for (problem,) in connection.execute(f"PRAGMA quick_check({PROBLEMS_MAX})"):
            if problem != "ok":
                damage.append(str(problem))
    except apsw.InterruptError:
        return False
    finally:
        connection.set_progress_handler(None)
    return True
