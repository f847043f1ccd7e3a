"""A lease holds up to its very last millisecond and not one longer, and asking again with its token changes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.ids import OwnershipToken
from state.messages.backfill import BackfillClaimed, ClaimBackfill, FinishBackfill, RenewBackfill
from state.messages.consolidation import ConsolidationClaimed, RenewConsolidation
from state.messages.extraction import ExtractionClaimed, RenewExtraction
from tests.fakes import consolidation, extraction
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, index

LEASE_MS = 60_000
DAYS_MS = st.integers(-3, 3).map(lambda days: days * 86_400_000)


class Backfill:
    """The scan: who may list and read the rollouts."""

    granted = BackfillClaimed
    renewal = RenewBackfill

    @staticmethod
    def prepare(state: MemoryState) -> None:
        pass

    @staticmethod
    def claim(state: MemoryState, token: str, **more: Any) -> object:
        return state.ask(ClaimBackfill(terms=terms(token, **more)))


class Extraction:
    """One job."""

    granted = ExtractionClaimed
    renewal = RenewExtraction

    @staticmethod
    def prepare(state: MemoryState) -> None:
        index(state, facts(1))
        state.ask(FinishBackfill(token=SCAN, listed=True))

    @staticmethod
    def claim(state: MemoryState, token: str, **more: Any) -> object:
        return extraction.claim(state, token, **more)


class Consolidation:
    """One scope."""

    granted = ConsolidationClaimed
    renewal = RenewConsolidation

    @staticmethod
    def prepare(state: MemoryState) -> None:
        consolidation.remember(state, 1)

    @staticmethod
    def claim(state: MemoryState, token: str, **more: Any) -> object:
        return consolidation.claim(state, token, **more)


@pytest.mark.parametrize("kind", [Backfill, Extraction, Consolidation])
@given(waits_ms=st.lists(st.integers(0, LEASE_MS + 1), max_size=4), wall_ms=DAYS_MS, forced=st.booleans())
def test_lease_holds_until_its_end_and_then_is_anybodys(
    kind: Any, waits_ms: list[int], wall_ms: int, forced: bool
) -> None:
    """`waits_ms` lie between renewals; `forced` lets the claimant say how old a claim must be, by its renewal."""
    state = MemoryState()
    kind.prepare(state)
    held = kind.claim(state, "owner", lease_ms=LEASE_MS)
    assert isinstance(held, kind.granted)
    for wait_ms in waits_ms:
        state.clock.advance(wait_ms)
        state.ask(kind.renewal(token=OwnershipToken("owner"), lease_ms=LEASE_MS))
        assert kind.claim(state, "owner", lease_ms=LEASE_MS).fencing_number == held.fencing_number
    state.clock.wall_ms += wall_ms
    more = {"lease_ms": LEASE_MS, "stale_after_ms": LEASE_MS if forced else None}

    state.clock.advance(LEASE_MS - 1)
    assert not isinstance(kind.claim(state, "too early", **more), kind.granted)
    state.clock.advance(1)
    stolen = kind.claim(state, "in time", **more)

    assert isinstance(stolen, kind.granted)
    assert stolen.fencing_number == held.fencing_number + 1
    state.close()
