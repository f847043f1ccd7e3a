"""Holding a lease: renewed in the background, and the work is cancelled the moment it is lost.

Every worker works inside `hold_lease`. A renewal that fails because the store could not answer is tried again until the
lease is about to end; a renewal that is refused, or that is not answered before the lease may have ended, cancels the
block. So no work goes on unowned, and what a worker saves it saves under its token anyway.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

from config.settings import RENEWALS_PER_LEASE
from state.errors import StoreError, first_cause
from state.messages.base import Request
from state.messages.leases import NotOwner, Renewed
from state.store import StateHandle

log = structlog.get_logger(__name__)


class LeaseLostError(Exception):
    """The lease was stolen or may have ended. The block was cancelled; its work must not be saved."""


@asynccontextmanager
async def hold_lease(
    handle: StateHandle, renewal: Request[Renewed | NotOwner], *, lease_ms: int
) -> AsyncIterator[None]:
    """Renew until the block ends.

    Args:
      renewal: the request that extends the lease by lease_ms from when it is asked.

    Raises:
      LeaseLostError: the lease was lost before the block ended; the block was cancelled.
    """
    lost: list[LeaseLostError] = []
    failure: Exception | None = None
    trusted_until_boot_ms = handle.clock().boot_ms + lease_ms
    try:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as block:

                async def keep() -> None:
                    lost.append(await _renew_until_lost(handle, renewal, lease_ms, trusted_until_boot_ms, block))
                    block.cancel()

                nursery.start_soon(keep)
                await trio.lowlevel.checkpoint()
                try:
                    yield
                except Exception as error:
                    # Kept aside so that callers see the block's own exception and not a group around it.
                    failure = error
            # Shielded: what the block has finished is not undone by a cancel that comes while the keeper ends.
            nursery.cancel_scope.shield = True
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _plain(group) from None
    if failure is not None:
        raise failure
    if lost:
        raise lost[0]
    if block.cancel_called:
        raise LeaseLostError("the lease could not be renewed in time: the store did not answer")


def _plain(group: BaseExceptionGroup) -> BaseException:
    """A cancel without the groups that nurseries put around it; any other group as it is."""
    return first_cause(group) if group.split(trio.Cancelled)[1] is None else group


async def _renew_until_lost(
    handle: StateHandle,
    renewal: Request[Renewed | NotOwner],
    lease_ms: int,
    trusted_until_boot_ms: int,
    block: trio.CancelScope,
) -> LeaseLostError:
    """Renew at a third of the lease; answer why it is lost.

    The lease is trusted until lease_ms after the last successful renewal was asked, by the boot clock: Trio's clock may
    stand still while the machine sleeps. A renewal that is not answered until then cancels the block by its deadline;
    the first one after a sleep is given a third of the lease, since a late renewal may still be granted.
    """
    third_ms = lease_ms // RENEWALS_PER_LEASE
    while True:
        await trio.sleep(lease_ms / RENEWALS_PER_LEASE / 1000)
        asked_at_boot_ms = handle.clock().boot_ms
        block.deadline = trio.current_time() + max(trusted_until_boot_ms - asked_at_boot_ms, third_ms) / 1000
        try:
            reply = await handle.ask(renewal)
        except StoreError as error:
            if handle.clock().boot_ms + third_ms >= trusted_until_boot_ms:
                return LeaseLostError(f"the lease could not be renewed in time: {error}")
            log.warning("lease renewal failed, trying again", reason=str(error))
            continue
        finally:
            block.deadline = math.inf
        if isinstance(reply, NotOwner):
            return LeaseLostError("the lease was taken over by somebody else")
        trusted_until_boot_ms = asked_at_boot_ms + lease_ms
