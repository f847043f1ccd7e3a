"""Files of older versions of the state database, removed at the opening: ours only, and only from our own folder.

memoryd has written its state under one name from the beginning, `state.sqlite`; which version that is, its schema says.
The names reserved for a version of its own are `state_<number>.sqlite`, with the number of the schema in it, each with
what SQLite puts beside it. A number below this version's is older. But a name proves little: Codex calls its own index
`state_5.sqlite`, and people make copies. So a file goes only if all of this holds:

- its name is a legacy name (`is_legacy`),
- it is a regular file, directly in the state folder and no link, of this user,
- it is a state of memoryd of this very home, of an older schema: asked of the file, without a lock or a trace,
- nobody has the state folder or the file open.

Where only what SQLite put beside a legacy name is left there is no database to ask; it goes, as SQLite would delete it.

A newer version is never touched, so starting an old memoryd once costs a newer one nothing. `state.sqlite_backup` or
any other name is a person's own business.
"""

import contextlib
import fcntl
import os
import re
import stat
from pathlib import Path

import apsw

from state.connection import open_immutable
from state.folder import StateFolder

UNVERSIONED = "state.sqlite"

_NUMBERED = re.compile(r"state_([0-9]+)\.sqlite", re.ASCII)

_SUFFIXES = ("-wal", "-shm", "-journal")


def is_legacy(name: str, *, current: str, version: int | None = None) -> bool:
    """Say by its name alone whether a file belongs to an older version of the database.

    Args:
      name: the file's name; one suffix of SQLite's is taken off.
      current: the name of the database that is in use; it and what is beside it are never legacy.
      version: the number of the current version; None: as its name says, 0 where the name has none.
    """
    database = _database_of(name)
    if database == current:
        return False
    if database == UNVERSIONED:
        return True
    numbered = _NUMBERED.fullmatch(database)
    if version is None:
        named = _NUMBERED.fullmatch(current)
        version = int(named[1]) if named else 0
    return numbered is not None and int(numbered[1]) < version


def _database_of(name: str) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def legacy_databases(folder: StateFolder, version: int) -> list[Path]:
    """The databases in the folder that are legacy by their name, or of which only what was beside them is left."""
    with contextlib.suppress(OSError):
        names = {
            _database_of(entry.name)
            for entry in os.scandir(folder.path)
            if is_legacy(entry.name, current=folder.database.name, version=version)
        }
        return [folder.path / name for name in sorted(names)]
    return []


def remove_legacy(codex_home: str, databases: list[Path], version: int) -> list[str]:
    """Remove what is proven to be an older state of this home. The caller has the state folder alone.

    Returns:
      One sentence for each that stays, or that could not be removed; nothing is raised for one.
    """
    kept = []
    for database in databases:
        files = [database.with_name(database.name + suffix) for suffix in (*_SUFFIXES, "")]
        try:
            files = [file for file in files if os.path.lexists(file)]
            reason = _reason_to_keep(database, files, codex_home, version)
            if reason is None:
                # The database last: as long as it is there, what is beside it can be proven to be its own.
                for file in files:
                    file.unlink()
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is not None:
            kept.append(f"the legacy database {database} stays: {reason}")
    return kept


def _reason_to_keep(database: Path, files: list[Path], codex_home: str, version: int) -> str | None:
    for file in files:
        status = os.lstat(file)
        if not stat.S_ISREG(status.st_mode):
            return f"{file.name} is no regular file"
        if status.st_uid != os.geteuid():
            return f"{file.name} belongs to another user"
    if any(_is_in_use(file) for file in files):
        return "it is in use"
    if database in files and not _is_older_state(database, codex_home, version):
        return "it is no older state of this home"
    return None


def _is_in_use(file: Path) -> bool:
    """Say whether another process has a lock anywhere in the file. SQLite locks bytes of what it has open."""
    descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        # This process has no connection to the file, so closing drops nobody's locks.
        os.close(descriptor)
    return False


def _is_older_state(database: Path, codex_home: str, version: int) -> bool:
    """Ask the file itself."""
    connection = None
    try:
        connection = open_immutable(database)
        row = connection.execute("SELECT codex_home FROM home WHERE id = 1").fetchone()
        schema = connection.pragma("user_version")
        return row is not None and row[0] == codex_home and isinstance(schema, int) and 0 < schema < version
    except apsw.Error:
        return False
    finally:
        if connection is not None:
            connection.close(True)
