"""What Codex's own memory database says about its last consolidation, read from a copy.

The database is never opened where it lies: SQLite would write its index file beside it even for reading.
"""

import shutil
from pathlib import Path

import apsw
import attrs

COPY_BYTES_MAX = 512 * 1024 * 1024
"""A database that is larger is not copied; nothing is known then."""


@attrs.frozen(kw_only=True)
class ConsolidationRun:
    """When Codex's last finished consolidation began and ended, Unix seconds, both included."""

    started_at_s: int
    finished_at_s: int


def last_consolidation(database: Path, scratch: Path) -> ConsolidationRun | None:
    """Look the run up; None when there was none, it has not finished, or the database cannot be read.

    Args:
      scratch: a folder of ours for the copy; it is made and removed again.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        copy = _copied(database, scratch)
        return None if copy is None else _read(copy)
    except (OSError, apsw.Error):
        return None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _copied(database: Path, scratch: Path) -> Path | None:
    scratch.mkdir(mode=0o700, parents=True)
    for suffix in ("", "-wal"):
        source = database.with_name(database.name + suffix)
        if source.is_symlink() or not source.is_file():
            if suffix:
                continue
            return None
        if source.stat().st_size > COPY_BYTES_MAX:
            return None
        shutil.copyfile(source, scratch / source.name)
    return scratch / database.name


def _read(copy: Path) -> ConsolidationRun | None:
    connection = apsw.Connection(str(copy))
    try:
        row = connection.execute(
            "SELECT started_at, finished_at FROM jobs WHERE kind = 'memory_consolidate_global' AND status = 'done'"
            " ORDER BY finished_at DESC LIMIT 1"
        ).fetchone()
    finally:
        connection.close(True)
    if row is None or not all(isinstance(value, int) for value in row):
        return None
    return ConsolidationRun(started_at_s=row[0], finished_at_s=row[1])
