"""What happens to a damaged database: it is set aside whole, by whoever has it alone, and begun anew."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from state.errors import StateFolderError
from state.folder import DatabaseFiles, StateFolder, holders_of, quarantine, try_lock, wait_for_lock

DAMAGE = (apsw.CorruptError, apsw.NotADBError)
"""What SQLite raises when a file is not, or no longer, a sound database."""

QUARANTINE_WAIT_SECONDS_MAX = 2.0
"""How long quarantine waits for other openers to leave. A service does not leave, so there is no point in more."""


def connect_or_begin_anew(
    folder: StateFolder, files: DatabaseFiles, openers_lock: int, connect: Callable[[], apsw.Connection], *, hint: str
) -> tuple[apsw.Connection, Path | None]:
    """Connect; when the file is damaged and nobody else has it open, set it aside and start anew.

    Args:
      openers_lock: the descriptor that holds files.openers_lock, shared.
      hint: what to do when somebody else has it open.

    Returns:
      The connection, and where the damaged file was moved to, if it was.

    Raises:
      StateFolderError: it is damaged, and somebody else has it open.
      apsw.Error: whatever else `connect` raises.
    """
    try:
        return connect(), None
    except DAMAGE:
        alone = try_alone(folder, files, openers_lock, wait_seconds_max=QUARANTINE_WAIT_SECONDS_MAX)
    try:
        # Another opener may have repaired it meanwhile, so look again.
        return connect(), None
    except DAMAGE as damage:
        if not alone:
            raise StateFolderError(
                f"the {files.title} {files.database} is damaged ({damage}) and still open in"
                f" {holders_of(files.openers_lock)}",
                hint=hint,
            ) from damage
        moved_to = quarantine(folder, files.database)
        with contextlib.suppress(FileNotFoundError):
            files.suspect.unlink()
        return connect(), moved_to
    finally:
        share(folder, files, openers_lock)


def try_alone(folder: StateFolder, files: DatabaseFiles, openers_lock: int, *, wait_seconds_max: float) -> bool:
    """Try to become the only opener; answer whether that worked. Without, the lock is shared as before.

    Whoever was alone ends that with `share`.
    """
    give_up_at = time.monotonic() + wait_seconds_max
    while not try_lock(openers_lock, exclusive=True):
        if time.monotonic() >= give_up_at:
            share(folder, files, openers_lock)
            return False
        time.sleep(0.05)
    return True


def share(folder: StateFolder, files: DatabaseFiles, openers_lock: int) -> None:
    """Hold the openers' lock together with others."""
    # Another opener that saw the damage may have the lock alone for the moment that it takes to look again.
    wait_for_lock(openers_lock, files.openers_lock, exclusive=False, purpose=f"use the state folder {folder.path}")


def check_if_suspect(connection: apsw.Connection, files: DatabaseFiles) -> None:
    """Look at every page where word was left that the file may be damaged.

    Raises:
      apsw.CorruptError: it is.
    """
    if not files.suspect.exists():
        return
    findings = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    if findings != ["ok"]:
        raise apsw.CorruptError(findings[0])
    files.suspect.unlink()


def leave_word(files: DatabaseFiles, reason: str) -> None:
    """Leave word for the next opening that the file may be damaged, so that it is checked whole."""
    with contextlib.suppress(OSError):
        files.suspect.write_text(reason + "\n", encoding="utf-8")
