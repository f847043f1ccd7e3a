"""One look at a rollout and its way, without opening it: is it there, and is it still what it was when it was read?

What is found is what a search of these folders would find. Nothing found only means that somebody has to look closer.
"""

import os
import stat
from pathlib import Path

from state.rollouts.filename import COMPRESSED_SUFFIX
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS
from state.rollouts.model import FoundRollout


def look_at(codex_home: Path, path: str) -> FoundRollout | None:
    """The rollout at `path`, relative to the home; None where a search would not find it. Blocks for a few calls."""
    top, *way = path.split("/")
    if top not in (SESSIONS, ARCHIVED_SESSIONS) or not way or not {"", ".", ".."}.isdisjoint(way):
        return None
    place = f"{codex_home}/{top}"  # the top folder itself may be a link
    try:
        for part in way[:-1]:
            place = f"{place}/{part}"
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                return None
        place = f"{place}/{way[-1]}"
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            status = os.lstat(place + COMPRESSED_SUFFIX)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return FoundRollout(
        path=path,
        archived=top == ARCHIVED_SESSIONS,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
    )


def is_as_read(codex_home: Path, path: str, *, size_bytes: int, mtime_ns: int, inode: int) -> bool:
    """Whether the rollout at `path` is there and looks as it did."""
    found = look_at(codex_home, path)
    return found is not None and (found.size_bytes, found.mtime_ns, found.inode) == (size_bytes, mtime_ns, inode)
