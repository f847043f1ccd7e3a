"""A person's hand in the jobs: retry, release, steal, for extraction jobs and scopes alike."""

from typing import Any

import attrs
import pytest

from state.errors import InvalidRequestError
from state.ids import OwnershipToken, ProcessUuid
from state.messages.consolidation import HOME_SCOPE, ConsolidationClaimed, MarkScopeDirty, RenewConsolidation
from state.messages.extraction import ATTEMPTS_MAX, FailureClass, NothingToExtract, RenewExtraction
from state.messages.job_control import (
    JobFreed,
    JobHeld,
    JobNotRunning,
    JobReopened,
    ReleaseJob,
    RetryJob,
    StealJob,
)
from state.messages.jobs import GetJob, Job, JobFound, JobNotFound
from state.messages.leases import NotOwner, Owner
from state.messages.service import RegisterProcess
from tests.fakes import consolidation, extraction
from tests.fakes.consolidation import SHOP, remember
from tests.fakes.extraction import EMPTY, draft
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

LEASE_MS = 60_000
LIVING, DEAD = ProcessUuid("process-1"), ProcessUuid("process-2")
OWNER = Owner(process=LIVING, worker="worker")
THREAD = f"extraction:{thread_id(1)}"
SCOPE = f"consolidation:cwd:{SHOP.key}"
BOTH = pytest.mark.parametrize("job_id", [THREAD, SCOPE])


@pytest.fixture
def busy(state: MemoryState) -> MemoryState:
    """An extraction and a consolidation in work; both of their possible owners are entered."""
    for process in (LIVING, DEAD):
        state.ask(RegisterProcess(process=process, pid=4711))
    remember(state, 2)
    index(state, facts(1))
    extraction.claimed(state, "token", lease_ms=LEASE_MS)
    consolidation.claimed(state, "scope-token", lease_ms=LEASE_MS)
    return state


def job(state: MemoryState, job_id: str) -> Job:
    """The job as people see it."""
    found = state.ask(GetJob(job_id=job_id))
    assert isinstance(found, JobFound)
    return found.job


def steal(state: MemoryState, job_id: str) -> Any:
    """Take the job from the claim that it shows now."""
    return state.ask(StealJob(job_id=job_id, fencing_number=job(state, job_id).fencing_number))


def claim_again(state: MemoryState, job_id: str) -> Any:
    """Claim the job as its worker does."""
    if job_id == THREAD:
        return extraction.claim(state, "next", process="process-3")
    return consolidation.claim(state, "next", process="process-3")


def is_owner(state: MemoryState, job_id: str) -> bool:
    """Whether the first token is worth something still."""
    if job_id == THREAD:
        reply: Any = state.ask(RenewExtraction(token=OwnershipToken("token"), lease_ms=LEASE_MS))
    else:
        reply = state.ask(RenewConsolidation(token=OwnershipToken("scope-token"), lease_ms=LEASE_MS))
    return not isinstance(reply, NotOwner)


@BOTH
def test_job_in_work_is_not_tried_again(busy: MemoryState, job_id: str) -> None:
    before = busy.tables()

    assert busy.ask(RetryJob(job_id=job_id)) == JobHeld(job_id=job_id, owner=OWNER, lease_left_ms=LEASE_MS)
    assert busy.tables() == before


@BOTH
def test_job_whose_lease_ended_is_released_first_and_tried_again_then(busy: MemoryState, job_id: str) -> None:
    busy.clock.advance(LEASE_MS)

    assert isinstance(busy.ask(RetryJob(job_id=job_id)), JobHeld)
    assert isinstance(busy.ask(ReleaseJob(job_id=job_id)), JobFreed)
    assert isinstance(busy.ask(RetryJob(job_id=job_id)), JobReopened)


def test_dead_letter_lives_again_with_all_its_attempts(busy: MemoryState) -> None:
    extraction.fail(busy, "token", FailureClass.PERMANENT)
    assert job(busy, THREAD).status == "dead"

    assert busy.ask(RetryJob(job_id=THREAD)) == JobReopened(job_id=THREAD, status_before="dead")

    again = job(busy, THREAD)
    assert (again.status, again.attempts, again.given_back, again.reason) == ("pending", 0, 0, None)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert extraction.claimed(busy, f"token-{attempt}").attempt == attempt
        extraction.fail(busy, f"token-{attempt}")
        busy.clock.advance(3_600_000)
    assert job(busy, THREAD).status == "dead"


def test_back_off_of_a_job_ends(busy: MemoryState) -> None:
    extraction.fail(busy, "token", retry_after_ms=86_400_000)

    assert busy.ask(RetryJob(job_id=THREAD)) == JobReopened(job_id=THREAD, status_before="retry")
    assert extraction.claimed(busy, "two").attempt == 1


