"""What bounds phase-1 jobs since the later runtime: back-off, attempts, and how many run at a time.

The baseline had none of it: a failure was the end, and nothing counted what runs. Each docstring says which behaviour
of the later runtime it pins.
"""

from collections.abc import Iterator

import pytest

from state.ids import OwnershipToken, Scope
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.extraction_claims import (
    SkippedBackoff,
    SkippedCapacity,
    SkippedExhausted,
    SkippedTerminalFailure,
)
from state.messages.leases import NotOwner, Renewed
from state.rules.backoff import BACKOFF_MS_MIN
from tests.fakes.extraction import claim, claim_of, claimed_of, fail
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

LEASE_MS = 60_000
TEAM = Scope(kind="team", key="shop")


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """A state that knows one thread, with its first content."""
    state = MemoryState()
    index(state, facts(1))
    yield state
    state.close()


def grow(state: MemoryState, revision: int) -> None:
    """Let the thread's content change, so that it has this revision."""
    index(state, facts(1, content_digest=f"digest-{revision}"), size_bytes=100 + revision)


def renew(state: MemoryState, token: str) -> Renewed | NotOwner:
    """Renew the lease of this token."""
    return state.ask(RenewExtraction(token=OwnershipToken(token), lease_ms=LEASE_MS))


def test_failure_that_may_pass_backs_off_and_is_then_tried_again(state: MemoryState) -> None:
    """Mended, as in the later runtime: retry_at in the future -> SkippedRetryBackoff, at it -> claimed."""
    claimed_of(state, "one")
    due_at_ms = state.clock.wall_ms + BACKOFF_MS_MIN
    assert fail(state, "one") == RetryScheduled(next_attempt_at_ms=due_at_ms)

    state.clock.advance(BACKOFF_MS_MIN - 1)
    assert claim_of(state, "two") == SkippedBackoff(next_attempt_at_ms=due_at_ms)
    assert claim_of(state, "two", stale_after_ms=0) == SkippedBackoff(next_attempt_at_ms=due_at_ms)
    state.clock.advance(1)
    assert claimed_of(state, "two").attempt == 2


def test_newer_content_ends_the_back_off_and_gives_all_attempts_back(state: MemoryState) -> None:
    """Mended, as in the later runtime: an advanced watermark is claimable at once, with the retries reset."""
    for attempt in range(ATTEMPTS_MAX - 1):
        claimed_of(state, f"token-{attempt}")
        fail(state, f"token-{attempt}")
        state.clock.advance(3_600_000 * (attempt < ATTEMPTS_MAX - 2))
    assert isinstance(claim_of(state, "too-early"), SkippedBackoff)
    grow(state, 2)

    assert claimed_of(state, "two").attempt == 1


def test_job_whose_owners_died_too_often_is_exhausted_and_then_terminal(state: MemoryState) -> None:
    """Mended, as in the later runtime: no retries left -> SkippedRetryExhausted. Attempts count at the claim here, so
    that a job that kills its owner is exhausted too; it is a dead letter from then on."""
    for attempt in range(ATTEMPTS_MAX):
        assert claimed_of(state, f"token-{attempt}", lease_ms=LEASE_MS).attempt == attempt + 1
        state.clock.advance(LEASE_MS)

    assert claim_of(state, "last") == SkippedExhausted()
    reason = f"the process that worked on it ended {ATTEMPTS_MAX} times before it was done"
    assert claim_of(state, "last") == SkippedTerminalFailure(reason=reason)
    assert renew(state, f"token-{ATTEMPTS_MAX - 1}") == NotOwner()
    grow(state, 2)
    assert claimed_of(state, "again").attempt == 1


def test_job_that_failed_as_often_as_it_may_is_terminal(state: MemoryState) -> None:
    """Mended: the baseline gave up at the first failure, the later runtime after its retries."""
    for attempt in range(ATTEMPTS_MAX):
        claimed_of(state, f"token-{attempt}")
        fail(state, f"token-{attempt}", reason="the model is gone")
        state.clock.advance(3_600_000)

    assert claim_of(state, "last") == SkippedTerminalFailure(reason="the model is gone")


def test_claims_that_were_given_back_are_not_held_against_a_job(state: MemoryState) -> None:
    """Beyond both: an orderly stop gives an unfinished claim back."""
    for number in range(ATTEMPTS_MAX + 1):
        claimed_of(state, f"token-{number}")
        state.ask(ReleaseExtraction(token=OwnershipToken(f"token-{number}")))

    assert isinstance(claim_of(state, "last"), ExtractionClaimed)


@pytest.mark.parametrize("running_max", [0, 1])
def test_no_more_jobs_run_than_the_cap_allows_over_all_processes(state: MemoryState, running_max: int) -> None:
    """Mended, as in the later runtime: the cap is counted inside the claim. The later runtime answers SkippedRunning
    for it; here it has its own name."""
    index(state, facts(2))
    if running_max:
        claimed_of(state, "one", thread_id(2), process="process-2", running_max=running_max)
    before = state.tables()

    assert claim_of(state, "two", running_max=running_max) == SkippedCapacity()
    assert claim_of(state, "two", scope=TEAM, running_max=running_max) == SkippedCapacity(), "and makes no row"
    assert claim(state, "two", running_max=running_max) == ExtractionCapacityReached()
    assert state.tables() == before
    assert isinstance(claim_of(state, "two", running_max=running_max + 1), ExtractionClaimed)


def test_stale_jobs_do_not_count_against_the_cap(state: MemoryState) -> None:
    """Later runtime: other rows count while lease_until > now."""
    index(state, facts(2))
    claimed_of(state, "one", thread_id(2), lease_ms=LEASE_MS)
    state.clock.advance(LEASE_MS - 1)
    assert claim_of(state, "two", running_max=1) == SkippedCapacity()
    state.clock.advance(1)

    assert isinstance(claim_of(state, "two", running_max=1), ExtractionClaimed)


def test_jobs_of_another_boot_do_not_count_against_the_cap(state: MemoryState) -> None:
    """Beyond both: a restart of the machine ends every lease."""
    index(state, facts(2))
    claimed_of(state, "one", thread_id(2))
    state.clock.reboot()

    assert isinstance(claim_of(state, "two", running_max=1), ExtractionClaimed)


def test_job_that_is_taken_over_does_not_count_against_itself(state: MemoryState) -> None:
    """Later runtime: the number of OTHER running rows is compared with the cap."""
    claimed_of(state, "one", running_max=1)

    assert claimed_of(state, "two", running_max=1, stale_after_ms=0).attempt == 2
