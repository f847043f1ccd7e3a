"""An index that is in step with the files at the moment somebody asks, for whoever answers questions from it.

The first question looks at every file. Later ones look at the folders alone, which show what came, went or moved, and
whoever is about to show some threads has their files looked at. What was appended to any other is heard by the watcher.
"""

import itertools
from collections.abc import Collection
from pathlib import Path

import trio

from config import Settings
from state.messages.backfill import BackfillHeld
from state.store import StateHandle
from workers.backfill.changes import Places
from workers.backfill.folders import FolderMap
from workers.backfill.follow import serve
from workers.backfill.survey import has_work
from workers.backfill.worker import scan
from workers.lease_keeper import LeaseLostError
from workers.progress import NoProgress

HELD_SECONDS = 0.05
"""How soon to look again while another one scans."""

CATCH_UP_SECONDS_MAX = 10.0
"""For so long an asker waits at most; then it is answered from the index as it is."""


class LiveIndex:
    """Follows the home, and looks at it at once when asked."""

    def __init__(self, handle: StateHandle, codex_home: Path, settings: Settings) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._settings = settings
        self._looking = trio.Lock()
        self._folders = FolderMap(codex_home)

    async def serve(self) -> None:
        """Follow the home for ever."""
        await serve(self._handle, self._codex_home, self._settings)

    async def catch_up(self) -> None:
        """Return once every rollout that was there at the call is in the index, or after CATCH_UP_SECONDS_MAX.

        Raises:
          StoreError: the store could not answer.
        """
        with trio.move_on_after(CATCH_UP_SECONDS_MAX):
            async with self._looking:
                is_done = False
                try:
                    places = await trio.to_thread.run_sync(self._folders.changed)
                    if places is None or places:
                        await self._bring_in_step(places)
                    is_done = True
                finally:
                    if not is_done:
                        self._folders.forget()

    async def refresh(self, paths: Collection[str]) -> bool:
        """Look at these rollouts, and read those that are not what the index has; True when there was one.

        Raises:
          StoreError: the store could not answer.
        """
        places = frozenset(paths)
        if not places or not await has_work(self._handle, self._codex_home, places):
            return False
        with trio.move_on_after(CATCH_UP_SECONDS_MAX):
            await self._bring_in_step(places)
        return True

    async def _bring_in_step(self, places: Places) -> None:
        if await has_work(self._handle, self._codex_home, places):
            # While another one scans, asking for the claim is cheaper than looking at everything again and again.
            for _ in itertools.count():
                if await self._scan(places):
                    break
                await trio.sleep(HELD_SECONDS)

    async def _scan(self, places: Places) -> bool:
        try:
            result = await scan(
                self._handle, self._codex_home, self._settings, NoProgress(), retry_failed_now=False, places=places
            )
        except LeaseLostError:
            return False
        return not isinstance(result, BackfillHeld)
