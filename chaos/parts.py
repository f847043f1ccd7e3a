"""A message about many jobs, as the single messages that it stands for: what the judges of histories know."""

from typing import Any

from state.messages.base import Request
from state.messages.extraction import ClaimExtraction
from state.messages.extraction_batches import FinishAndClaimExtractions
from state.messages.leases import ClaimTerms


def parts_of(request: Request[Any]) -> tuple[Request[Any], ...]:
    """The single messages that the request stands for, in their order; itself where it is one.

    Known are the messages that workers ask.
    """
    if not isinstance(request, FinishAndClaimExtractions):
        return (request,)
    claim = request.claim
    claims = (
        ClaimExtraction(
            terms=ClaimTerms(token=token, owner=claim.owner, lease_ms=claim.lease_ms),
            eligibility=claim.eligibility,
            running_max=claim.running_max,
        )
        for token in claim.tokens
    )
    return (*request.finish.finishes, *claims)


def told_of(request: Request[Any], reply: Any) -> tuple[Any, ...]:
    """What each part of the request was told; None for a claim that was not asked, since the one before got nothing."""
    if not isinstance(request, FinishAndClaimExtractions):
        return (reply,)
    told = (*reply.finished.results, *reply.claimed.jobs)
    if reply.claimed.ended is not None:
        told = (*told, reply.claimed.ended)
    return told + (None,) * (len(parts_of(request)) - len(told))
