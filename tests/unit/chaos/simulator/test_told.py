"""What services were told, and whether it can be."""

from chaos.operations import Answer
from chaos.rows import Job, Lease, Rows
from chaos.simulator.clock import JumpingClock, Machine
from chaos.simulator.told import Answers
from state.errors import OutcomeUnknownError, StoreBusyError
from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
from state.messages.extraction import ClaimExtraction, Eligibility, ExtractionClaimed
from state.messages.leases import ClaimTerms, Owner
from state.messages.service import ListProcesses

NO_ROWS = Rows(leases={}, jobs={}, scopes={}, memories={}, revisions={}, files={}, processes=frozenset())


def rows(lease: Lease, *, revision: int = 1, attempts: int) -> Rows:
    """One job that runs."""
    return Rows(
        leases={("extraction", "thread"): lease},
        jobs={"thread": Job("running", attempts, 0, revision, None, None, None)},
        scopes={},
        memories={},
        revisions={"thread": revision},
        files={},
        processes=frozenset(),
    )


def claim(token: str) -> ClaimExtraction:
    """Somebody asks for a job."""
    terms = ClaimTerms(
        token=OwnershipToken(token), owner=Owner(process=ProcessUuid("ann"), worker="slot"), lease_ms=120_000
    )
    return ClaimExtraction(terms=terms, eligibility=Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None))


def granted(fencing_number: int, attempt: int) -> ExtractionClaimed:
    """What it was told."""
    return ExtractionClaimed(
        thread_id=ThreadId("thread"),
        scope=Scope(kind="cwd", key="/shop"),
        rollout_path="sessions/x.jsonl",
        content_revision=1,
        fencing_number=fencing_number,
        attempt=attempt,
        last=None,
    )


def told(*claims: tuple[str, ExtractionClaimed]) -> Answers:
    """One job came, and these claims of it were granted, one after the other, at one time."""
    answers = Answers(Machine(JumpingClock()).instant)
    began = answers.now()
    answers.saw(NO_ROWS, rows(Lease(None, None, None, 0, None, None, None), attempts=0), began)
    for token, reply in claims:
        answered = answers.asked(claim(token), "s1.1")
        assert answered is not None
        answered(reply)
    return answers


def held(token: str, fencing_number: int) -> Lease:
    """The row's lease in the end."""
    return Lease("ann", "slot", token, fencing_number, "boot", 1, 1)


def test_claim_that_the_row_bears_out_makes_sense() -> None:
    assert told(("one", granted(1, 1))).judge(rows(held("one", 1), attempts=1)) is None


def test_job_that_two_were_granted_at_once_makes_none() -> None:
    answers = told(("one", granted(1, 1)), ("two", granted(2, 2)))

    found = answers.judge(rows(held("two", 2), attempts=2))

    assert found is not None
    assert "thread" in found


def test_what_an_exception_says_of_the_effect() -> None:
    assert Answers.of(StoreBusyError("locked")) is Answer.WITHDRAWN
    assert Answers.of(OutcomeUnknownError("who knows")) is Answer.LOST


def test_what_is_not_about_jobs_is_not_taken_down() -> None:
    assert Answers(Machine(JumpingClock()).instant).asked(ListProcesses(), "s1.1") is None
