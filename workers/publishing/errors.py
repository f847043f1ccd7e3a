"""Why nothing can be published now, in a sentence for the person whose home it is."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PublishError(Exception):
    """Publishing did not work. What is there is whole; trying again is safe. `hint` says what to do."""

    code = "publish"
    retryable = True

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


_REASONS = {
    errno.EROFS: ("it is on a read-only file system", "mount it writable, or set publish.codex to false"),
    errno.EACCES: ("no permission", "check who owns it and its mode, or set publish.codex to false"),
    errno.EPERM: ("no permission", "check who owns it and its mode, or set publish.codex to false"),
    errno.ENOSPC: ("the disk is full", "free some space; the next run goes on from there"),
    errno.EDQUOT: ("your share of the disk is used up", "free some space; the next run goes on from there"),
}


@contextmanager
def explained(what: str, where: Path) -> Iterator[None]:
    """Turn what the operating system refuses in the block into a `PublishError`: "cannot <what> <where>: ..."."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, ((error.strerror or str(error)).lower(), ""))
        raise PublishError(f"cannot {what} {where}: {reason}", hint=hint) from error
