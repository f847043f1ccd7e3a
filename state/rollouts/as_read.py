"""Whether a rollout is still what it was when it was read: one look at the file and its way, and nothing is opened.

It says yes only where a search of these folders would find the file, and with what was known of it. A no only means
that somebody has to look closer.
"""

import os
import stat
from pathlib import Path

from state.rollouts.filename import COMPRESSED_SUFFIX
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS

Look = tuple[int, int, int]
"""Size in bytes, mtime in ns, inode."""


def is_as_read(codex_home: Path, path: str, known: Look) -> bool:
    """Whether the rollout at `path`, relative to the home, looks as it did. Blocks for a few calls of the system."""
    top, *way = path.split("/")
    if top not in (SESSIONS, ARCHIVED_SESSIONS) or not way or not {"", ".", ".."}.isdisjoint(way):
        return False
    place = f"{codex_home}/{top}"  # the top folder itself may be a link
    try:
        for part in way[:-1]:
            place = f"{place}/{part}"
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                return False
        place = f"{place}/{way[-1]}"
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            status = os.lstat(place + COMPRESSED_SUFFIX)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns, status.st_ino) == known
