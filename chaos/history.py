"""What many askers asked of extraction jobs and were answered, and whether that can be the truth.

    history.operations -> one history a job -> is there an order of the operations, each somewhere between its asking
    and its answer, in which `chaos.job_model` gives every one of these answers, and ends as the row says?

A reply that was lost leaves its request in doubt: it may have had its effect at any moment until `ended`, or never. A
request that was withdrawn had none, so the others must make sense without it. Pure: no clock, no store, no test tools.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import attrs

from chaos.job_commands import Command, job_of
from chaos.job_model import JobModel
from chaos.job_state import JobEnd, JobState
from chaos.linearize import Unexplained, explain
from chaos.operations import Answer, Grown, Operation, Recorded
from state.ids import ThreadId
from state.messages.base import Request
from state.messages.extraction import (
    ClaimExtraction,
    ExtractionCapacityReached,
    ExtractionClaimed,
    FailExtraction,
    FinishExtraction,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.leases import NotOwner
from state.messages.service import ReturnLeases


class Law(Enum):
    """What a finding breaks."""

    NO_ORDER = "no order of the operations explains the answers and the row"
    TWO_JOBS = "one token was granted two jobs"
    STRANGE_TOKEN = "a token that nobody was granted was accepted"  # a sentence, not a secret
    MORE_CLAIMS = "a row counts more claims than anybody can have asked"
    UNKNOWN_JOB = "a job was granted that is not among the rows"


@attrs.frozen(kw_only=True)
class Finding:
    """A law that a history breaks; `story` is for people."""

    law: Law
    job: ThreadId | None
    story: str


@attrs.define(kw_only=True)
class History:
    """Operations in no particular order, gathered from any number of recorders.

    Attributes:
      idle_claims: a claim that found nothing says of every job that it could not be claimed. Switch it off where a
        claim may pass over jobs for a reason that the model does not know, or where there are very many claims.
    """

    operations: list[Operation] = attrs.Factory(list)
    idle_claims: bool = True

    def judge(self, jobs: Mapping[ThreadId, tuple[JobState, JobEnd | None]]) -> list[Finding]:
        """Every law that is broken.

        Args:
          jobs: of each job its state before the first operation, and how its row stands after the last one (None: not
            known). Jobs that nobody touched may be among them, and their rows must say so.
        """
        owners, findings = self._owners()
        findings += [
            Finding(law=Law.UNKNOWN_JOB, job=job, story="") for job in sorted(set(owners.values()) - set(jobs))
        ]
        findings += self._strange_tokens(owners)
        adrift = [
            (one.request.terms.token, one)
            for one in self.operations
            if isinstance(one.request, ClaimExtraction) and one.answer is Answer.LOST
        ]
        untold = self._untold(jobs)
        holes_total = sum(map(len, untold.values()))
        by_job = self._by_job(owners, jobs, untold)
        told_tokens = frozenset(owners)
        for job, (start, end) in jobs.items():
            model = JobModel(end=end, untold=untold[job], told_tokens=told_tokens)
            try:
                # Even without a hole: what was told of a claim may be the second answer to it, and its lease older.
                lost = [one for token, one in adrift if untold[job] or owners.get(token) == job]
                explain(by_job[job] + lost, start, model.after, model.is_end)
            except Unexplained as unexplained:
                findings.append(Finding(law=Law.NO_ORDER, job=job, story=f"{unexplained}\n  row: {end}"))
        if holes_total > len(adrift):
            story = f"{holes_total} claims are counted that were answered to nobody; {len(adrift)} lost their answer"
            findings.append(Finding(law=Law.MORE_CLAIMS, job=None, story=story))
        return findings

    def _owners(self) -> tuple[dict[str, ThreadId], list[Finding]]:
        """Which job each token was granted."""
        owners: dict[str, ThreadId] = {}
        findings = []
        for operation in self.operations:
            if isinstance(operation.request, ClaimExtraction) and isinstance(operation.answer, ExtractionClaimed):
                token, job = operation.request.terms.token, operation.answer.thread_id
                if owners.setdefault(token, job) != job:
                    findings.append(Finding(law=Law.TWO_JOBS, job=job, story=f"{token}: {owners[token]} and {job}"))
        return owners, findings

    def _strange_tokens(self, owners: Mapping[str, ThreadId]) -> list[Finding]:
        return [
            Finding(law=Law.STRANGE_TOKEN, job=None, story=str(operation))
            for operation in self.operations
            if (token := shown_token(operation.request)) is not None
            and token not in owners
            and not isinstance(operation.answer, Answer | NotOwner)
        ]

    def _untold(self, jobs: Mapping[ThreadId, tuple[JobState, JobEnd | None]]) -> dict[ThreadId, frozenset[int]]:
        """Of each job the fencing numbers that nobody was told: claims that were granted and whose answer was lost."""
        told: dict[ThreadId, set[int]] = {job: set() for job in jobs}
        for operation in self.operations:
            answer = operation.answer
            if isinstance(answer, ExtractionClaimed) and answer.thread_id in told:
                told[answer.thread_id].add(answer.fencing_number)
        untold = {}
        for job, (start, end) in jobs.items():
            last = max([*told[job], start.fencing_number, end.fencing_number if end is not None else 0])
            untold[job] = frozenset(range(start.fencing_number + 1, last + 1)) - told[job]
        return untold

    def _by_job(
        self,
        owners: Mapping[str, ThreadId],
        jobs: Mapping[ThreadId, object],
        untold: Mapping[ThreadId, frozenset[int]],
    ) -> dict[ThreadId, list[Operation]]:
        """What concerns each job, the withdrawn requests left out."""
        by_job: dict[ThreadId, list[Operation]] = {job: [] for job in jobs}
        held_by: dict[str, set[ThreadId]] = {}
        for operation in self.operations:
            if isinstance(operation.request, ClaimExtraction):
                token, process = operation.request.terms.token, operation.request.terms.owner.process
                if _is_adrift(operation):
                    held_by.setdefault(process, set()).update(job for job in jobs if untold[job])
                if token in owners:
                    held_by.setdefault(process, set()).add(owners[token])
        for operation in self.operations:
            for job in self._concerned(operation, owners, held_by, jobs):
                if job in by_job:
                    by_job[job].append(operation)
        return by_job

    def _concerned(
        self,
        operation: Operation,
        owners: Mapping[str, ThreadId],
        held_by: Mapping[str, set[ThreadId]],
        jobs: Mapping[ThreadId, object],
    ) -> Iterable[ThreadId]:
        request = operation.request
        if operation.answer is Answer.WITHDRAWN:
            return ()
        if isinstance(request, ReturnLeases):
            return held_by.get(request.process, ())
        if isinstance(request, Grown | Recorded):
            return (request.thread_id,)
        if isinstance(request, Command):
            job = job_of(request)
            return () if job is None else (job,)
        if isinstance(operation.answer, NothingToExtract):
            return jobs if self.idle_claims else ()
        if _is_adrift(operation) or isinstance(operation.answer, ExtractionCapacityReached):
            return ()
        token = request.terms.token if isinstance(request, ClaimExtraction) else shown_token(request)
        return (owners[token],) if token is not None and token in owners else ()


def _is_adrift(operation: Operation) -> bool:
    """A claim of which nobody was told which job it got, if any. Asked again, its token may have got another one."""
    return isinstance(operation.request, ClaimExtraction) and operation.answer is Answer.LOST


def shown_token(request: Request[Any] | Grown | Recorded) -> str | None:
    """The ownership token that a request shows; None for one that shows none (a claim brings a new one)."""
    if isinstance(request, RenewExtraction | FinishExtraction | FailExtraction | ReleaseExtraction):
        return request.token
    return None
