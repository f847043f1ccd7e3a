"""An index that is in step with the files at the moment somebody asks, for whoever answers questions from it."""

from pathlib import Path

import trio

from config import Settings
from state.messages.backfill import BackfillHeld
from state.store import StateHandle
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
                while await has_work(self._handle, self._codex_home, None):
                    if await self._scan():
                        break
                    # Another process scans; nothing but looking tells when it is done.
                    await trio.sleep(HELD_SECONDS)

    async def _scan(self) -> bool:
        try:
            result = await scan(self._handle, self._codex_home, self._settings, NoProgress(), retry_failed_now=False)
        except LeaseLostError:
            return False
        return not isinstance(result, BackfillHeld)
