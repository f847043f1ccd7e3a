"""What counts as an attempt, and how long what failed must wait: for every order of the ways in which work ends."""

from hypothesis import given
from hypothesis import strategies as st

from state.ids import OwnershipToken, ProcessUuid
from state.messages.consolidation import ConsolidationClaimed
from state.messages.extraction import (
    ATTEMPTS_MAX,
    DeadLettered,
    ExtractionClaimed,
    FailureClass,
    ReleaseExtraction,
    RetryScheduled,
)
from state.messages.service import ReturnLeases
from state.rules.backoff import backoff_ms
from tests.fakes import consolidation, extraction
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index

LEASE_MS = 60_000

ENDS = ["fails", "fails", "fails", "outage", "given back", "owner dies", "lease ends", "grows and fails"]


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=4 * ATTEMPTS_MAX))
def test_job_ends_as_a_dead_letter_after_exactly_so_many_attempts_of_the_same_content(ends: list[str]) -> None:
    state = MemoryState()
    index(state, facts(1))
    lost = outages = 0
    for number, end in enumerate(ends):
        token = OwnershipToken(f"token-{number}")
        reply = extraction.claim(state, token, lease_ms=LEASE_MS)
        if lost == ATTEMPTS_MAX:
            assert not isinstance(reply, ExtractionClaimed)
            assert state.value("SELECT status FROM extraction_jobs") == "dead"
            break
        assert isinstance(reply, ExtractionClaimed)
        lost += 1
        match end:
            case "given back":
                state.ask(ReleaseExtraction(token=token))
                lost, outages = lost - 1, outages + 1
                continue
            case "owner dies":
                state.ask(ReturnLeases(process=ProcessUuid("process-1")))
                continue
            case "lease ends":
                state.clock.advance(LEASE_MS)
                continue
            case "outage":
                failed = extraction.fail(state, token, FailureClass.UNAVAILABLE)
                lost, outages = lost - 1, outages + 1
                wait_ms = backoff_ms(lost + outages, 1000)
            case "grows and fails":
                index(state, facts(1, content_digest=f"digest of {number}"), size_bytes=200 + number)
                failed = extraction.fail(state, token)
                wait_ms, lost, outages = backoff_ms(lost, 1000), 0, 0
            case _:
                failed = extraction.fail(state, token)
                wait_ms = backoff_ms(lost, 1000)
                if lost == ATTEMPTS_MAX:
                    assert failed == DeadLettered()
                    continue
        assert failed == RetryScheduled(next_attempt_at_ms=state.clock.wall_ms + wait_ms)
        state.clock.advance(wait_ms - 1)
        assert not isinstance(extraction.claim(state, "too early"), ExtractionClaimed)
        state.clock.advance(1)
    state.close()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_scope_waits_longer_after_each_failure_whatever_arrives_meanwhile(arrivals: list[int]) -> None:
    """Each number says how many memories arrive during the work and again during the wait."""
    state = MemoryState()
    consolidation.remember(state, 1)
    remembered = 0
    for failures, arriving in enumerate(arrivals, start=1):
        token = f"token-{failures}"
        assert isinstance(consolidation.claim(state, token), ConsolidationClaimed)
        for _ in range(arriving):
            consolidation.remember(state, 1, text=f"wish {(remembered := remembered + 1)}")

        failed = consolidation.fail(state, token)

        wait_ms = backoff_ms(failures, 1000)
        assert failed == RetryScheduled(next_attempt_at_ms=state.clock.wall_ms + wait_ms)
        for _ in range(arriving):
            consolidation.remember(state, 1, text=f"wish {(remembered := remembered + 1)}")
        state.clock.advance(wait_ms - 1)
        assert not isinstance(consolidation.claim(state, "too early"), ConsolidationClaimed)
        state.clock.advance(1)
    state.close()