@pytest.mark.parametrize("result", [draft("use tabs"), EMPTY])
def test_job_that_is_done_is_done_anew_although_its_input_is_the_same(busy: MemoryState, result: Any) -> None:
    extraction.finish(busy, "token", result)
    status = job(busy, THREAD).status

    assert busy.ask(RetryJob(job_id=THREAD)) == JobReopened(job_id=THREAD, status_before=status)

    last = extraction.claimed(busy, "two").last
    assert last is not None, "a memory that is there is known to be there, so half of a session does not replace it"
    assert last.input_digest == ""


def test_retry_never_touches_a_memory(busy: MemoryState) -> None:
    extraction.finish(busy, "token", draft("use tabs"))
    memories = busy.rows("SELECT * FROM memories"), busy.rows("SELECT * FROM memory_notes")

    busy.ask(RetryJob(job_id=THREAD))

    assert (busy.rows("SELECT * FROM memories"), busy.rows("SELECT * FROM memory_notes")) == memories


def test_failed_scope_is_tried_again_at_once(busy: MemoryState) -> None:
    consolidation.fail(busy, "scope-token")

    assert busy.ask(RetryJob(job_id=SCOPE)) == JobReopened(job_id=SCOPE, status_before="retry")
    assert isinstance(claim_again(busy, SCOPE), ConsolidationClaimed)


def test_scope_that_is_done_is_dirty_again_and_takes_no_rest(busy: MemoryState) -> None:
    consolidation.publish(busy, "scope-token")
    busy.ask(MarkScopeDirty(scope=HOME_SCOPE, dirty=False))

    assert busy.ask(RetryJob(job_id=SCOPE)) == JobReopened(job_id=SCOPE, status_before="succeeded")
    found = busy.ask(GetJob(job_id=SCOPE, cooldown_ms=86_400_000))
    assert isinstance(found, JobFound)
    assert found.job.waits_because == "ready"
    assert consolidation.claimed(busy, "two").scope == SHOP


@BOTH
def test_retry_twice_is_retry_once(busy: MemoryState, job_id: str) -> None:
    extraction.fail(busy, "token")
    consolidation.fail(busy, "scope-token")
    busy.ask(RetryJob(job_id=job_id))
    before = busy.tables()

    assert busy.ask(RetryJob(job_id=job_id)) == JobReopened(job_id=job_id, status_before="pending")
    assert busy.tables() == before


@BOTH
def test_release_refuses_while_the_owner_lives_and_its_lease_holds(busy: MemoryState, job_id: str) -> None:
    busy.clock.advance(LEASE_MS - 1)
    before = busy.tables()

    refused = JobHeld(job_id=job_id, owner=OWNER, lease_left_ms=1)
    assert busy.ask(ReleaseJob(job_id=job_id)) == refused
    assert busy.ask(ReleaseJob(job_id=job_id, proven_dead=DEAD)) == refused
    assert busy.tables() == before


@BOTH
@pytest.mark.parametrize("why", ["lease ended", "reboot", "owner is proven dead", "owner is not entered"])
def test_release_frees_what_nobody_works_on(busy: MemoryState, job_id: str, why: str) -> None:
    request = ReleaseJob(job_id=job_id)
    match why:
        case "lease ended":
            busy.clock.advance(LEASE_MS)
        case "reboot":
            busy.clock.reboot()
        case "owner is proven dead":
            request = attrs.evolve(request, proven_dead=LIVING)
        case _:
            busy.rows("DELETE FROM processes WHERE process_uuid = ?", LIVING)

    freed = busy.ask(request)

    assert isinstance(freed, JobFreed)
    assert (freed.job_id, freed.owner) == (job_id, OWNER)
    assert not is_owner(busy, job_id)
    assert job(busy, job_id).status == "pending"
    assert claim_again(busy, job_id).fencing_number == 2
    assert busy.ask(ReleaseJob(job_id=job_id)) != freed, "the next claim is released only on grounds of its own"


def test_job_that_kills_its_worker_ends_as_a_dead_letter_though_it_is_released_each_time(busy: MemoryState) -> None:
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert job(busy, THREAD).attempts == attempt
        busy.ask(ReleaseJob(job_id=THREAD, proven_dead=LIVING))
        claimed = extraction.claim(busy, f"token-{attempt}")

    assert isinstance(claimed, NothingToExtract)
    assert job(busy, THREAD).status == "dead"


