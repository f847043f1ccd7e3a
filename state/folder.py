"""The state folder of one Codex home: who may use it, and what happens to a damaged database.

Locks are OS locks (`flock`), which end with their process however it ends:
  state.lock            shared by every opener, for its life; quarantine needs it alone
  migrate.lock          held while migrations run
  processes/<uuid>.lock held by the process that has that UUID; whoever can take it knows that the process is dead
  logs.lock             what state.lock is, for the log database alone
  logs-migrate.lock     what migrate.lock is, for the log database alone
"""

import contextlib
import errno
import fcntl
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from state.errors import StateFolderError
from state.ids import ProcessUuid

LOCK_WAIT_SECONDS_MAX = 10.0
"""How long an opener waits for one that migrates or quarantines. Both take milliseconds, and many may come before."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "virtiofs", "vboxsf",
     "prl_fs", "drvfs", "fuse.glusterfs", "lustre", "fuse.vmhgfs-fuse"}
)  # fmt: skip
"""File systems on which OS locks or shared memory between processes cannot be trusted."""


@attrs.frozen(kw_only=True)
class DatabaseFiles:
    """One SQLite file of the folder, and what stands beside it. Each has locks of its own, so that what happens to one
    delays nobody at the other.

    Attributes:
      title: what a person calls it.
      openers_lock: shared by every opener for its life; quarantine needs it alone.
      suspect: word that the file may be damaged, so that the next opening checks it whole.
    """

    title: str
    database: Path
    openers_lock: Path
    migrate_lock: Path
    suspect: Path


@attrs.frozen(kw_only=True)
class StateFolder:
    """Where everything of one Codex home lies. All paths are absolute."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "state.sqlite"

    @property
    def state_files(self) -> DatabaseFiles:
        """The state database, which everything needs."""
        return DatabaseFiles(
            title="state database",
            database=self.database,
            openers_lock=self.path / "state.lock",
            migrate_lock=self.path / "migrate.lock",
            suspect=self.path / "suspect",
        )

    @property
    def log_files(self) -> DatabaseFiles:
        """The log database, which nothing needs."""
        return DatabaseFiles(
            title="log database",
            database=self.path / "logs.sqlite",
            openers_lock=self.path / "logs.lock",
            migrate_lock=self.path / "logs-migrate.lock",
            suspect=self.path / "logs-suspect",
        )

    @property
    def memories_dir(self) -> Path:
        return self.path / "memories"

    @property
    def processes_dir(self) -> Path:
        return self.path / "processes"

    @property
    def logs_dir(self) -> Path:
        return self.path / "logs"

    @property
    def journal(self) -> Path:
        """What was said of threads and stands in no rollout: it outlives the database."""
        return self.path / "edits.jsonl"

    @property
    def deletions_dir(self) -> Path:
        """Threads whose deletion was begun and is not done, one empty file each."""
        return self.path / "deletions"

    def has_deletions(self) -> bool:
        """Whether a deletion was begun and is not done. One listing of a folder that is nearly always empty."""
        with contextlib.suppress(FileNotFoundError):
            return bool(os.listdir(self.deletions_dir))
        return False

    @property
    def quarantine_dir(self) -> Path:
        return self.path / "quarantine"

    @property
    def publish_dir(self) -> Path:
        """What was written into the Codex home, and how it is told from other people's files."""
        return self.path / "publish"

    def process_lock(self, process: ProcessUuid) -> Path:
        return self.processes_dir / f"{process}.lock"


def prepare(folder: StateFolder, *, codex_home: Path | None = None) -> None:
    """Make the folder and its sub-folders, for this user alone. A folder that is there already keeps its mode.

    Args:
      codex_home: refuse a folder in there; memoryd writes nothing into a Codex home by itself.

    Raises:
      StateFolderError: it cannot be made or written, holds something else, or lies on a network file system.
    """
    if codex_home is not None and folder.path.resolve().is_relative_to(codex_home.resolve()):
        raise StateFolderError(
            f"the state folder {folder.path} lies in the Codex home {codex_home}", hint=_OTHER_FOLDER
        )
    try:
        if folder.path.is_dir() and not folder.database.exists() and _holds_something_else(folder):
            raise StateFolderError(f"the folder {folder.path} holds something else than a state", hint=_OTHER_FOLDER)
        for path in (folder.path, folder.memories_dir, folder.processes_dir):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateFolderError(
            f"cannot use the state folder {folder.path}: {error.strerror or error}", hint=_OTHER_FOLDER
        ) from error
    if not os.access(folder.path, os.W_OK | os.X_OK):
        raise StateFolderError(f"cannot use the state folder {folder.path}: it is read-only", hint=_OTHER_FOLDER)
    kind = file_system_of(folder.path)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StateFolderError(
            f"the state folder {folder.path} lies on a network or shared file system ({kind}), where locks can't be"
            " trusted",
            hint="name a folder on a local disk with --state-dir or MEMORYD_HOME",
        )


_OTHER_FOLDER = "name another folder with --state-dir or MEMORYD_HOME"

