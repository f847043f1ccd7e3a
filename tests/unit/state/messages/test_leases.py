"""What a claimant brings is checked where the request is made: nothing is cut, and nothing succeeds in silence."""

import re
from typing import Any

import attrs
import pytest

from state.errors import InvalidRequestError, StateError
from state.ids import OwnershipToken, ProcessUuid
from state.messages.backfill import RenewBackfill
from state.messages.consolidation import RenewConsolidation
from state.messages.extraction import RenewExtraction
from state.messages.leases import LEASE_MS_MAX, ClaimTerms, Owner
from tests.fakes.memory_state import terms

RENEWALS = (RenewBackfill, RenewExtraction, RenewConsolidation)

NO_LENGTHS = [0, -1, LEASE_MS_MAX + 1, 2**63, -(2**70), True, False, 1.0, 60_000.5, float("nan"), "60000", None]
NO_TEXTS = ["", " ", "\n", None, 7, b"token"]


def changed(**changes: Any) -> ClaimTerms:
    """Good terms with something wrong."""
    return attrs.evolve(terms("token"), **changes)


@pytest.mark.parametrize("lease_ms", NO_LENGTHS)
def test_claim_with_a_length_that_no_lease_has_is_refused(lease_ms: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        changed(lease_ms=lease_ms)

    assert str(refused.value) == (
        f"ClaimTerms.lease_ms must be a whole number from 1 to {LEASE_MS_MAX}, not {lease_ms!r}"
    )


@pytest.mark.parametrize("renewal", RENEWALS)
@pytest.mark.parametrize("lease_ms", NO_LENGTHS)
def test_renewal_with_a_length_that_no_lease_has_is_refused(renewal: Any, lease_ms: Any) -> None:
    with pytest.raises(InvalidRequestError, match=rf"{renewal.__name__}\.lease_ms .* not {re.escape(repr(lease_ms))}"):
        renewal(token=OwnershipToken("token"), lease_ms=lease_ms)


@pytest.mark.parametrize("lease_ms", [1, LEASE_MS_MAX])
def test_shortest_and_longest_lease_are_taken_as_they_are(lease_ms: int) -> None:
    assert changed(lease_ms=lease_ms).lease_ms == lease_ms
    for renewal in RENEWALS:
        assert renewal(token=OwnershipToken("token"), lease_ms=lease_ms).lease_ms == lease_ms


@pytest.mark.parametrize("token", NO_TEXTS)
def test_token_says_something(token: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"ClaimTerms\.token must be a text that is not empty"):
        changed(token=token)
    for renewal in RENEWALS:
        with pytest.raises(InvalidRequestError, match=rf"{renewal.__name__}\.token must be a text that is not empty"):
            renewal(token=token, lease_ms=1)


@pytest.mark.parametrize("text", NO_TEXTS)
def test_owner_names_process_and_worker(text: Any) -> None:
    for owner in (Owner(process=text, worker="scan"), Owner(process=ProcessUuid("process-1"), worker=text)):
        with pytest.raises(InvalidRequestError, match=r"ClaimTerms\.owner must be an Owner"):
            changed(owner=owner)


@pytest.mark.parametrize("owner", [None, "process-1/scan", ("process-1", "scan")])
def test_owner_is_an_owner(owner: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"ClaimTerms\.owner"):
        changed(owner=owner)


@pytest.mark.parametrize("stale_after_ms", [None, 0, 1, -1, 2**63 - 1, -(2**63)])
def test_stale_after_is_any_number_that_a_row_holds_or_none(stale_after_ms: int | None) -> None:
    assert changed(stale_after_ms=stale_after_ms).stale_after_ms == stale_after_ms


@pytest.mark.parametrize("stale_after_ms", [2**63, -(2**63) - 1, True, 0.0, float("inf"), "0"])
def test_stale_after_that_no_row_holds_is_refused(stale_after_ms: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"ClaimTerms\.stale_after_ms must be a whole number"):
        changed(stale_after_ms=stale_after_ms)


def test_refusal_is_an_error_of_the_state_and_a_value_error() -> None:
    assert issubclass(InvalidRequestError, StateError)
    assert issubclass(InvalidRequestError, ValueError)
    assert not InvalidRequestError.retryable
