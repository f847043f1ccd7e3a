"""A Codex home, touched only by paths relative to it, and never through a symbolic link.

Every folder on the way to a file is opened from its parent's descriptor with O_NOFOLLOW, so that a link put in its
place leads nowhere. A new file is written and synced under a temporary name beside its place and gets its name whole.
Only what belongs to this process's user is touched; a home may be shared by others.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from workers.publishing.errors import PublishError

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FILE_BYTES_MAX = 16 << 20
"""Far beyond any file of ours; what is larger is somebody else's, and is not read."""

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links answers to link(2)."""


def digest_of(data: bytes) -> str:
    """Hex BLAKE2b-128 of a file's bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@attrs.frozen(kw_only=True)
class Found:
    """A regular file of ours or of the same user. `identity` changes whenever the file is written or replaced."""

    digest: str
    mtime_ns: int
    identity: tuple[int, ...]


@attrs.frozen(kw_only=True)
class Blocked:
    """Something at this path, or on the way to it, that is not to be touched, and why."""

    reason: str


class ChangedMeanwhileError(Exception):
    """Somebody wrote to a file between the look at it and the moment of replacing or removing it."""


class HomeFiles:
    """The files of one Codex home; made by `opened`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._home = descriptor

    def look(self, path: str) -> Found | Blocked | None:
        """What stands at a path; None when nothing does."""
        try:
            with self._folder_of(path) as folder:
                try:
                    return _look(folder, os.path.basename(path))
                except PermissionError:
                    return Blocked(reason="it cannot be read")
        except FileNotFoundError:
            return None
        except _BlockedError as blocked:
            return Blocked(reason=str(blocked))

    def read(self, path: str) -> bytes:
        """All bytes of a regular file."""
        with self._folder_of(path) as folder:
            return _read(folder, os.path.basename(path))[0]

    def signature(self, path: str) -> tuple[int, ...] | None:
        """A file's identity without reading it; None when it is not there."""
        try:
            with self._folder_of(path) as folder:
                return _identity(os.stat(os.path.basename(path), dir_fd=folder, follow_symlinks=False))
        except (OSError, _BlockedError):
            return None

    def entries(self, path: str) -> list[str]:
        """The names in a folder."""
        with self._folder(path) as folder:
            return os.listdir(folder)

    def folder_state(self, path: str) -> str | None:
        """Why a folder is not to be touched; '' when it may be, None when it is not there."""
        try:
            with self._folder(path):
                return ""
        except FileNotFoundError:
            return None
        except _BlockedError as blocked:
            return str(blocked)

    def make_folder(self, path: str) -> None:
        """Make a folder for this user alone, unless it is there."""
        with self._folder_of(path) as parent, suppress(FileExistsError):
            os.mkdir(os.path.basename(path), 0o700, dir_fd=parent)
            os.fsync(parent)

    def remove_folder(self, path: str) -> bool:
        """Remove a folder that is empty; answer whether it is gone."""
        try:
            with self._folder_of(path) as parent:
                os.rmdir(os.path.basename(path), dir_fd=parent)
                os.fsync(parent)
        except FileNotFoundError:
            return True
        except _BlockedError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
        return True

    def put(self, path: str, data: bytes, *, before: Found | None, temporary: str) -> None:
        """Write a file whole: what stood there is replaced if it is still what `before` says.

        Args:
          temporary: the path of the temporary file, in the same folder; nobody else uses it.

        Raises:
          ChangedMeanwhileError: something else stands there now; it was left alone.
        """
        name, other = os.path.basename(path), os.path.basename(temporary)
        with self._folder_of(path) as folder:
            try:
                _write_synced(folder, other, data)
                if before is None:
                    _name_new(folder, other, name)
                else:
                    _still(folder, name, before)
                    os.rename(other, name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(other, dir_fd=folder)
            os.fsync(folder)

    def remove(self, path: str, before: Found) -> None:
        """Remove a file if it is still what `before` says.

        Raises:
          ChangedMeanwhileError: something else stands there now; it was left alone.
        """
        with self._folder_of(path) as folder:
            _still(folder, os.path.basename(path), before)
            os.unlink(os.path.basename(path), dir_fd=folder)
            os.fsync(folder)

    def discard(self, temporary: str) -> None:
        """Remove a temporary file that a killed process may have left."""
        with suppress(FileNotFoundError, _BlockedError), self._folder_of(temporary) as folder:
            os.unlink(os.path.basename(temporary), dir_fd=folder)

    def exists(self, path: str) -> bool:
        """Whether anything stands at a path."""
        try:
            with self._folder_of(path) as folder:
                os.stat(os.path.basename(path), dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, _BlockedError):
            return False
        return True

    @contextmanager
    def _folder_of(self, path: str) -> Iterator[int]:
        with self._folder(os.path.dirname(path)) as folder:
            yield folder

    @contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        descriptor = os.dup(self._home)
        try:
            for name in filter(None, path.split("/")):
                assert name != "..", path
                deeper = _open_folder(descriptor, name)
                os.close(descriptor)
                descriptor = deeper
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def opened(home: Path) -> Iterator[HomeFiles]:
    """Open a Codex home for the block.

    Raises:
      PublishError: it does not exist, or belongs to another user.
      OSError: the operating system refused.
    """
    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise PublishError(
            f"the Codex home {home} does not exist", hint="name it with --codex-home or CODEX_HOME"
        ) from None
    try:
        if (owner := os.fstat(descriptor).st_uid) != os.geteuid():
            raise belongs_to_another(home, owner)
        yield HomeFiles(home, descriptor)
    finally:
        os.close(descriptor)


def belongs_to_another(path: Path, owner: int) -> PublishError:
    """The error for a folder of another user: files of ours in it would be unreadable for its owner's Codex."""
    return PublishError(
        f"cannot publish into {path}: it belongs to another user (uid {owner})",
        hint="run memoryd as that user; a home that several people share is left alone",
    )


class _BlockedError(PublishError):
    """What stands at a path is not to be touched. Where nobody expects it, it ends the pass with its reason."""


def _open_folder(parent: int, name: str) -> int:
    try:
        descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
            raise _BlockedError(f"{name} is {'a symbolic link' if is_link else 'not a folder'}") from None
        raise
    if (owner := os.fstat(descriptor).st_uid) != os.geteuid():
        os.close(descriptor)
        raise _BlockedError(f"{name} belongs to another user (uid {owner})")
    return descriptor


def _look(folder: int, name: str) -> Found | Blocked:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return Blocked(reason="a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file")
    if status.st_uid != os.geteuid():
        return Blocked(reason=f"it belongs to another user (uid {status.st_uid})")
    if status.st_size > FILE_BYTES_MAX:
        return Found(digest="", mtime_ns=status.st_mtime_ns, identity=_identity(status))  # none of ours
    data, status = _read(folder, name)
    return Found(digest=digest_of(data), mtime_ns=status.st_mtime_ns, identity=_identity(status))


def _read(folder: int, name: str) -> tuple[bytes, os.stat_result]:
    with open(os.open(name, _READ_FLAGS, dir_fd=folder), "rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise _BlockedError(f"{name} is larger than any file of memoryd's")
        return data, os.fstat(file.fileno())


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _still(folder: int, name: str, before: Found) -> None:
    try:
        now = _identity(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        now = ()
    if now != before.identity:
        raise ChangedMeanwhileError(name)


def _write_synced(folder: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name_new(folder: int, temporary: str, name: str) -> None:
    """Give the temporary file its name, which nobody may have taken meanwhile: a link never replaces anything."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise ChangedMeanwhileError(name) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            raise ChangedMeanwhileError(name) from None
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
