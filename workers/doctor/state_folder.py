"""The state folder: whose it is, who may look into it, on which disk it lies, and whether locks and database hold."""

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from config import Settings
from state.folder import NETWORK_FILE_SYSTEMS, StateFolder, file_system_of
from state.integrity import Integrity, look_at_database
from state.rollouts import plain_reason
from workers.doctor.finding import Area, Findings, Severity, mib

ENTRIES_MAX = 20_000
"""A state folder has a few thousand entries; a look at more would take long and tell nothing new."""

FREE_BYTES_MIN = 64 << 20
"""The write-ahead log may take 16 MiB, a generation of memories and the logs as much again: below this any write may
fail."""

FREE_BYTES_SPARE = 256 << 20
"""On top of the size of the database, which a rebuild after damage writes a second time."""

INODES_MIN = 1_000
CHECK_SECONDS_MAX = 10.0
"""A quick check reads some hundred MiB a second; a larger database is looked at in part, and that is said."""

AT_WORK_SECONDS = 60.0
"""What was made within this time may belong to somebody who is just making it."""


def check_folder(findings: Findings, folder: StateFolder, settings: Settings) -> bool:
    """Look at the folder itself; answer whether there is one to look into."""
    path = folder.path
    if not os.path.lexists(path):
        findings.add(
            Area.STATE, "no_state_folder", Severity.OK, f"there is no state folder {path} yet; the first start makes it"
        )
        return False
    if not path.is_dir():
        findings.add(
            Area.STATE,
            "state_folder",
            Severity.ERROR,
            f"the state folder {path} is not a folder",
            repair="name another one with --state-dir or MEMORYD_HOME",
        )
        return False
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        findings.add(
            Area.STATE,
            "state_folder",
            Severity.ERROR,
            f"the state folder {path} cannot be read and written by you",
            repair="make it yours, or name another one with --state-dir or MEMORYD_HOME",
        )
        return False
    _check_disk(findings, folder)
    _check_locks(findings, path)
    _check_permissions(findings, path)
    _check_leftovers(findings, folder)
    _check_logs(findings, folder, settings)
    return True


def _check_disk(findings: Findings, folder: StateFolder) -> None:
    kind = file_system_of(folder.path)
    if kind in NETWORK_FILE_SYSTEMS:
        findings.add(
            Area.STATE,
            "file_system",
            Severity.ERROR,
            f"the state folder {folder.path} lies on a network or shared file system ({kind}), where locks cannot be"
            " trusted",
            repair="name a folder on a local disk with --state-dir or MEMORYD_HOME",
        )
    else:
        findings.add(Area.STATE, "file_system", Severity.OK, f"the state folder lies on {kind or 'a disk of its own'}")
    disk = os.statvfs(folder.path)
    free = disk.f_bavail * disk.f_frsize
    size = folder.database.stat().st_size if folder.database.is_file() else 0
    if free < FREE_BYTES_MIN:
        severity, why = Severity.ERROR, "any write may fail"
    elif free < size + FREE_BYTES_SPARE:
        severity, why = Severity.WARNING, f"a rebuild of the database ({mib(size)}) would not fit"
    else:
        severity, why = Severity.OK, "enough"
    repair = "" if severity is Severity.OK else "free some space, or move the state folder with --state-dir"
    findings.add(Area.STATE, "disk_space", severity, f"{mib(free)} are free for the state folder: {why}", repair=repair)
    if disk.f_files and disk.f_favail < INODES_MIN:
        findings.add(
            Area.STATE,
            "inodes",
            Severity.WARNING,
            f"the disk of the state folder has room for only {disk.f_favail} more files",
            repair="remove small files that nobody needs",
        )


def _check_locks(findings: Findings, path: Path) -> None:
    """Locks that two descriptors can hold at once protect nothing; some file systems grant everything."""
    name = path / f".lock-check-{secrets.token_hex(8)}"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        first = os.open(name, flags | os.O_EXCL, 0o600)
        try:
            second = os.open(name, flags, 0o600)
            os.unlink(name)
            try:
                works = _excludes(first, second)
            finally:
                os.close(second)
        finally:
            os.close(first)
    except OSError as error:
        findings.add(
            Area.STATE,
            "locks",
            Severity.ERROR,
            f"locks do not work in the state folder: {error.strerror or error}",
            repair="name a folder on a local disk with --state-dir or MEMORYD_HOME",
        )
        return
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
    if works:
        findings.add(Area.STATE, "locks", Severity.OK, "locks hold in the state folder")
    else:
        findings.add(
            Area.STATE,
            "locks",
            Severity.ERROR,
            "two can hold the same lock in the state folder, so two services could own one job",
            repair="name a folder on a local disk with --state-dir or MEMORYD_HOME",
        )


