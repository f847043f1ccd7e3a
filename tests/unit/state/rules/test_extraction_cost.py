"""What extraction has cost stands with the job, and an outage of the model costs no job an attempt."""

import attrs
import pytest

from state.messages.extraction import (
    ATTEMPTS_MAX,
    ExtractorId,
    FailureClass,
    GetExtractionTotals,
    ReopenForExtractor,
    RetryScheduled,
    TokenUsage,
)
from state.messages.jobs import GetJob, Job, JobFound
from state.messages.leases import NotOwner
from state.rules.backoff import BACKOFF_MS_MIN
from tests.fakes.extraction import EMPTY, EVERYTHING, claimed, draft, fail, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

CALL = TokenUsage(input_tokens=1_000, cached_input_tokens=100, output_tokens=50, model_calls=2)
TWO_CALLS = TokenUsage(input_tokens=2_000, cached_input_tokens=200, output_tokens=100, model_calls=4)


@pytest.fixture
def indexed(state: MemoryState) -> MemoryState:
    """One thread with content."""
    index(state, facts(1))
    return state


def job(state: MemoryState, number: int = 1) -> Job:
    """The job of a thread."""
    found = state.ask(GetJob(job_id=f"extraction:{thread_id(number)}"))
    assert isinstance(found, JobFound)
    return found.job


def cost(state: MemoryState) -> TokenUsage:
    """What the job's row says that it has cost."""
    return TokenUsage(**{field.name: getattr(job(state), field.name) for field in attrs.fields(TokenUsage)})


@pytest.mark.parametrize("result", [draft(), EMPTY, None])
def test_cost_of_a_finished_extraction_stands_in_its_row(indexed: MemoryState, result: object) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", result, usage=CALL)  # type: ignore[arg-type]

    assert cost(indexed) == CALL


@pytest.mark.parametrize("failure", FailureClass)
def test_failed_calls_cost_too(indexed: MemoryState, failure: FailureClass) -> None:
    claimed(indexed, "one")
    fail(indexed, "one", failure, usage=CALL)

    assert cost(indexed) == CALL


def test_cost_grows_over_attempts_and_is_never_set_back(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    fail(indexed, "one", usage=CALL)
    indexed.clock.advance(BACKOFF_MS_MIN)
    claimed(indexed, "two")
    finish(indexed, "two", draft(), extractor=ExtractorId(name="responses:a", version=1), usage=CALL)
    indexed.ask(ReopenForExtractor(extractor=ExtractorId(name="responses:a", version=2)))

    assert job(indexed).status == "pending"
    assert cost(indexed) == TWO_CALLS


def test_who_lost_the_job_adds_nothing(indexed: MemoryState) -> None:
    claimed(indexed, "late")
    claimed(indexed, "new", stale_after_ms=0)

    assert finish(indexed, "late", draft(), usage=CALL) == NotOwner()
    assert fail(indexed, "late", usage=CALL) == NotOwner()
    assert cost(indexed) == TokenUsage()


def test_totals_are_over_all_jobs(indexed: MemoryState) -> None:
    index(indexed, facts(2))
    for token in ("one", "two"):
        claimed(indexed, token)
        finish(indexed, token, draft(), usage=CALL)

    assert indexed.ask(GetExtractionTotals(eligibility=EVERYTHING)).tokens == TWO_CALLS


def test_totals_of_nothing_are_nothing(state: MemoryState) -> None:
    assert state.ask(GetExtractionTotals(eligibility=EVERYTHING)).tokens == TokenUsage()


def test_outage_of_the_model_is_a_retry_that_costs_no_attempt(indexed: MemoryState) -> None:
    for number in range(3 * ATTEMPTS_MAX):
        claimed(indexed, f"token-{number}")
        reply = fail(indexed, f"token-{number}", FailureClass.UNAVAILABLE, reason="the key is refused")

        assert isinstance(reply, RetryScheduled)
        assert reply.next_attempt_at_ms > indexed.clock.wall_ms
        assert (job(indexed).status, job(indexed).reason) == ("retry", "the key is refused")
        assert job(indexed).attempts - job(indexed).given_back == 0
        indexed.clock.advance(reply.next_attempt_at_ms - indexed.clock.wall_ms)


def test_after_an_outage_a_job_has_the_attempts_that_it_had(indexed: MemoryState) -> None:
    for number in range(ATTEMPTS_MAX - 1):
        claimed(indexed, f"token-{number}")
        fail(indexed, f"token-{number}")
        indexed.clock.advance(3_600_000)
    claimed(indexed, "outage")
    fail(indexed, "outage", FailureClass.UNAVAILABLE)
    indexed.clock.advance(3_600_000)
    claimed(indexed, "last")
    fail(indexed, "last")

    assert job(indexed).status == "dead"


def test_outage_honours_how_long_the_server_wants_to_be_left_alone(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    reply = fail(indexed, "one", FailureClass.UNAVAILABLE, retry_after_ms=7_200_000)

    assert reply == RetryScheduled(next_attempt_at_ms=indexed.clock.wall_ms + 7_200_000)
