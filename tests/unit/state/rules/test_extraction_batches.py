"""Messages about many jobs: what the property about their equality leaves open."""

import pytest

from state.errors import InvalidRequestError
from state.ids import OwnershipToken, ProcessUuid
from state.messages.extraction import (
    ExtractionCapacityReached,
    ExtractionFinished,
    FinishExtraction,
    FinishResult,
    MemoryDraft,
    NothingToExtract,
)
from state.messages.extraction_batches import (
    EXTRACTIONS_MAX,
    ClaimExtractions,
    FinishAndClaimExtractions,
    FinishExtractions,
)
from state.messages.leases import NotOwner, Owner
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, claimed, draft
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

OWNER = Owner(process=ProcessUuid("process-1"), worker="worker")


@pytest.fixture
def indexed(state: MemoryState) -> MemoryState:
    """A state with three threads, and so with three pending jobs."""
    for number in (1, 2, 3):
        index(state, facts(number), size_bytes=100 + number)
    return state


def claims(*tokens: str, running_max: int | None = None) -> ClaimExtractions:
    """A claim for each token."""
    return ClaimExtractions(
        tokens=tuple(OwnershipToken(token) for token in tokens),
        owner=OWNER,
        lease_ms=60_000,
        eligibility=EVERYTHING,
        running_max=running_max,
    )


def end(token: str, result: MemoryDraft | None = None) -> FinishExtraction:
    """The end of the job of this token."""
    return FinishExtraction(token=OwnershipToken(token), input_digest="input", extractor=EXTRACTOR, draft=result)


def test_tokens_get_the_newest_jobs_in_their_order(indexed: MemoryState) -> None:
    reply = indexed.ask(claims("a", "b"))

    assert [job.thread_id for job in reply.jobs] == [thread_id(3), thread_id(2)]
    assert reply.ended is None
    assert indexed.rows("SELECT ownership_token FROM extraction_jobs ORDER BY thread_id DESC LIMIT 2") == [
        ("a",),
        ("b",),
    ]


def test_claim_for_more_jobs_than_there_are_says_why_it_ended(indexed: MemoryState) -> None:
    reply = indexed.ask(claims("a", "b", "c", "d"))

    assert len(reply.jobs) == 3
    assert isinstance(reply.ended, NothingToExtract)


def test_claim_for_more_jobs_than_may_run_takes_those_that_may(indexed: MemoryState) -> None:
    claimed(indexed, "somebody else")

    reply = indexed.ask(claims("a", "b", running_max=2))

    assert len(reply.jobs) == 1
    assert reply.ended == ExtractionCapacityReached()


def test_claim_that_is_asked_again_is_answered_the_same(indexed: MemoryState) -> None:
    first = indexed.ask(claims("a", "b"))
    tables = indexed.tables()

    assert indexed.ask(claims("a", "b")) == first
    assert indexed.tables() == tables


def test_end_that_is_refused_costs_the_others_nothing(indexed: MemoryState) -> None:
    indexed.ask(claims("a", "b"))

    reply = indexed.ask(FinishExtractions(finishes=(end("a", draft()), end("nobody's"), end("b"), end("b"))))

    assert reply.results == (
        ExtractionFinished(result=FinishResult.SAVED),
        NotOwner(),
        ExtractionFinished(result=FinishResult.UNCHANGED),
        NotOwner(),
    )


def test_end_makes_room_for_the_claim_that_comes_with_it(indexed: MemoryState) -> None:
    indexed.ask(claims("a", running_max=1))

    reply = indexed.ask(
        FinishAndClaimExtractions(finish=FinishExtractions(finishes=(end("a"),)), claim=claims("b", running_max=1))
    )

    assert [job.thread_id for job in reply.claimed.jobs] == [thread_id(2)]


def test_claim_is_asked_although_the_end_before_it_is_refused(indexed: MemoryState) -> None:
    reply = indexed.ask(FinishAndClaimExtractions(finish=FinishExtractions(finishes=(end("late"),)), claim=claims("b")))

    assert reply.finished.results == (NotOwner(),)
    assert len(reply.claimed.jobs) == 1


def test_tokens_of_a_claim_differ_say_something_and_are_bounded() -> None:
    for tokens in (("a", "a"), ("a", " "), tuple(str(number) for number in range(EXTRACTIONS_MAX + 1))):
        with pytest.raises(InvalidRequestError):
            claims(*tokens)
    with pytest.raises(InvalidRequestError):
        FinishExtractions(finishes=(end("a"),) * (EXTRACTIONS_MAX + 1))