_OWN_ENTRIES = frozenset(
    {"memories", "processes", "logs", "publish", "deletions", "quarantine", "state.lock", "migrate.lock", "suspect",
     "state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "logs.sqlite", "logs.sqlite-wal", "logs.sqlite-shm",
     "logs.lock", "logs-migrate.lock", "logs-suspect",
     "edits.jsonl", "edits.jsonl.new"}
)  # fmt: skip
"""What a state folder may hold before it has a database: what a crash or a quarantine left behind."""


def _holds_something_else(folder: StateFolder) -> bool:
    return any(entry.name not in _OWN_ENTRIES for entry in folder.path.iterdir())


def file_system_of(path: Path) -> str:
    """The type of the file system that holds `path`, e.g. "ext4"; '' where the platform does not say (macOS)."""
    if not sys.platform.startswith("linux"):
        return ""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    kind = ""
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as table:
        for line in table:
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                kind = after.split()[0]
    return kind


@contextlib.contextmanager
def held_lock(path: Path, *, exclusive: bool, purpose: str) -> Iterator[int]:
    """Hold an OS lock on `path` for the block, once `wait_for_lock` has it; gives the descriptor.

    Raises:
      StateFolderError: the lock is still held by somebody else; names the holders where the system tells them.
    """
    descriptor = _open_lock(path)
    try:
        wait_for_lock(descriptor, path, exclusive=exclusive, purpose=purpose)
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for_lock(descriptor: int, path: Path, *, exclusive: bool, purpose: str) -> None:
    """Take the lock on `path`, which `descriptor` has open; wait at most LOCK_WAIT_SECONDS_MAX for one holder.

    Whoever takes it alone says so by the time of the file. Where it changes hands meanwhile the line moves, and the
    wait begins anew: of many that start at once each gets its turn, however slow the machine is.

    Raises:
      StateFolderError: the lock is still held by somebody else; names the holders where the system tells them.
    """
    taken_ns = os.fstat(descriptor).st_mtime_ns
    give_up_at = time.monotonic() + LOCK_WAIT_SECONDS_MAX
    while not try_lock(descriptor, exclusive=exclusive):
        if taken_ns != (taken_ns := os.fstat(descriptor).st_mtime_ns):
            give_up_at = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        elif time.monotonic() >= give_up_at:
            raise StateFolderError(f"cannot {purpose}: {path.name} is held by {holders_of(path)}")
        time.sleep(0.01)
    if exclusive:
        # Without it, on a full disk say, others wait as long as for one holder.
        with contextlib.suppress(OSError):
            os.utime(descriptor)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StateFolderError(
            f"cannot use the state folder {path.parent}: {error.strerror or error} ({path.name})"
        ) from error


def try_lock(descriptor: int, *, exclusive: bool) -> bool:
    """Take the lock at once or not at all. Changing a held lock is not atomic: a try that fails may have lost it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


@contextlib.contextmanager
def dead_process_lock(folder: StateFolder, process: ProcessUuid) -> Iterator[bool]:
    """Try to hold another process's lock for the block; gives True exactly when that process is proven dead.

    A missing lock file proves nothing (somebody may have cleaned up), so its leases are left to run out.
    """
    try:
        descriptor = os.open(folder.process_lock(process), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        yield try_lock(descriptor, exclusive=True)
    finally:
        os.close(descriptor)


def remove_process_lock(folder: StateFolder, process: ProcessUuid) -> None:
    """Remove the lock file of a process whose row is struck out. The caller holds the lock."""
    with contextlib.suppress(OSError):
        folder.process_lock(process).unlink()


def holders_of(path: Path) -> str:
    """Who holds locks on `path`, for a message: "process 4711 (python)", or "another process" where unknown."""
    pids: set[int] = set()
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        with open("/proc/locks", encoding="ascii", errors="replace") as table:
            for line in table:
                words = line.split()
                if wanted in words and "->" not in words:
                    pids.add(int(words[words.index(wanted) - 1]))
    pids.discard(os.getpid())
    return ", ".join(_describe(pid) for pid in sorted(pids)) or "another process"


def _describe(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text(encoding='utf-8', errors='replace').strip()})"
    return f"process {pid}"


def quarantine(folder: StateFolder, database: Path | None = None) -> Path:
    """Move a damaged database, its WAL and its index file aside, together; nothing is deleted.

    The caller holds the lock of all openers alone and no connection.

    Args:
      database: the state database where none is named.

    Returns:
      The folder that they were moved to.
    """
    database = database or folder.database
    target = folder.quarantine_dir / f"{int(time.time())}-{secrets.token_hex(4)}"
    target.mkdir(mode=0o700, parents=True)
    for source in _database_files(database):
        with contextlib.suppress(FileNotFoundError):
            os.rename(source, target / source.name)
    # A new database is made in their place: its name must not reach the disk before theirs do.
    for path in (target, folder.quarantine_dir, folder.path):
        sync_folder(path)
    return target


def finish_quarantine(folder: StateFolder) -> None:
    """Set aside what is left of a database whose own file was moved when the power went, or the process was killed.

    SQLite deletes a log that it finds beside no database. The caller holds the migration lock.
    """
    database, *companions = _database_files(folder.database)
    if not database.exists() and any(path.exists() for path in companions):
        quarantine(folder)


def _database_files(database: Path) -> tuple[Path, ...]:
    """The database, its log and the index of its log, in the order in which they are moved."""
    return tuple(database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm"))


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
