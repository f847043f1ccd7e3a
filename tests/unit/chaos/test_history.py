"""The judge of histories: it believes what can be true, and nothing else."""

from typing import Any

import pytest

from chaos.history import Finding, Law
from chaos.operations import Answer
from state.messages.extraction import DeadLettered, RetryScheduled
from state.messages.leases import NotOwner
from tests.fakes.readings import thread_id
from tests.fakes.told_history import ToldHistory, end


@pytest.fixture
def told() -> ToldHistory:
    """A history in which nothing has happened yet."""
    return ToldHistory()


def laws(findings: list[Finding]) -> list[Law]:
    """Which laws are broken."""
    return [finding.law for finding in findings]


NO_ORDER = [Law.NO_ORDER]


def test_nothing_happened_and_the_row_says_so(told: ToldHistory) -> None:
    assert told.findings(end("pending", fencing_number=0)) == []
    assert laws(told.findings(end("succeeded", fencing_number=0))) == NO_ORDER


def test_job_that_was_claimed_renewed_and_finished_is_believed(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.renew("a", 20, 21, until=80)
    told.finish("a", 70, 71)

    assert told.findings(end("succeeded", saved="a")) == []


def test_row_must_be_what_the_last_answer_made_it(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 4)

    assert laws(told.findings(end("running", attempts=1, token="a"))) == NO_ORDER
    assert laws(told.findings(end("succeeded", saved="b"))) == NO_ORDER
    assert laws(told.findings(end("succeeded", saved=None))) == NO_ORDER
    assert laws(told.findings(end("succeeded", saved="a", fencing_number=2))) == [Law.NO_ORDER, Law.MORE_CLAIMS]


def test_claim_that_a_capacity_refused_says_nothing_of_the_job_that_its_token_gets_later(told: ToldHistory) -> None:
    told.claim("b", 1, 2, fencing=1)
    told.full("a", 3, 4)
    told.claim("a", 70, 71, fencing=2, attempt=2)

    assert told.findings(end("running", attempts=2, token="a", fencing_number=2)) == []


def test_two_accepted_ends_of_one_claim_are_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 5)
    told.finish("a", 4, 6)

    assert laws(told.findings()) == NO_ORDER


def test_end_that_is_asked_twice_is_accepted_once_and_refused_once(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 5)
    told.finish("a", 4, 6, NotOwner())

    assert told.findings(end("succeeded", saved="a")) == []


def test_steal_before_the_lease_ended_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("b", 59, 60, fencing=2, attempt=2)

    assert laws(told.findings()) == NO_ORDER


