"""How the end of a job is recorded, whatever comes in between, and how the claim of the next one comes with it."""

from typing import Any, TypeVar

import attrs
import structlog
import trio

from state.errors import StoreError
from state.ids import OwnershipToken
from state.messages.base import Request
from state.messages.extraction import ExtractionClaimed, ExtractionFinished, FinishExtraction, TokenUsage
from state.messages.extraction_batches import ClaimExtractions, FinishAndClaimExtractions, FinishExtractions
from state.messages.leases import NotOwner
from state.store import StateHandle
from workers.lease_keeper import GIVE_BACK_SECONDS_MAX

log = structlog.get_logger(__name__)

ReplyT = TypeVar("ReplyT")

RECORD_AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Waits before a busy store is asked again to record what was paid for."""


@attrs.frozen(kw_only=True)
class Claim:
    """A job that is held. claimed_boot_ms: the boot clock before it was asked for."""

    job: ExtractionClaimed
    token: OwnershipToken
    claimed_boot_ms: int


async def end_and_claim(
    handle: StateHandle, finish: FinishExtraction, claim: ClaimExtractions
) -> tuple[ExtractionFinished | NotOwner, Claim | None]:
    """Record a finish and ask for the next job, in one message; a stop that comes with it still records the finish.

    Args:
      claim: for one job.
    """
    claimed_boot_ms = handle.clock().boot_ms
    both = FinishAndClaimExtractions(finish=FinishExtractions(finishes=(finish,)), claim=claim)
    reply = await record(handle, both, finish.usage, when_cancelled=finish)
    (finished,) = reply.finished.results
    if not reply.claimed.jobs:
        return finished, None
    (job,), (token,) = reply.claimed.jobs, claim.tokens
    return finished, Claim(job=job, token=token, claimed_boot_ms=claimed_boot_ms)


async def record(
    handle: StateHandle, request: Request[ReplyT], usage: TokenUsage, *, when_cancelled: Request[Any] | None = None
) -> ReplyT:
    """Ask to record how a job ended, also when cancelled meanwhile: what was paid for is not thrown away.

    A request that was cancelled has been withdrawn, so it is asked once more, or `when_cancelled` in its place; had it
    not been, the second one would change nothing. A store that is busy is asked again for a while, which the lease
    outlasts.
    """
    try:
        for wait_seconds in RECORD_AGAIN_SECONDS:
            try:
                return await handle.ask(request)
            except StoreError as error:
                if not error.retryable:
                    raise
            await trio.sleep(wait_seconds)
        return await handle.ask(request)
    except trio.Cancelled:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
            await handle.ask(when_cancelled or request)
        raise
    except StoreError:
        log.error("what the model answered could not be recorded", **attrs.asdict(usage))
        raise
