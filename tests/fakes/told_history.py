"""Histories of one job told by hand, one line an operation: what checkers of histories are checked with."""

from typing import Any

import attrs

from chaos.history import Finding, History
from chaos.job_state import JobEnd, JobState
from chaos.operations import Answer, Grown, Moment, Operation, Recorded
from state.ids import Instant, OwnershipToken, ProcessUuid, ThreadId
from state.messages.extraction import (
    ClaimExtraction,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ExtractionFinished,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import LeasesReturned, ReturnLeases
from tests.fakes.consolidation import SHOP
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, draft
from tests.fakes.memory_state import terms
from tests.fakes.readings import path_of, thread_id

LEASE_MS = 60_000
JOB = thread_id(1)
A_NEW_JOB = JobState()


@attrs.define
class ToldHistory:
    """Tells a history. Every operation lasts from `asked` to `ended`: seconds of both clocks, and their order too.

    A lost one gets the answer Answer.LOST, and an `ended` only where its end is known.
    """

    history: History = attrs.Factory(History)

    def add(self, request: Any, answer: Any, asked: int, ended: int | None) -> None:
        """Add any operation."""
        self.history.operations.append(
            Operation(
                request=request,
                answer=answer,
                asked=moment(asked),
                ended=None if ended is None else moment(ended),
            )
        )

    def claim(
        self, token: str, asked: int, ended: int | None, *, fencing: int = 0, attempt: int = 1, **more: Any
    ) -> None:
        """A claim; granted with this fencing number, or lost (0)."""
        revision, process, job = more.get("revision", 1), more.get("process", "process-1"), more.get("job", JOB)
        granted = ExtractionClaimed(
            thread_id=job,
            scope=SHOP,
            rollout_path=path_of(1),
            content_revision=revision,
            fencing_number=fencing,
            attempt=attempt,
            last=None,
        )
        request = ClaimExtraction(terms=terms(token, process=process, lease_ms=LEASE_MS), eligibility=EVERYTHING)
        self.add(request, granted if fencing else Answer.LOST, asked, ended)

    def idle(self, asked: int, ended: int) -> None:
        """A claim that found nothing."""
        request = ClaimExtraction(terms=terms(f"idle-{asked}"), eligibility=EVERYTHING)
        self.add(request, NothingToExtract(next_due_in_ms=None), asked, ended)

    def full(self, token: str, asked: int, ended: int) -> None:
        """A claim that a capacity refused."""
        request = ClaimExtraction(terms=terms(token), eligibility=EVERYTHING, running_max=1)
        self.add(request, ExtractionCapacityReached(), asked, ended)

    def renew(self, token: str, asked: int, ended: int, *, until: int | None) -> None:
        """A renewal until that second, or a refused one (None)."""
        answer = NotOwner() if until is None else Renewed(lease_until_boot_ms=until * 1000)
        self.add(RenewExtraction(token=OwnershipToken(token), lease_ms=LEASE_MS), answer, asked, ended)

    def finish(self, token: str, asked: int, ended: int | None, answer: Any = None) -> None:
        """A finish that saved something, or was answered otherwise."""
        request = FinishExtraction(
            token=OwnershipToken(token), input_digest="input", extractor=EXTRACTOR, draft=draft(token)
        )
        self.add(request, answer or ExtractionFinished(result=FinishResult.SAVED), asked, ended)

    def fail(self, token: str, asked: int, ended: int, answer: Any) -> None:
        """A failure that another attempt may repair."""
        request = FailExtraction(
            token=OwnershipToken(token), failure=FailureClass.TRANSIENT, reason="it did not work", jitter_permille=1000
        )
        self.add(request, answer, asked, ended)

    def release(self, token: str, asked: int, ended: int, answer: Any = None) -> None:
        """A job that is given back."""
        self.add(ReleaseExtraction(token=OwnershipToken(token)), answer or Released(), asked, ended)

    def bury_process(self, process: str, asked: int, ended: int) -> None:
        """What a dead process held is returned."""
        answer = LeasesReturned(backfills=0, extractions=1, consolidations=0)
        self.add(ReturnLeases(process=ProcessUuid(process)), answer, asked, ended)

    def grow(self, revision: int, asked: int, ended: int) -> None:
        """The thread has new content."""
        self.add(Grown(thread_id=JOB, revision=revision), None, asked, ended)

    def read(self, digest: str, asked: int, ended: int, *, has_work: bool = True) -> None:
        """A reading of the thread's rollout was recorded."""
        request = Recorded(thread_id=JOB, content_digest=digest, has_work=has_work)
        self.add(request, Answer.DONE, asked, ended)

    def reboot_before(self, second: int) -> None:
        """Let everything from this second on be of another boot."""
        for place, one in enumerate(self.history.operations):
            assert one.ended is not None
            if one.asked.order >= second:
                self.history.operations[place] = attrs.evolve(
                    one, asked=_in_boot_2(one.asked), ended=_in_boot_2(one.ended)
                )

    def findings(self, end: JobEnd | None = None, *others: ThreadId, start: JobState = A_NEW_JOB) -> list[Finding]:
        """What is wrong with it, when there are these other jobs too."""
        return self.history.judge({JOB: (start, end), **{other: (JobState(), None) for other in others}})


def moment(second: int) -> Moment:
    """A second, on every clock."""
    return Moment(order=second, at=Instant(wall_ms=second * 1000, boot_ms=second * 1000, boot_id="boot-1"))


def end(status: str, **columns: Any) -> JobEnd:
    """How a row stands in the end; `columns` say what is not zero."""
    plain: dict[str, Any] = {"attempts": 0, "given_back": 0, "fencing_number": 1, "token": None, "saved": None}
    return JobEnd(status=status, **{**plain, **columns})


def _in_boot_2(moment: Moment) -> Moment:
    return attrs.evolve(moment, at=attrs.evolve(moment.at, boot_id="boot-2"))
