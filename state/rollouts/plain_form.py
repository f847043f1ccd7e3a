"""Making a compressed rollout plain again, which is what comes before any change of it.

The plain text is written beside it under another name and synced, is linked to its own name, which replaces nothing,
and only then the compressed file goes. Whoever looks meanwhile finds one of the two. The file's time stays.
"""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from state.rollouts.filename import COMPRESSED_SUFFIX
from state.rollouts.places import is_there, rollout_folder
from state.rollouts.representation import CompressedRollout
from state.rollouts.whole_writes import write_whole

TEMPORARY_PREFIX = ".rollout-materialize-"
"""As Codex calls it; a name that no search takes for a rollout."""


def make_plain(codex_home: Path, path: str) -> None:
    """Make the rollout plain if it is compressed. Asking again is safe. Blocks.

    Raises:
      OSError: it cannot be read whole or the plain one cannot be written; nothing has changed then.
    """
    with rollout_folder(codex_home, path) as (folder, name):
        compressed = name + COMPRESSED_SUFFIX
        if not is_there(name, folder):
            if not is_there(compressed, folder):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            _write_plain(codex_home, path, folder, name)
        # Left by a writer that was killed between the two steps; the plain file is the rollout.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(compressed, dir_fd=folder)


def _write_plain(codex_home: Path, path: str, folder: int, name: str) -> None:
    temporary = TEMPORARY_PREFIX + secrets.token_hex(6)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with CompressedRollout(str(codex_home / path)) as file:
            for piece in file.text():
                write_whole(descriptor, piece)
            if file.damage is not None:
                raise OSError(errno.EIO, file.damage, path)
            status = os.fstat(file.descriptor)
        os.fchmod(descriptor, status.st_mode & 0o777)
        os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)
