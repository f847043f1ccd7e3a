"""The reaper: returns what dead processes held, at once, so that nobody waits a lease out after a crash.

A process is dead exactly when its OS lock can be taken. The reaper holds that lock while one transaction returns the
leases, so two reapers never work on the same process, and a living process is never robbed.
"""

import contextlib
import os

import structlog
import trio

from config import Settings
from state.folder import dead_process_lock
from state.messages.service import LeasesReturned, ListProcesses, ReturnLeases
from state.store import StateHandle

log = structlog.get_logger(__name__)


async def serve(handle: StateHandle, settings: Settings) -> None:
    """Reap for ever."""
    while True:
        await reap(handle)
        await trio.sleep(settings.service.reaper_seconds)


async def reap(handle: StateHandle) -> LeasesReturned:
    """Return the leases of every dead process; answer how many. Doing it twice is safe."""
    total = LeasesReturned(backfills=0, extractions=0, consolidations=0)
    for process in await handle.ask(ListProcesses()):
        if process.process == handle.process:
            continue
        with dead_process_lock(handle.folder, process.process) as is_dead:
            if not is_dead:
                continue
            returned = await handle.ask(ReturnLeases(process=process.process))
            with contextlib.suppress(OSError):
                os.unlink(handle.folder.process_lock(process.process))
        if returned.total:
            log.info("took over from a process that ended", pid=process.pid, leases=returned.total)
        total = LeasesReturned(
            backfills=total.backfills + returned.backfills,
            extractions=total.extractions + returned.extractions,
            consolidations=total.consolidations + returned.consolidations,
        )
    return total
