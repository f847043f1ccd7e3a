"""A message about many jobs, taken apart for those who judge histories."""

from chaos.parts import parts_of, told_of
from state.ids import OwnershipToken
from state.messages.extraction import ClaimExtraction, FinishExtraction
from state.messages.extraction_batches import ClaimExtractions, FinishAndClaimExtractions, FinishExtractions
from state.messages.leases import Owner
from state.messages.service import ListProcesses
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, claimed
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import facts, index


def test_single_message_is_its_own_part() -> None:
    assert parts_of(ListProcesses()) == (ListProcesses(),)
    assert told_of(ListProcesses(), ()) == ((),)


def test_end_and_claims_are_told_apart_and_a_claim_that_was_not_asked_is_told_nothing() -> None:
    state = MemoryState()
    index(state, facts(1))
    index(state, facts(2), size_bytes=101)
    claimed(state, "old")
    owner: Owner = terms("x").owner
    finish = FinishExtraction(token=OwnershipToken("old"), input_digest="input", extractor=EXTRACTOR, draft=None)
    tokens = tuple(OwnershipToken(token) for token in ("new", "none", "not asked"))
    request = FinishAndClaimExtractions(
        finish=FinishExtractions(finishes=(finish,)),
        claim=ClaimExtractions(tokens=tokens, owner=owner, lease_ms=60_000, eligibility=EVERYTHING),
    )

    reply = state.ask(request)
    state.close()

    assert parts_of(request) == (
        finish,
        *(ClaimExtraction(terms=terms(token), eligibility=EVERYTHING) for token in tokens),
    )
    assert told_of(request, reply) == (
        reply.finished.results[0],
        reply.claimed.jobs[0],
        reply.claimed.ended,
        None,
    )
