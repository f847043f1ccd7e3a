"""Many extraction jobs in one message: claims, ends, and both at once. A message is one transaction, and one sync.

Each is what its single messages would be, asked one after the other at one instant; a property test holds them
against each other. An owner of one job that is done with it asks `FinishAndClaimExtractions` with one of each.
"""

from typing import Any

import attrs

from state.errors import InvalidRequestError
from state.ids import OwnershipToken
from state.messages.base import Lane, Request
from state.messages.extraction import (
    Eligibility,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ExtractionFinished,
    FinishExtraction,
    NothingToExtract,
)
from state.messages.leases import NotOwner, Owner, check_lease_ms, check_owner

EXTRACTIONS_MAX = 256
"""As many as share a batch of single messages."""


def _check_tokens(request: Any, _field: "attrs.Attribute[Any]", tokens: tuple[OwnershipToken, ...]) -> None:
    if not all(isinstance(token, str) and token.strip() for token in tokens):
        raise InvalidRequestError(f"{type(request).__name__}.tokens must be texts that are not empty")
    if len(set(tokens)) != len(tokens):
        raise InvalidRequestError(f"{type(request).__name__}.tokens must differ from each other")
    _check_number(request, _field, tokens)


def _check_number(request: Any, field: "attrs.Attribute[Any]", values: tuple[object, ...]) -> None:
    if len(values) > EXTRACTIONS_MAX:
        raise InvalidRequestError(f"{type(request).__name__}.{field.name} must be at most {EXTRACTIONS_MAX}")


@attrs.frozen(kw_only=True)
class ExtractionsClaimed:
    """What was claimed, and why it was not more.

    Attributes:
      jobs: the first one is held under the first token, and so on; no more than there were tokens.
      ended: what the first token without a job would have been told alone; None when every token has its job.
    """

    jobs: tuple[ExtractionClaimed, ...]
    ended: NothingToExtract | ExtractionCapacityReached | None


@attrs.frozen(kw_only=True)
class ClaimExtractions(Request[ExtractionsClaimed]):
    """Claim the newest eligible jobs, one for each token, until one is not granted.

    Asking again with the same tokens is safe: those that hold a job are answered it again.

    Attributes:
      tokens: as in ClaimTerms; they differ from each other, and are at most EXTRACTIONS_MAX.
      owner, lease_ms: as in ClaimTerms, for all of them.
      eligibility, running_max: as in ClaimExtraction.

    Raises:
      InvalidRequestError: a value that no claim can mean.
    """

    tokens: tuple[OwnershipToken, ...] = attrs.field(validator=_check_tokens)
    owner: Owner = attrs.field(validator=check_owner)
    lease_ms: int = attrs.field(validator=check_lease_ms)
    eligibility: Eligibility
    running_max: int | None = None


@attrs.frozen(kw_only=True)
class ExtractionsFinished:
    """What each finish would have been told alone, in their order."""

    results: tuple[ExtractionFinished | NotOwner, ...]


@attrs.frozen(kw_only=True)
class FinishExtractions(Request[ExtractionsFinished]):
    """End jobs, each under its own token. One that is refused costs the others nothing.

    Asking again answers NotOwner for each and changes nothing.
    """

    lane = Lane.URGENT
    finishes: tuple[FinishExtraction, ...] = attrs.field(validator=_check_number)


@attrs.frozen(kw_only=True)
class ExtractionsHandedOver:
    """How the old jobs ended, and which ones are new."""

    finished: ExtractionsFinished
    claimed: ExtractionsClaimed


@attrs.frozen(kw_only=True)
class FinishAndClaimExtractions(Request[ExtractionsHandedOver]):
    """End what is done, then claim what is next: what two messages would do, for one sync. Also where an end is
    refused the claims are asked.

    Asking again answers NotOwner for the ends, and the same jobs for the claims.
    """

    lane = Lane.URGENT
    finish: FinishExtractions
    claim: ClaimExtractions
