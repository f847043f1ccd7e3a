"""What was heard to have changed since somebody last looked: a bounded set of paths, or "look at everything".

Paths may be added as often as one likes: what changes a thousand times before it is looked at is looked at once. Past
CHANGED_PATHS_MAX paths the set becomes "everything", so that memory stays bounded whatever happens on the disk.
"""

from collections.abc import Iterable

import trio

CHANGED_PATHS_MAX = 4_096
"""Looking at more single paths than this is no cheaper than listing a home with a long history."""

Places = frozenset[str] | None
"""Paths below the Codex home, each standing for itself and all that is below it; None: everything."""


class Changes:
    """Used by the tasks of one event loop."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._everything = False
        self._heard = trio.Event()

    def add(self, places: Iterable[str] | None) -> None:
        """Take note of some paths, or of everything."""
        self._everything = self._everything or places is None
        self._paths.update(places or ())
        if len(self._paths) > CHANGED_PATHS_MAX:
            self._paths.clear()
            self._everything = True
        if self:
            self._heard.set()

    def take(self) -> Places:
        """Everything that was noted; from now on nothing is."""
        places = None if self._everything else frozenset(self._paths)
        self._paths.clear()
        self._everything = False
        self._heard = trio.Event()
        return places

    def take_paths(self) -> frozenset[str]:
        """The single paths alone; "everything" stays noted."""
        paths = frozenset(self._paths)
        self._paths.clear()
        if not self._everything:
            self._heard = trio.Event()
        return paths

    def __bool__(self) -> bool:
        return self._everything or bool(self._paths)

    async def wait(self) -> None:
        """Wait until something is noted."""
        await self._heard.wait()
