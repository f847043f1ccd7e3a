"""Where in a Codex home a rollout may be written, moved or removed: below its two folders, and through no link.

The way is walked folder by folder, each opened from the one before, so that a link that is put in the way meanwhile is
refused and not followed. The two folders themselves may be links; people move their history to another disk that way.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS

OUTSIDE = "it does not lie in the folders of rollouts"


@contextlib.contextmanager
def rollout_folder(codex_home: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Open the folder of a rollout for the block; gives its descriptor and the rollout's name in it. Blocks.

    Args:
      path: relative to the home.
      make: make the folders that are missing.

    Raises:
      FileNotFoundError: there is no such folder.
      OSError: the path leads elsewhere, or through a link.
    """
    top, *way = path.split("/")
    if top not in (SESSIONS, ARCHIVED_SESSIONS) or not way or not {"", ".", ".."}.isdisjoint(way):
        raise OSError(errno.EINVAL, OUTSIDE, path)
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(codex_home / top)
    descriptor = os.open(codex_home / top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in way[:-1]:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor, way[-1]
    finally:
        os.close(descriptor)


def is_there(name: str, folder: int) -> bool:
    """Whether an open folder has that name, as a file, a link or anything else."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
