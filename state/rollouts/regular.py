"""How a file of the Codex home is opened: read-only, and only if the last step of its path is a regular file.

Symbolic links are refused because a transcript is read with memoryd's rights and what it says is kept for years: a
link planted in the sessions folder could otherwise make any readable file of this machine part of a memory. The
top folders themselves may be links; people move their history to another disk that way.
"""

import errno
import os
import stat
from typing import Self

NOT_REGULAR = "not a regular file"
SYMBOLIC_LINK = "a symbolic link, which is not followed"
GONE = "it is gone"


class RegularFile:
    """An open file; a context manager that closes it.

    Attributes:
      descriptor: for `os.pread`; read-only.
      size_bytes, mtime_ns: as `fstat` gave them before anything was read.
    """

    def __init__(self, path: str) -> None:
        """Open `path` for reading.

        Raises:
          OSError: it cannot be opened, is a symbolic link, or is not a regular file. `plain_reason` has the words.
        """
        # O_NONBLOCK: without it, opening a named pipe would wait for a writer, perhaps for ever. Files do not notice.
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            os.close(self.descriptor)
            raise
        if not stat.S_ISREG(status.st_mode):
            os.close(self.descriptor)
            raise OSError(errno.EINVAL, NOT_REGULAR, path)
        self.size_bytes = status.st_size
        self.mtime_ns = status.st_mtime_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.descriptor)


_REASONS = {
    errno.ENOENT: GONE,
    errno.ENOTDIR: GONE,
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ELOOP: SYMBOLIC_LINK,  # what O_NOFOLLOW answers on Linux and macOS
    errno.ENAMETOOLONG: "its path is too long",
    errno.EIO: "the disk reported an error",
    errno.ESTALE: "the network file system lost it",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "this machine has too many open files",
}


def plain_reason(error: OSError) -> str:
    """Why a file or folder could not be used, in words for people; the system's own words for rare errors."""
    known = _REASONS.get(error.errno) if error.errno is not None else None
    return known or error.strerror or str(error)
