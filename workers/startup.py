"""Owning start-up, for batch work and for programs that embed the store: a handle only once the index is whole.

    open, migrate -> take over from the dead -> claim the scan -> scan -> handle
                                                     |
                                                     +- another process scans: wait for it, up to a bound

The service does none of this: it serves first and scans beside it. Whoever holds the claim works until done; the bound
is for those who wait. Each form is an async context manager, since the store is open as long as its block:

    try_start    raises why there is no handle
    start        warns, and gives None
    open_only    reads what is there, and never scans; None, with a warning, unless the index is whole
"""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import structlog
import trio

from config import Settings
from state.clock import Clock, machine_clock
from state.errors import StateError, StateFolderError, StoreError
from state.folder import StateFolder
from state.messages.backfill import BackfillHeld, BackfillState, GetBackfillState
from state.store import StateHandle, open_store, open_store_for_reading
from workers.backfill import BackfillSummary, scan
from workers.lease_keeper import LeaseLostError
from workers.progress import NoProgress, Progress
from workers.reaper import reap

log = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class Waiting:
    """How to wait for another process's scan.

    Attributes:
      seconds_max: for so long at most, as the Codex CLI does.
      poll_seconds: so often the scan is asked for again.
    """

    seconds_max: float = 30.0
    poll_seconds: float = 1.0


class BackfillWaitError(Exception):
    """Another process still scans after the bound, and the index is not whole."""

    code = "backfill_wait"
    retryable = True
    hint = "`memoryd status` shows who scans; try again when it is done"


async def scan_or_wait(
    handle: StateHandle,
    codex_home: Path,
    settings: Settings,
    progress: Progress,
    *,
    waiting: Waiting = Waiting(),
    enough_when_complete: bool = False,
) -> BackfillSummary:
    """Scan as soon as nobody else does.

    A scan that is taken over by another process is waited for like any other.

    Args:
      enough_when_complete: while another process scans, an index that is whole already will do.

    Returns:
      What the scan did: nothing, when the index was whole and another process scanned.

    Raises:
      BackfillWaitError: another process scans for longer than the bound.
      StoreError: the store could not answer.
    """
    give_up_at = trio.current_time() + waiting.seconds_max
    is_first = True
    while True:
        try:
            result = await scan(handle, codex_home, settings, progress, retry_failed_now=True)
        except LeaseLostError as lost:
            # While we scanned we did not wait.
            give_up_at = trio.current_time() + waiting.seconds_max
            log.warning("the scan was lost to another process", reason=str(lost))
        else:
            if not isinstance(result, BackfillHeld):
                return result
        state = await handle.ask(GetBackfillState())
        if state.complete and enough_when_complete:
            return BackfillSummary()
        if trio.current_time() >= give_up_at:
            raise BackfillWaitError(
                f"timed out waiting for state db backfill at {codex_home} after {waiting.seconds_max:g}s"
                f" (status: {_status(state)})"
            )
        _announce(
            f"state db backfill is {_status(state)} at {codex_home}; waiting up to {waiting.seconds_max:g}s before"
            " retrying startup initialization",
            is_first=is_first,
        )
        is_first = False
        await trio.sleep(min(waiting.poll_seconds, max(give_up_at - trio.current_time(), 0)))
        await reap(handle)


def _status(state: BackfillState) -> str:
    """The backfill's state in the one word that Codex has for it."""
    if state.owner is not None:
        return "running"
    return "complete" if state.complete else "pending"


def _announce(text: str, *, is_first: bool) -> None:
    """Say that we wait: as a warning first and quietly afterwards; on stderr in a program that set up no logger."""
    if structlog.is_configured() or logging.getLogger().hasHandlers():
        (log.warning if is_first else log.info)(text)
    elif is_first:
        sys.stderr.write(f"{text}\n")


@asynccontextmanager
async def try_start(
    folder: StateFolder,
    codex_home: Path,
    settings: Settings,
    *,
    progress: Progress | None = None,
    waiting: Waiting = Waiting(),
    clock: Clock = machine_clock,
) -> AsyncIterator[StateHandle]:
    """Open the store, bring the index up to date or wait until another process has, and hand out the handle.

    Args:
      codex_home: its real path.

    Raises:
      BackfillWaitError: another process scans for longer than the bound.
      StateError: the store cannot be opened or used.
    """
    async with open_store(folder, str(codex_home), clock=clock) as handle:
        for remark in handle.remarks():
            log.warning(remark)
        # What a killed process held is taken over first, so that nobody waits for its lease.
        await reap(handle)
        await scan_or_wait(
            handle, codex_home, settings, progress or NoProgress(), waiting=waiting, enough_when_complete=True
        )
        yield handle


@asynccontextmanager
async def start(
    folder: StateFolder,
    codex_home: Path,
    settings: Settings,
    *,
    progress: Progress | None = None,
    waiting: Waiting = Waiting(),
    clock: Clock = machine_clock,
) -> AsyncIterator[StateHandle | None]:
    """As `try_start`, for programs that can do without: whatever goes wrong is a warning, and the handle is None."""
    async with AsyncExitStack() as stack:
        handle: StateHandle | None = None
        try:
            handle = await stack.enter_async_context(
                try_start(folder, codex_home, settings, progress=progress, waiting=waiting, clock=clock)
            )
        except (StateError, BackfillWaitError, OSError) as error:
            _announce(f"failed to initialize state runtime: {error}", is_first=True)
        yield handle


@asynccontextmanager
async def open_only(
    folder: StateFolder, codex_home: Path, *, clock: Clock = machine_clock
) -> AsyncIterator[StateHandle | None]:
    """Read what is there: no file is made, nothing migrates, nothing is scanned.

    Gives None when there is no database; with a warning, when it cannot be opened or its index is not whole.
    """
    async with AsyncExitStack() as stack:
        handle: StateHandle | None = None
        try:
            handle = await stack.enter_async_context(open_store_for_reading(folder, str(codex_home), clock=clock))
            if handle is not None and not (state := await handle.ask(GetBackfillState())).complete:
                _announce(f"state db backfill not complete at {codex_home} (status: {_status(state)})", is_first=True)
                handle = None
        except (StateFolderError, StoreError) as error:
            _announce(f"state db at {folder.path} cannot be opened: {error}", is_first=True)
            handle = None
        yield handle