def test_steal_at_the_very_end_of_the_lease_is_believed(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("b", 60, 61, fencing=2, attempt=2)

    assert told.findings() == []


def test_steal_after_a_renewal_waits_for_the_renewed_lease(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.renew("a", 50, 51, until=110)
    told.claim("b", 70, 71, fencing=2, attempt=2)

    assert laws(told.findings()) == NO_ORDER


@pytest.mark.parametrize("late", ["renew", "finish", "release", "fail"])
def test_late_owner_whose_token_is_accepted_after_a_steal_is_rejected(told: ToldHistory, late: str) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("b", 70, 71, fencing=2, attempt=2)
    more: dict[str, Any] = {"renew": {"until": 140}, "fail": {"answer": RetryScheduled(next_attempt_at_ms=110_000)}}
    getattr(told, late)("a", 80, 81, **more.get(late, {}))

    assert laws(told.findings()) == NO_ORDER


def test_late_owner_that_is_refused_is_believed(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("b", 70, 71, fencing=2, attempt=2)
    told.finish("a", 80, 81, NotOwner())
    told.renew("a", 80, 81, until=None)

    assert told.findings(end("running", attempts=2, fencing_number=2, token="b")) == []


def test_owner_that_is_refused_although_nobody_stole_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 4, NotOwner())

    assert laws(told.findings()) == NO_ORDER


def test_late_renewal_before_any_steal_is_believed(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.renew("a", 100, 101, until=160)
    told.finish("a", 150, 151)

    assert told.findings(end("succeeded", saved="a")) == []


@pytest.mark.parametrize("fencing", [1, 3])
def test_fencing_number_that_is_used_again_or_skips_one_is_rejected(told: ToldHistory, fencing: int) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.release("a", 3, 4)
    told.claim("b", 5, 6, fencing=fencing, attempt=2)

    assert Law.NO_ORDER in laws(told.findings())


def test_fencing_numbers_that_go_back_are_rejected(told: ToldHistory) -> None:
    told.claim("a", 5, 6, fencing=1)
    told.release("a", 7, 8)
    told.claim("b", 1, 2, fencing=2, attempt=2)
    told.release("b", 3, 4)

    assert laws(told.findings()) == NO_ORDER


def test_attempts_are_the_claims(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.bury_process("process-1", 3, 4)
    told.claim("b", 5, 6, fencing=2, attempt=1)

    assert laws(told.findings()) == NO_ORDER


def test_claim_that_is_asked_again_with_its_token_is_granted_again(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("a", 3, 4, fencing=1)
    told.finish("a", 5, 6)

    assert told.findings(end("succeeded", saved="a")) == []


def test_two_claims_at_a_time_get_one_job_only_once(told: ToldHistory) -> None:
    told.claim("a", 1, 5, fencing=1)
    told.claim("b", 2, 4, fencing=1)

    assert laws(told.findings()) == NO_ORDER


def test_what_is_asked_at_one_time_may_have_been_done_in_any_order(told: ToldHistory) -> None:
    told.claim("b", 1, 9, fencing=2, attempt=2)
    told.release("a", 1, 9)
    told.claim("a", 1, 9, fencing=1)

    assert told.findings(end("running", attempts=2, given_back=1, fencing_number=2, token="b")) == []


def test_lost_finish_may_have_been_done_or_not(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, None, Answer.LOST)

    assert told.findings(end("succeeded", saved="a")) == []
    assert told.findings(end("running", attempts=1, token="a")) == []
    assert laws(told.findings(end("pending", attempts=1))) == NO_ORDER


def test_lost_finish_is_done_at_most_once(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, None, Answer.LOST)
    told.finish("a", 4, 5)
    assert told.findings(end("succeeded", saved="a")) == []

    told.release("a", 6, 7)
    assert laws(told.findings()) == NO_ORDER


def test_lost_finish_has_no_effect_after_its_process_is_known_to_be_dead(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 4, Answer.LOST)
    told.renew("a", 5, 6, until=66)

    assert told.findings(end("running", attempts=1, token="a")) == []
    assert laws(told.findings(end("succeeded", saved="a"))) == NO_ORDER


def test_lost_claim_explains_one_fencing_number_and_not_two(told: ToldHistory) -> None:
    told.claim("lost", 1, None, process="process-9")
    told.bury_process("process-9", 3, 4)
    told.claim("a", 5, 6, fencing=2, attempt=2)
    told.finish("a", 7, 8)
    assert told.findings(end("succeeded", fencing_number=2, saved="a")) == []

    other = thread_id(2)
    told.claim("b", 5, 6, fencing=2, attempt=2, job=other)
    both = laws(told.findings(None, other))
    assert both == [Law.MORE_CLAIMS]


def test_lease_counts_from_the_claim_whose_answer_was_lost(told: ToldHistory) -> None:
    told.claim("a", 1, 2)
    told.claim("a", 50, 51, fencing=1)
    told.claim("b", 61, 62, fencing=2, attempt=2)

    assert told.findings() == []


def test_cancelled_request_that_had_an_effect_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 4, Answer.WITHDRAWN)

    assert told.findings(end("running", attempts=1, token="a")) == []
    assert laws(told.findings(end("succeeded", saved="a"))) == NO_ORDER


def test_dead_process_is_robbed_and_its_token_is_dead(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.bury_process("process-1", 3, 4)
    told.finish("a", 5, 6, NotOwner())
    told.claim("b", 7, 8, fencing=2, attempt=2, process="process-2")
    told.finish("b", 9, 10)

    assert told.findings(end("succeeded", fencing_number=2, saved="b")) == []


def test_returning_what_another_process_held_frees_nothing(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.bury_process("process-2", 3, 4)
    told.claim("b", 5, 6, fencing=2, attempt=2)

    assert laws(told.findings()) == NO_ORDER


def test_failed_job_waits_and_is_not_claimed_before_its_time(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.fail("a", 3, 3, RetryScheduled(next_attempt_at_ms=33_000))
    told.claim("b", 31, 32, fencing=2, attempt=2)

    assert laws(told.findings()) == NO_ORDER


def test_failed_job_is_claimed_when_its_time_has_come(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.fail("a", 3, 3, RetryScheduled(next_attempt_at_ms=33_000))
    told.claim("b", 33, 33, fencing=2, attempt=2)

    assert told.findings() == []


def test_wait_that_is_not_the_back_off_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.fail("a", 3, 3, RetryScheduled(next_attempt_at_ms=4_000))

    assert laws(told.findings()) == NO_ORDER


def test_job_is_given_up_at_its_fifth_failure_and_not_before(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.fail("a", 3, 4, DeadLettered())
    assert laws(told.findings()) == NO_ORDER


def test_job_whose_owners_died_five_times_is_buried_by_whoever_claims_next(told: ToldHistory) -> None:
    for number in range(1, 6):
        told.claim(f"t{number}", number * 10, number * 10 + 1, fencing=number, attempt=number)
        told.bury_process("process-1", number * 10 + 2, number * 10 + 3)
    told.idle(60, 61)

    assert told.findings(end("dead", attempts=5, fencing_number=5)) == []
    told.claim("t6", 70, 71, fencing=6, attempt=6)
    assert laws(told.findings()) == NO_ORDER


def test_job_is_not_buried_while_its_last_owner_holds_it(told: ToldHistory) -> None:
    for number in range(1, 5):
        told.claim(f"t{number}", number * 10, number * 10 + 1, fencing=number, attempt=number)
        told.bury_process("process-1", number * 10 + 2, number * 10 + 3)
    told.claim("t5", 50, 51, fencing=5, attempt=5)
    told.finish("t5", 60, 61, NotOwner())

    assert laws(told.findings()) == NO_ORDER


def test_claim_that_finds_nothing_while_a_job_waits_is_rejected(told: ToldHistory) -> None:
    told.idle(1, 2)

    assert laws(told.findings()) == NO_ORDER
    told.history.idle_claims = False
    assert told.findings() == []


def test_claim_that_finds_nothing_while_the_job_is_held_or_done_is_believed(told: ToldHistory) -> None:
    told.claim("a", 1, 3, fencing=1)
    told.idle(2, 4)
    told.idle(5, 6)
    told.finish("a", 7, 8)
    told.idle(9, 10)

    assert told.findings(end("succeeded", saved="a")) == []


def test_stale_job_that_a_claim_passes_over_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.idle(62, 63)

    assert laws(told.findings()) == NO_ORDER


def test_job_that_grew_while_it_was_in_work_waits_again(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.grow(2, 3, 4)
    told.finish("a", 5, 6)
    assert told.findings(end("pending", saved="a")) == []

    told.claim("b", 7, 8, fencing=2, attempt=1, revision=2)
    assert told.findings(end("running", attempts=1, fencing_number=2, token="b", saved="a")) == []


def test_growing_alone_brings_attempts_back(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.bury_process("process-1", 3, 4)
    told.grow(2, 5, 6)

    assert told.findings(end("pending")) == []
    assert laws(told.findings(end("pending", attempts=1))) == NO_ORDER


def test_token_that_is_granted_two_jobs_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("a", 3, 4, fencing=1, job=thread_id(2))

    assert Law.TWO_JOBS in laws(told.findings(None, thread_id(2)))


def test_token_that_nobody_was_granted_is_never_accepted(told: ToldHistory) -> None:
    told.finish("forged", 1, 2, NotOwner())
    assert told.findings() == []

    told.finish("forged", 3, 4)
    assert laws(told.findings()) == [Law.STRANGE_TOKEN]


def test_job_that_is_not_among_the_rows_is_rejected(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1, job=thread_id(7))

    assert laws(told.findings()) == [Law.UNKNOWN_JOB]


def test_reboot_ends_every_lease_at_once(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.claim("b", 3, 4, fencing=2, attempt=2)
    assert laws(told.findings()) == NO_ORDER

    told.reboot_before(3)
    assert told.findings() == []


def test_finding_tells_a_person_how_far_it_could_be_explained(told: ToldHistory) -> None:
    told.claim("a", 1, 2, fencing=1)
    told.finish("a", 3, 4)
    told.finish("a", 5, 6)

    (finding,) = told.findings()
    assert "2 of 3 operations are explained" in finding.story
    assert "FinishExtraction" in finding.story
