"""Which names came, went or changed in the folders of rollouts since somebody last looked: one look at each folder.

The rule: what a folder holds is listed again only when the folder's own time has moved. A time that is as young as the
clock of the file system is coarse could hide one more change, so such a folder is listed again at the next look, too.
What is written into a file does not move its folder's time; whoever needs that looks at the file.
"""

import os
import time
from pathlib import Path

import attrs

from state.rollouts import logical_name, rollout_name
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS

COARSE_NS = 50_000_000
"""A file system's clock was seen to stand still for up to 4 ms; network file systems for longer."""


@attrs.frozen(kw_only=True)
class _Folder:
    mtime_ns: int
    is_settled: bool
    names: frozenset[str]
    folders: tuple[str, ...]


class FolderMap:
    """What was seen at the last look. Used by one thread at a time."""

    def __init__(self, codex_home: Path) -> None:
        self._codex_home = codex_home
        self._seen: dict[str, _Folder] = {}
        self._has_looked = False

    def changed(self) -> frozenset[str] | None:
        """The paths of the rollouts whose names came or went since the last look; None at the first. Blocks.

        Asking again gives what has changed since: who asks and then fails has to look at everything.
        """
        seen: dict[str, _Folder] = {}
        places: set[str] = set()
        waiting = [SESSIONS, ARCHIVED_SESSIONS]
        while waiting:
            folder = waiting.pop()
            before = self._seen.get(folder)
            now = self._look(folder, before)
            if now is None:
                continue
            seen[folder] = now
            waiting += now.folders
            if now is not before:
                changed = now.names ^ (before.names if before is not None else frozenset())
                places.update(f"{folder}/{name}" for name in changed)
        places.update(f"{gone}/{name}" for gone in self._seen.keys() - seen.keys() for name in self._seen[gone].names)
        self._seen = seen
        is_first, self._has_looked = not self._has_looked, True
        return None if is_first else frozenset(places)

    def forget(self) -> None:
        """Have the next look be the first."""
        self._seen = {}
        self._has_looked = False

    def _look(self, folder: str, before: _Folder | None) -> _Folder | None:
        path = self._codex_home / folder
        try:
            mtime_ns = os.stat(path).st_mtime_ns
            if before is not None and before.is_settled and before.mtime_ns == mtime_ns:
                return before
            names: set[str] = set()
            folders: list[str] = []
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{folder}/{entry.name}")
                    elif rollout_name(logical_name(entry.name)) is not None:
                        names.add(logical_name(entry.name))
        except OSError:
            return None  # gone, or not to be read: a look at everything says so
        is_settled = mtime_ns < time.time_ns() - COARSE_NS
        return _Folder(mtime_ns=mtime_ns, is_settled=is_settled, names=frozenset(names), folders=tuple(folders))
