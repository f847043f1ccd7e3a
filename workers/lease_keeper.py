"""Holding a lease: renewed in the background, and the work is cancelled the moment it is lost.

Every worker that owns something works inside `hold_lease`, and confirms the lease before each step that costs or that
others would see. A renewal that fails because the store could not answer is tried again until the lease is about to
end; one that is refused, or that is not answered before the lease may have ended, cancels the block. So no work goes on
unowned, and what a worker saves it saves under its token anyway.

A machine that slept, and a process that was stopped, go on where they were, with a lease that may be over. Trio's clock
may have stood still meanwhile, so the boot clock is looked at after each wake, at least once a second. What is overdue
by either clock is renewed first: by the keeper when it wakes, or by `confirm` when the block wakes before it.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

from config.settings import RENEWALS_PER_LEASE
from state.errors import StoreError, first_cause
from state.messages.base import Request
from state.messages.leases import NotOwner, Released, Renewed
from state.store import StateHandle

log = structlog.get_logger(__name__)

WAKE_SECONDS_MAX = 1.0
"""How long the keeper sleeps at most before it looks at the boot clock again."""

GIVE_BACK_SECONDS_MAX = 2.0
"""How long a cancelled owner may take to give back what it has; the process's lock file does it otherwise."""

_ROUNDING_MS = 1.0
"""Boot time is counted in whole milliseconds and Trio's in fractions of a second."""


class LeaseLostError(Exception):
    """The lease was stolen or may have ended. The block was cancelled; its work must not be saved."""


class HeldLease:
    """A lease that is held. Given to the block by `hold_lease`.

    It is trusted for lease_ms after the claim, or the last renewal that was granted, was asked, by both clocks: the
    boot clock knows of a sleep that Trio's does not, and Trio's goes on where a boot clock was set back.
    """

    def __init__(
        self, handle: StateHandle, renewal: Request[Renewed | NotOwner], lease_ms: int, claimed_boot_ms: int | None
    ) -> None:
        self._handle = handle
        self._renewal = renewal
        self._lease_ms = lease_ms
        self._third_ms = lease_ms / RENEWALS_PER_LEASE
        self._asking = trio.Lock()
        boot_ms, trio_ms = self._now()
        passed_ms = 0 if claimed_boot_ms is None else max(boot_ms - claimed_boot_ms, 0)
        self._asked_at = self._granted_at = (boot_ms - passed_ms, trio_ms - passed_ms)
        self.block = trio.CancelScope()
        self.lost: LeaseLostError | None = None

    async def confirm(self) -> None:
        """Return at once while the lease is good; where a renewal is overdue, renew before going on.

        Call it before each step that costs or that others would see, and after each wait that may have been long.

        Raises:
          trio.Cancelled: the lease is lost: somebody else has the row, or the store could not renew one that may have
            ended. `hold_lease` then says LeaseLostError.
          LeaseLostError: the same, within a shield.
        """
        # The keeper may have woken first: what it asked is then waited for, unless the lease is good for long.
        is_in_doubt = self._asking.locked() and self._left_ms() <= self._third_ms
        if self.lost is None and (is_in_doubt or self._is_due()):
            async with self._asking:
                if self.lost is None and self._is_due():
                    await self._renew()
        await trio.lowlevel.checkpoint()
        if self.lost is not None:
            raise self.lost

    async def keep(self) -> None:
        """Renew at every third of the lease until it is lost."""
        while self.lost is None:
            since_ms = self._since_ms(self._asked_at)
            await trio.sleep(min(max(self._third_ms - since_ms, _ROUNDING_MS) / 1000, WAKE_SECONDS_MAX))
            async with self._asking:
                if self.lost is None and self._is_due():
                    await self._renew()

    async def _renew(self) -> None:
        """Ask for one renewal. Not answered before the lease may have ended, the block is cancelled by its deadline.

        After a sleep the lease may be over already. The first renewal is then given a third of it, since a late one is
        granted as long as nobody stole the row.
        """
        self._asked_at = asked_at = self._now()
        self.block.deadline = trio.current_time() + max(self._left_ms(), self._third_ms) / 1000
        try:
            reply = await self._handle.ask(self._renewal)
        except StoreError as error:
            if self._left_ms() <= self._third_ms:
                self._lose(f"the lease could not be renewed in time: {error}")
            else:
                log.warning("lease renewal failed, trying again", reason=str(error))
            return
        finally:
            self.block.deadline = math.inf
        if isinstance(reply, NotOwner):
            self._lose("the lease was taken over by somebody else")
        else:
            self._granted_at = asked_at

    def _lose(self, reason: str) -> None:
        self.lost = LeaseLostError(reason)
        self.block.cancel()

    def _is_due(self) -> bool:
        return self._since_ms(self._asked_at) >= self._third_ms - _ROUNDING_MS

    def _left_ms(self) -> float:
        return self._lease_ms - self._since_ms(self._granted_at)

    def _now(self) -> tuple[float, float]:
        return self._handle.clock().boot_ms, trio.current_time() * 1000

    def _since_ms(self, then: tuple[float, float]) -> float:
        """How long ago that was, by the clock that says more."""
        now = self._now()
        return max(now[0] - then[0], now[1] - then[1])


@asynccontextmanager
async def hold_lease(
    handle: StateHandle,
    renewal: Request[Renewed | NotOwner],
    *,
    lease_ms: int,
    claimed_boot_ms: int | None = None,
) -> AsyncIterator[HeldLease]:
    """Renew until the block ends; gives the lease, so that the block can confirm it.

    Args:
      renewal: the request that extends the lease by lease_ms from when it is asked.
      claimed_boot_ms: the boot clock when the claim was asked, from which the lease is counted; None: now.

    Raises:
      LeaseLostError: the lease was lost before the block ended; the block was cancelled.
    """
    held = HeldLease(handle, renewal, lease_ms, claimed_boot_ms)
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            with held.block:
                nursery.start_soon(held.keep)
                await trio.lowlevel.checkpoint()
                try:
                    yield held
                except Exception as error:
                    # Kept aside so that callers see the block's own exception and not a group around it.
                    failure = error
            # Shielded: what the block has finished is not undone by a cancel that comes while the keeper ends.
            nursery.cancel_scope.shield = True
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise plain(group) from None
    if failure is not None:
        raise failure
    if held.lost is not None:
        raise held.lost
    if held.block.cancel_called:
        raise LeaseLostError("the lease could not be renewed in time: the store did not answer")


async def give_back(handle: StateHandle, release: Request[Released | NotOwner]) -> None:
    """Give back what a cancelled owner has, whether its work had begun or not. Called within a shield.

    A store that cannot answer now leaves it to the process's lock file; that is no reason not to stop.
    """
    try:
        await handle.ask(release)
    except StoreError as error:
        log.warning("a lease was not given back", reason=str(error))


def plain(group: BaseExceptionGroup) -> BaseException:
    """The one exception that counts, without the groups that nurseries put around it.

    A cancel is one only where nothing else went wrong. A group that mixes both stays as it is: neither may be lost.
    """
    cancels, failures = group.split(trio.Cancelled)
    return group if cancels is not None and failures is not None else first_cause(group)