def _excludes(first: int, second: int) -> bool:
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def entries_of(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The folder and everything in it, links not followed, at most ENTRIES_MAX."""
    yield path, os.lstat(path)
    count = 0
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            count += 1
            if count > ENTRIES_MAX:
                return
            entry = Path(parent, name)
            with contextlib.suppress(OSError):
                yield entry, os.lstat(entry)


def loose_entries(path: Path) -> list[Path]:
    """What is ours in the state folder and others may look into."""
    return [
        entry
        for entry, status in entries_of(path)
        if not stat.S_ISLNK(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077
    ]


def _check_permissions(findings: Findings, path: Path) -> None:
    foreign = [entry for entry, status in entries_of(path) if status.st_uid != os.geteuid()]
    for entry in foreign:
        findings.add(
            Area.STATE,
            "foreign_owner",
            Severity.WARNING,
            f"{entry} belongs to another user",
            subject=str(entry),
            repair="make it yours with chown; memoryd runs as one user",
        )
    loose = loose_entries(path)
    for entry in loose:
        findings.add(
            Area.STATE,
            "loose_permissions",
            Severity.WARNING,
            f"others may look into {entry} (mode {stat.S_IMODE(os.lstat(entry).st_mode):o})",
            subject=str(entry),
            repair="--repair takes the rights of others away",
            can_repair=True,
        )
    if not loose and not foreign:
        findings.add(Area.STATE, "permissions", Severity.OK, "the state folder is for its user alone")


def _check_leftovers(findings: Findings, folder: StateFolder) -> None:
    if (folder.path / "suspect").exists():
        findings.add(
            Area.STATE,
            "suspect",
            Severity.NOTE,
            "word was left that the database may be damaged; the next start of memoryd checks it whole",
        )
    if folder.quarantine_dir.is_dir():
        count = size = 0
        try:
            entries = list(folder.quarantine_dir.iterdir())
        except OSError as error:
            entries = []
            findings.add(
                Area.STATE,
                "quarantine_unreadable",
                Severity.WARNING,
                f"{folder.quarantine_dir} cannot be read: {plain_reason(error)}",
                subject=str(folder.quarantine_dir),
                repair=f"chmod 700 {folder.quarantine_dir}",
            )
        for entry in entries:
            count += 1
            size += sum(status.st_size for _, status in entries_of(entry) if stat.S_ISREG(status.st_mode))
        if count:
            findings.add(
                Area.STATE,
                "quarantined",
                Severity.NOTE,
                f"{count} damaged databases were set aside in {folder.quarantine_dir} ({mib(size)})",
                repair="delete them when nobody wants to look at them any more",
            )


def _check_logs(findings: Findings, folder: StateFolder, settings: Settings) -> None:
    if not folder.logs_dir.is_dir():
        return
    size = sum(status.st_size for _, status in entries_of(folder.logs_dir) if stat.S_ISREG(status.st_mode))
    most = settings.logs.file_bytes_max * (settings.logs.files_max + 1)
    if size > 2 * most:
        findings.add(
            Area.STATE,
            "logs",
            Severity.NOTE,
            f"the logs in {folder.logs_dir} take {mib(size)}, more than the {mib(most)} that the settings allow",
            repair="delete the oldest of them",
        )


def check_database(findings: Findings, folder: StateFolder) -> bool:
    """Look at the database; answer whether it is sound and understood, so that it can be asked."""
    seen = look_at_database(folder, seconds_max=CHECK_SECONDS_MAX)
    if seen is None:
        return False
    _report_pages(findings, folder, seen)
    if seen.schema is not None and seen.schema > seen.schema_known:
        findings.add(
            Area.STATE,
            "schema",
            Severity.ERROR,
            f"the state database has schema {seen.schema}, and this memoryd knows schemas up to {seen.schema_known}",
            subject=str(folder.database),
            repair="it was written by a newer memoryd: upgrade this one, or name another --state-dir",
        )
    elif seen.schema is not None and seen.schema < seen.schema_known:
        findings.add(
            Area.STATE,
            "schema_older",
            Severity.NOTE,
            f"the state database has schema {seen.schema}, and this memoryd works with {seen.schema_known}",
            subject=str(folder.database),
            repair="--repair migrates it; so does the next start of memoryd",
            can_repair=True,
        )
    return not seen.damage and seen.trouble is None and seen.schema == seen.schema_known


def _report_pages(findings: Findings, folder: StateFolder, seen: Integrity) -> None:
    if seen.damage:
        is_told = seen.schema is None or (folder.path / "suspect").exists()
        findings.add(
            Area.STATE,
            "database_damaged",
            Severity.ERROR,
            f"the state database {folder.database} is damaged: {seen.damage[0]}",
            subject=str(folder.database),
            repair="the next start of `memoryd once` or `memoryd run` sets it aside whole and builds the index anew"
            if is_told
            else "--repair leaves word, so that the next start sets it aside whole and builds the index anew",
            can_repair=not is_told,
        )
    elif seen.trouble is not None:
        findings.add(
            Area.STATE,
            "database_unreadable",
            Severity.ERROR,
            f"the state database {folder.database} could not be looked at: {seen.trouble}",
            subject=str(folder.database),
            repair="end the process that holds it, or check that you may read it; then look again",
        )
    elif not seen.is_whole:
        findings.add(
            Area.STATE,
            "database",
            Severity.NOTE,
            f"the state database is sound as far as {CHECK_SECONDS_MAX:.0f} seconds of looking went; it is large",
        )
    else:
        findings.add(Area.STATE, "database", Severity.OK, "the state database is sound")


def is_old(path: Path) -> bool:
    """Say whether `path` was last touched longer ago than somebody at work would need."""
    try:
        return time.time() - os.lstat(path).st_mtime > AT_WORK_SECONDS
    except OSError:
        return False
