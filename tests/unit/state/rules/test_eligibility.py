"""Which threads are extracted now, and why the others wait. Ages are compared inclusively."""

from typing import Any

import attrs
import pytest

from config.settings import ExtractionSettings
from state.messages.extraction import (
    Eligibility,
    ExtractionClaimed,
    FailureClass,
    GetExtractionTotals,
    NothingToExtract,
)
from tests.fakes.extraction import EMPTY, EVERYTHING, claim, claimed, draft, fail, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id

IDLE_MS, AGE_MS_MAX = 1_000, 5_000
SOON = Eligibility(sources=("cli", "atlas"), idle_ms=IDLE_MS, age_ms_max=AGE_MS_MAX)


def at_age(state: MemoryState, age_ms: int) -> None:
    """Let the made-up content be this old."""
    state.clock.wall_ms = CONTENT_AT_MS + age_ms


def waiting(state: MemoryState, eligibility: Eligibility = SOON) -> dict[str, int]:
    """Why the jobs that wait are not claimed."""
    return state.ask(GetExtractionTotals(eligibility=eligibility)).waiting_by_reason


@pytest.mark.parametrize(
    ("age_ms", "reason"),
    [
        (IDLE_MS - 1, "not idle long enough"),
        (IDLE_MS, "ready"),
        (IDLE_MS + 1, "ready"),
        (AGE_MS_MAX - 1, "ready"),
        (AGE_MS_MAX, "ready"),
        (AGE_MS_MAX + 1, "too old"),
    ],
)
def test_content_is_claimed_from_its_idle_age_to_its_greatest_age_both_included(
    state: MemoryState, age_ms: int, reason: str
) -> None:
    index(state, facts(1))
    at_age(state, age_ms)

    assert waiting(state) == {reason: 1}
    assert isinstance(claim(state, "one", eligibility=SOON), ExtractionClaimed) is (reason == "ready")


def test_without_a_greatest_age_nothing_is_too_old(state: MemoryState) -> None:
    index(state, facts(1, content_at_ms=0))
    forever = attrs.evolve(SOON, age_ms_max=None)

    assert waiting(state, forever) == {"ready": 1}
    assert isinstance(claim(state, "one", eligibility=forever), ExtractionClaimed)


@pytest.mark.parametrize(
    ("source", "chosen"),
    [
        ("cli", True),
        ('{"custom":"atlas"}', True),
        ("atlas", True),
        ("exec", False),
        ('{"custom":"other"}', False),
        ('{"subagent":"review"}', False),
        ("CLI", False),
        ("", False),
    ],
)
def test_source_is_compared_exactly_and_a_custom_one_by_its_bare_name(
    state: MemoryState, source: str, chosen: bool
) -> None:
    index(state, facts(1, source=source))
    at_age(state, IDLE_MS)

    assert waiting(state) == {"ready" if chosen else f"source {source} is not chosen": 1}
    assert isinstance(claim(state, "one", eligibility=SOON), ExtractionClaimed) is chosen


def test_without_any_source_nothing_is_claimed(state: MemoryState) -> None:
    index(state, facts(1))

    assert claim(state, "one", eligibility=attrs.evolve(EVERYTHING, sources=())) == NothingToExtract(
        next_due_in_ms=None
    )


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"memory_mode": "disabled"}, None, "memory is disabled"),
        ({"memory_mode": "polluted"}, None, "memory is polluted"),
        ({}, "archived_sessions/a.jsonl", "archived"),
    ],
)
def test_archived_threads_and_those_that_nobody_wants_remembered_are_never_claimed(
    state: MemoryState, change: dict[str, Any], path: str | None, reason: str
) -> None:
    index(state, facts(1, **change), path=path)

    assert claim(state, "one") == NothingToExtract(next_due_in_ms=None)
    assert waiting(state, EVERYTHING) == {reason: 1}


def test_job_of_a_dead_owner_is_not_taken_over_when_its_thread_may_no_longer_be_remembered(
    state: MemoryState,
) -> None:
    index(state, facts(1))
    claimed(state, "one", lease_ms=1_000)
    index(state, facts(1, memory_mode="disabled"), size_bytes=200)
    state.clock.advance(1_000)

    assert claim(state, "two") == NothingToExtract(next_due_in_ms=None)

    index(state, facts(1, memory_mode="enabled"), size_bytes=300)
    assert claimed(state, "three").attempt == 2


@pytest.mark.parametrize("source", ["cli", '{"custom":"atlas"}'])
def test_next_job_is_due_when_it_has_been_idle_long_enough(state: MemoryState, source: str) -> None:
    index(state, facts(1, source=source))
    index(state, facts(2, source=source, content_at_ms=CONTENT_AT_MS + 300))
    at_age(state, 0)

    assert claim(state, "one", eligibility=SOON) == NothingToExtract(next_due_in_ms=IDLE_MS)
    at_age(state, IDLE_MS - 1)
    assert claim(state, "one", eligibility=SOON) == NothingToExtract(next_due_in_ms=1)


def test_next_job_is_due_when_both_its_back_off_and_its_idle_time_have_ended(state: MemoryState) -> None:
    index(state, facts(1))
    claimed(state, "one")
    fail(state, "one")
    due_in_ms = state.value("SELECT next_attempt_at_ms FROM extraction_jobs") - state.clock.wall_ms

    assert claim(state, "two") == NothingToExtract(next_due_in_ms=due_in_ms)
    assert waiting(state, EVERYTHING) == {"waiting to be tried again": 1}


def test_nothing_is_due_where_nothing_waits(state: MemoryState) -> None:
    assert claim(state, "one") == NothingToExtract(next_due_in_ms=None)


def test_totals_count_every_job_by_its_status(state: MemoryState) -> None:
    for number in range(1, 7):
        index(state, facts(number))
    order = [thread_id(number) for number in range(6, 0, -1)]
    assert [claimed(state, f"token-{number}").thread_id for number in range(5)] == order[:5]
    finish(state, "token-0", draft())
    finish(state, "token-1", EMPTY)
    fail(state, "token-2")
    fail(state, "token-3", FailureClass.PERMANENT)

    assert state.ask(GetExtractionTotals(eligibility=EVERYTHING)).jobs_by_status == {
        "pending": 1,
        "running": 1,
        "succeeded": 1,
        "empty": 1,
        "retry": 1,
        "dead": 1,
    }


def test_settings_say_what_is_eligible() -> None:
    settings = ExtractionSettings(sources=("cli",), min_rollout_idle_hours=0.5, max_rollout_age_days=2)

    assert Eligibility.from_settings(settings) == Eligibility(
        sources=("cli",), idle_ms=1_800_000, age_ms_max=172_800_000
    )
    assert Eligibility.from_settings(ExtractionSettings()).age_ms_max is None
