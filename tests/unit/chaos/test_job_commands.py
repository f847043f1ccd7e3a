"""The judge of histories knows what a person's hand in the jobs may do, and what readings do, and nothing beyond."""

from typing import Any

import pytest

from chaos.history import Finding, Law
from chaos.job_state import UNKNOWN_THREAD
from chaos.operations import Answer
from state.ids import ProcessUuid
from state.messages.extraction import DeadLettered
from state.messages.job_control import (
    JobFreed,
    JobHeld,
    JobNotRunning,
    JobReopened,
    ReleaseJob,
    RetryJob,
    StealJob,
)
from state.messages.jobs import JobNotFound
from state.messages.leases import NotOwner, Owner
from tests.fakes.told_history import JOB, ToldHistory, end

NAME = f"extraction:{JOB}"
RETRY = RetryJob(job_id=NAME)
RELEASE = ReleaseJob(job_id=NAME)
STEAL = StealJob(job_id=NAME, fencing_number=1)


def owner(process: str = "process-1") -> Owner:
    """Who is said to have had the job."""
    return Owner(process=ProcessUuid(process), worker="worker")


def freed(process: str = "process-1") -> JobFreed:
    """Its claim was ended."""
    return JobFreed(job_id=NAME, owner=owner(process), lease_left_ms=0)


def held(process: str = "process-1") -> JobHeld:
    """Somebody has it."""
    return JobHeld(job_id=NAME, owner=owner(process), lease_left_ms=1)


def reopened(status: str) -> JobReopened:
    """It is done again."""
    return JobReopened(job_id=NAME, status_before=status)


@pytest.fixture
def told() -> ToldHistory:
    """A history in which one claim was granted."""
    told = ToldHistory()
    told.claim("a", 1, 2, fencing=1)
    return told


def laws(findings: list[Finding]) -> list[Law]:
    """Which laws are broken."""
    return [finding.law for finding in findings]


NO_ORDER = [Law.NO_ORDER]


def test_steal_ends_the_claim_and_is_not_held_against_the_job(told: ToldHistory) -> None:
    told.add(STEAL, freed(), 3, 4)
    told.finish("a", 5, 6, NotOwner())
    told.claim("b", 7, 8, fencing=2, attempt=2)

    assert told.findings(end("running", attempts=2, given_back=1, fencing_number=2, token="b")) == []
    assert laws(told.findings(end("running", attempts=2, fencing_number=2, token="b"))) == NO_ORDER


def test_owner_who_was_robbed_by_a_person_and_accepted_is_rejected(told: ToldHistory) -> None:
    told.add(STEAL, freed(), 3, 4)
    told.finish("a", 5, 6)

    assert laws(told.findings()) == NO_ORDER


def test_steal_leaves_a_later_claim_alone(told: ToldHistory) -> None:
    told.release("a", 3, 4)
    told.claim("b", 5, 6, fencing=2, attempt=2, process="process-2")
    told.add(STEAL, held("process-2"), 7, 8)
    assert told.findings() == []

    told.add(STEAL, freed("process-2"), 9, 10)
    assert laws(told.findings()) == NO_ORDER


def test_release_frees_what_a_dead_process_held(told: ToldHistory) -> None:
    told.add(ReleaseJob(job_id=NAME, proven_dead=ProcessUuid("process-1")), freed(), 3, 4)

    assert told.findings(end("pending", attempts=1)) == []
    assert laws(told.findings(end("pending", attempts=1, given_back=1))) == NO_ORDER


def test_release_frees_what_is_late_and_nothing_that_is_held(told: ToldHistory) -> None:
    told.add(RELEASE, held(), 50, 51)
    assert told.findings() == []

    told.add(RELEASE, freed(), 62, 63)
    assert told.findings() == []

    told.claim("b", 64, 65, fencing=2, attempt=2)
    told.add(RELEASE, freed(), 66, 67)
    assert laws(told.findings()) == NO_ORDER


def test_release_that_is_refused_although_the_lease_has_ended_is_rejected(told: ToldHistory) -> None:
    told.add(RELEASE, held(), 70, 71)

    assert laws(told.findings()) == NO_ORDER


def test_answer_names_the_owner_who_was_there(told: ToldHistory) -> None:
    told.add(STEAL, freed("process-2"), 3, 4)

    assert laws(told.findings()) == NO_ORDER


@pytest.mark.parametrize("command", [STEAL, RELEASE])
def test_nobody_is_robbed_where_nobody_works(told: ToldHistory, command: Any) -> None:
    told.finish("a", 3, 4)
    told.add(command, JobNotRunning(job_id=NAME, status="succeeded"), 5, 6)
    assert told.findings() == []

    told.add(command, JobNotRunning(job_id=NAME, status="empty"), 7, 8)
    assert laws(told.findings()) == NO_ORDER


def test_retry_opens_a_dead_letter_with_all_its_attempts() -> None:
    told = ToldHistory()
    for number in range(1, 6):
        told.claim(f"t{number}", number * 10, number * 10 + 1, fencing=number, attempt=number)
        told.bury_process("process-1", number * 10 + 2, number * 10 + 3)
    told.idle(60, 61)
    told.history.idle_claims = False
    told.add(RETRY, reopened("dead"), 62, 63)
    told.claim("again", 64, 65, fencing=6, attempt=1)

    assert told.findings(end("running", attempts=1, fencing_number=6, token="again")) == []
    told.fail("again", 66, 67, DeadLettered())
    assert laws(told.findings()) == NO_ORDER


def test_retry_is_refused_while_somebody_has_the_job(told: ToldHistory) -> None:
    told.add(RETRY, held(), 3, 4)
    assert told.findings() == []

    told.add(RETRY, reopened("running"), 5, 6)
    assert laws(told.findings()) == NO_ORDER


@pytest.mark.parametrize("command", [RETRY, RELEASE, STEAL])
def test_job_that_is_there_is_found(told: ToldHistory, command: Any) -> None:
    told.add(command, JobNotFound(), 3, 4)

    assert laws(told.findings()) == NO_ORDER


def test_command_whose_answer_was_lost_was_obeyed_or_not(told: ToldHistory) -> None:
    told.add(STEAL, Answer.LOST, 3, 4)

    assert told.findings(end("pending", attempts=1, given_back=1)) == []
    assert told.findings(end("running", attempts=1, token="a")) == []
    assert laws(told.findings(end("pending", attempts=1))) == NO_ORDER


def test_readings_make_the_job_and_only_new_content_lets_it_grow() -> None:
    told = ToldHistory()
    told.read("nothing", 1, 2, has_work=False)
    told.add(RETRY, JobNotFound(), 3, 4)
    told.read("one", 5, 6)
    told.read("one", 7, 8)
    told.claim("a", 9, 10, fencing=1, revision=2)
    told.finish("a", 11, 12)
    assert told.findings(end("succeeded", saved="a"), start=UNKNOWN_THREAD) == []

    told.read("two", 13, 14)
    assert told.findings(end("pending", saved="a"), start=UNKNOWN_THREAD) == []
    assert laws(told.findings(end("succeeded", saved="a"), start=UNKNOWN_THREAD)) == NO_ORDER


def test_claim_before_any_reading_is_rejected() -> None:
    told = ToldHistory()
    told.claim("a", 1, 2, fencing=1)
    told.read("one", 3, 4)

    assert laws(told.findings(start=UNKNOWN_THREAD)) == NO_ORDER