@BOTH
def test_steal_takes_a_job_from_a_living_owner(busy: MemoryState, job_id: str) -> None:
    assert steal(busy, job_id) == JobFreed(job_id=job_id, owner=OWNER, lease_left_ms=LEASE_MS)

    assert not is_owner(busy, job_id)
    assert claim_again(busy, job_id).fencing_number == 2


def test_late_owner_of_a_stolen_job_saves_nothing(busy: MemoryState) -> None:
    steal(busy, THREAD)
    steal(busy, SCOPE)
    before = busy.tables()

    assert extraction.finish(busy, "token", draft("use tabs")) == NotOwner()
    assert extraction.fail(busy, "token") == NotOwner()
    assert consolidation.publish(busy, "scope-token") == NotOwner()
    assert busy.tables() == before


def test_steal_is_not_held_against_the_job(busy: MemoryState) -> None:
    for attempt in range(3 * ATTEMPTS_MAX):
        steal(busy, THREAD)
        extraction.claimed(busy, f"token-{attempt}")

    assert job(busy, THREAD).attempts - job(busy, THREAD).given_back == 1


@BOTH
def test_steal_leaves_a_later_claim_alone(busy: MemoryState, job_id: str) -> None:
    request = StealJob(job_id=job_id, fencing_number=1)
    busy.ask(request)
    claim_again(busy, job_id)
    before = busy.tables()

    held = busy.ask(request)

    assert isinstance(held, JobHeld)
    assert held.owner.process == "process-3"
    assert busy.tables() == before


@BOTH
def test_what_nobody_works_on_is_neither_released_nor_stolen(busy: MemoryState, job_id: str) -> None:
    steal(busy, job_id)
    before = busy.tables()

    assert busy.ask(ReleaseJob(job_id=job_id)) == JobNotRunning(job_id=job_id, status="pending")
    assert steal(busy, job_id) == JobNotRunning(job_id=job_id, status="pending")
    assert busy.tables() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda job_id: RetryJob(job_id=job_id),
        lambda job_id: ReleaseJob(job_id=job_id),
        lambda job_id: StealJob(job_id=job_id, fencing_number=1),
    ],
)
def test_unknown_and_ambiguous_ids_change_nothing(busy: MemoryState, make: Any) -> None:
    before = busy.tables()

    assert busy.ask(make("extraction:nobody")) == JobNotFound()
    assert len(busy.ask(make("0199")).similar) == 2
    assert busy.tables() == before
    with pytest.raises(InvalidRequestError, match="job_id must be a text that is not empty"):
        make(" ")


@pytest.mark.parametrize("number", [-1, True, 1.0, 2**63, None])
def test_fencing_number_is_a_whole_number(number: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"StealJob\.fencing_number"):
        StealJob(job_id="x", fencing_number=number)


@BOTH
@pytest.mark.parametrize("damage", ["owner_process = NULL", "lease_until_boot_ms = NULL", "lease_boot_id = NULL"])
def test_half_a_lease_is_put_right_by_a_release(busy: MemoryState, job_id: str, damage: str) -> None:
    table = "extraction_jobs" if job_id == THREAD else "scopes"
    busy.rows(f"UPDATE {table} SET {damage} WHERE ownership_token IS NOT NULL")

    assert isinstance(busy.ask(ReleaseJob(job_id=job_id)), JobFreed)
    assert job(busy, job_id).status == "pending"
    assert (job(busy, job_id).owner, job(busy, job_id).lease_left_ms) == (None, None)


@pytest.mark.parametrize("status", ["bogus", "", "RUNNING"])
def test_status_that_is_none_is_shown_and_put_right_by_a_retry(busy: MemoryState, status: str) -> None:
    extraction.fail(busy, "token")
    busy.rows("PRAGMA ignore_check_constraints = ON")
    busy.rows("UPDATE extraction_jobs SET status = ? WHERE thread_id = ?", status, thread_id(1))
    busy.rows("PRAGMA ignore_check_constraints = OFF")

    assert job(busy, THREAD).status == status
    assert busy.ask(RetryJob(job_id=THREAD)) == JobReopened(job_id=THREAD, status_before=status)
    assert extraction.claimed(busy, "two").thread_id == thread_id(1)


def test_running_job_without_a_token_is_put_right_by_a_release_or_a_retry(busy: MemoryState) -> None:
    busy.rows("PRAGMA ignore_check_constraints = ON")
    busy.rows("UPDATE extraction_jobs SET ownership_token = NULL WHERE thread_id = ?", thread_id(1))
    busy.rows("PRAGMA ignore_check_constraints = OFF")

    freed = busy.ask(ReleaseJob(job_id=THREAD))
    assert isinstance(freed, JobFreed)
    assert job(busy, THREAD).status == "pending"
