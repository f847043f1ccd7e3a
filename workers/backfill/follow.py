"""Following the Codex home: the index is brought up to date whenever something was heard to change, and now and then.

    heard -> collect for a moment -> look at just that -> something to do? scan just that
    now and then -> look at everything

Looking writes nothing, so an idle home costs no write. At most one look is taken every COLLECT_SECONDS: a burst of
thousands of changes becomes a few scans, whose writes are bulk, in chunks, with everybody else's requests in between.
What could not be looked at because another process scans is kept and looked at soon.
"""

import math
from pathlib import Path

import structlog
import trio

from config.settings import Settings
from state.errors import StoreError
from state.messages.backfill import BackfillHeld, ListPendingRollouts
from state.messages.service import ExplainWorker
from state.rollouts.names import SESSION_INDEX
from state.store import StateHandle
from workers.backfill.changes import Changes, Places
from workers.backfill.names import NameFollower
from workers.backfill.survey import has_work
from workers.backfill.watch import Trouble, Watcher
from workers.backfill.worker import scan
from workers.lease_keeper import LeaseLostError
from workers.progress import NoProgress
from workers.redaction import redact

log = structlog.get_logger(__name__)

COLLECT_SECONDS = 0.1
"""From the beginning of one look to that of the next. A first change is looked at at once; a writer that goes on and on
is followed ten times a second."""

HELD_SECONDS = 0.5
"""How soon to ask again for a scan that another process holds."""


async def serve(handle: StateHandle, codex_home: Path, settings: Settings) -> None:
    """Follow the Codex home for ever."""
    changes = Changes()

    async def tell(trouble: Trouble | None) -> None:
        reason = "" if trouble is None else f"not every change is heard: {trouble.reason}; {trouble.hint}"
        explain = ExplainWorker(process=handle.process, worker="backfill", reason=redact(reason) or None)
        try:
            await handle.ask(explain)
        except StoreError as error:
            # It is in the log all the same; a store that cannot go on is watched by others.
            log.warning("trouble with watching not recorded", reason=str(error))

    watcher = Watcher(codex_home, changes, tell)
    async with trio.open_nursery() as nursery:
        if settings.backfill.watch:
            nursery.start_soon(watcher.run)
        await _Follower(handle, codex_home, settings, changes, watcher).run()


class _Follower:
    def __init__(
        self, handle: StateHandle, codex_home: Path, settings: Settings, changes: Changes, watcher: Watcher
    ) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._settings = settings
        self._changes = changes
        self._watcher = watcher
        self._names = NameFollower(handle, codex_home)
        self._is_listed = False
        self._is_held = False
        self._looked_at_everything_at = -math.inf
        self._left: frozenset[str] = frozenset()

    async def run(self) -> None:
        self._changes.add(None)
        while True:
            places = await self._next()
            began = trio.current_time()
            if places is None:
                self._looked_at_everything_at = began
            is_done = await self._look(None if places is None else places - {SESSION_INDEX})
            if places is None or SESSION_INDEX in places:
                await self._names.follow()
            if not is_done:
                self._changes.add(places)
                await trio.sleep(HELD_SECONDS)
            await trio.sleep_until(began + COLLECT_SECONDS)

    async def _next(self) -> Places:
        """Wait for something to look at; everything when its time has come, however much goes on meanwhile."""
        # Whenever the watcher begins or ends to hear, it notes everything, and the next interval is the right one.
        interval = self._settings.backfill.rescan_seconds_while(watched=self._watcher.is_hearing)
        with trio.move_on_at(self._looked_at_everything_at + interval) as rest:
            await self._changes.wait()
        places = self._changes.take()
        return None if rest.cancelled_caught else places

    async def _look(self, places: Places) -> bool:
        """Bring the index up to date with these places; False when another process scans."""
        # While another process scans, asking for the claim is cheaper than looking at a whole home again and again.
        is_worth_a_look = self._is_listed and not self._is_held
        if is_worth_a_look and not await has_work(self._handle, self._codex_home, places):
            return True
        try:
            result = await scan(
                self._handle,
                self._codex_home,
                self._settings,
                NoProgress(),
                retry_failed_now=False,
                places=places,
                changes=self._changes,
            )
        except LeaseLostError as lost:
            # Another process has it now: that is no defect of this worker, and what it left is looked at again.
            log.warning("the scan was lost to another process", reason=str(lost))
            self._is_held = True
            return False
        self._is_held = isinstance(result, BackfillHeld)
        if isinstance(result, BackfillHeld):
            return False
        self._is_listed = self._is_listed or places is None
        # Files that wait now: what shadowed them went. One that waited before as well waits for the next rescan.
        left = frozenset(await self._handle.ask(ListPendingRollouts()))
        self._changes.add(left - self._left)
        self._left = left
        if result.indexed or result.skipped or result.failed:
            say = log.info if places is None else log.debug
            say("scanned", files=result.files, indexed=result.indexed, failed=result.failed)
        return True
