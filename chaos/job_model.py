"""What one extraction job may do: the laws of leases in a page of Python, beside what the rules do in SQL.

A history tells of each request only between which two moments it was done, so the model holds of each time the
earliest and the latest that it can be, and gives the asker the benefit of that doubt and of no other.
"""

from collections.abc import Iterator
from typing import Any

import attrs

from chaos.job_commands import commanded
from chaos.job_state import ABSENT, UNTOLD, Doubt, JobEnd, JobState, Lease, Span
from chaos.operations import Answer, Grown, Operation, Recorded
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    DeadLettered,
    ExtractionClaimed,
    ExtractionFinished,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.job_control import ReleaseJob, RetryJob, StealJob
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import ReturnLeases
from state.rules.backoff import backoff_ms


@attrs.frozen(kw_only=True)
class JobModel:
    """The functions that `chaos.linearize.explain` wants.

    Attributes:
      end: how the row stands in the end; None: not known.
      untold: the fencing numbers that claims were granted whose answer nobody got; others were told to somebody else.
      told_tokens: claims that somebody was answered, be it when he asked again.

    A claim that takes jobs from living owners (stale_after_ms) is known, but not that it may bury one of theirs.
    """

    end: JobEnd | None = None
    untold: frozenset[int] = frozenset()
    told_tokens: frozenset[str] = frozenset()

    def is_end(self, state: JobState) -> bool:
        """Say whether the row may be this state. A claim that is not of this job may have buried it last."""
        return self.end is None or self._is(state) or (_is_exhausted(state) and self._is(_buried(state)))

    def _is(self, state: JobState) -> bool:
        assert self.end is not None
        saved = UNTOLD if self.end.saved == UNTOLD else state.saved
        return self.end == JobEnd(
            status=state.status,
            attempts=state.attempts,
            given_back=state.given_back,
            fencing_number=state.fencing_number,
            token=state.lease.token if state.lease else None,
            saved=saved,
        )

    def after(self, state: JobState, operation: Operation) -> Iterator[JobState]:
        """What the job may be after the operation was done in this state and answered so; nothing: it cannot have been.

        Any claim, also one that got another job, buries on its way what has no attempts left; so that may have
        happened before whatever comes next.
        """
        yield from self._known(state, _after(state, operation), operation)
        if _is_exhausted(state) and _may_be_free(state, Doubt.of(operation)):
            yield from self._known(state, _after(_buried(state), operation), operation)

    def _known(self, state: JobState, reached: Iterator[JobState], operation: Operation) -> Iterator[JobState]:
        """Leave out what a lost claim cannot have been granted: a number that another one was told."""
        request = operation.request
        is_adrift = isinstance(request, ClaimExtraction) and operation.answer is Answer.LOST
        for one in reached:
            is_granted = one.fencing_number != state.fencing_number
            if is_adrift and is_granted and one.fencing_number not in self.untold:
                assert isinstance(request, ClaimExtraction)
                if request.terms.token not in self.told_tokens:
                    continue
            yield one


def _after(state: JobState, operation: Operation) -> Iterator[JobState]:
    doubt = Doubt.of(operation)
    match operation.request:
        case Grown():
            yield from _grown(state, operation.request)
        case Recorded():
            yield _recorded(state, operation.request)
        case ClaimExtraction():
            yield from _claimed(state, operation.request, operation.answer, doubt)
        case ReturnLeases(process=process):
            held = state.lease is not None and state.lease.process == process
            yield attrs.evolve(state, status="pending", lease=None) if held else state
        case RenewExtraction() | FinishExtraction() | FailExtraction() | ReleaseExtraction() as request:
            if state.lease is None or state.lease.token != request.token:
                if operation.answer in (NotOwner(), Answer.LOST):
                    yield state
                return
            yield from _done_by_owner(state, request, operation.answer, doubt)
        case RetryJob() | ReleaseJob() | StealJob() as request:
            yield from commanded(state, request, operation.answer, doubt)
        case other:
            raise TypeError(f"the model of a job knows no {type(other).__name__}")


def _grown(state: JobState, growth: Grown) -> Iterator[JobState]:
    if growth.revision == state.revision + 1:
        yield _with_new_content(state)


def _recorded(state: JobState, reading: Recorded) -> JobState:
    """What a reading makes of the job. Equal digests mean equal content, which changes nothing."""
    if reading.content_digest != state.content_digest:
        state = attrs.evolve(_with_new_content(state), content_digest=reading.content_digest)
    if state.status == ABSENT and reading.has_work:
        return attrs.evolve(state, status="pending")
    return state


def _with_new_content(state: JobState) -> JobState:
    grown = attrs.evolve(state, revision=state.revision + 1)
    seen = state.claimed_revision if state.claimed_revision is not None else state.done_revision
    if state.status != "running" and seen is not None:
        return attrs.evolve(grown, status="pending", attempts=0, given_back=0, claimed_revision=None, due=None)
    return grown


def _claimed(state: JobState, claim: ClaimExtraction, answer: Any, doubt: Doubt) -> Iterator[JobState]:
    terms = claim.terms
    is_lost = answer is Answer.LOST
    if state.lease is not None and state.lease.token == terms.token:
        told = (state.fencing_number, state.attempts)
        if is_lost or (isinstance(answer, ExtractionClaimed) and told == (answer.fencing_number, answer.attempt)):
            yield state
        return
    if isinstance(answer, NothingToExtract):
        if not _must_be_claimable(state, doubt, terms.stale_after_ms):
            yield state
        return
    if is_lost:
        yield state
    if not _may_be_free(state, doubt, terms.stale_after_ms) or state.spent >= ATTEMPTS_MAX:
        return
    fencing_number = state.fencing_number + 1
    attempts = 1 if state.is_untried else state.attempts + 1
    if not is_lost and (answer.fencing_number, answer.attempt, answer.content_revision) != (
        fencing_number,
        attempts,
        state.revision,
    ):
        return
    yield attrs.evolve(
        state,
        status="running",
        claimed_revision=state.revision,
        attempts=attempts,
        given_back=0 if state.is_untried else state.given_back,
        fencing_number=fencing_number,
        due=None,
        lease=Lease(
            token=terms.token,
            process=terms.owner.process,
            ends=doubt.boot.plus(terms.lease_ms),
            renewed=doubt.boot,
            boots=doubt.boots,
        ),
    )


def _may_be_free(state: JobState, doubt: Doubt, stale_after_ms: int | None = None) -> bool:
    """Say whether a claim may have got the job at some instant of the doubt."""
    if state.status in ("pending", "retry"):
        return state.due is None or state.due.earliest <= doubt.wall.latest
    lease = state.lease
    if state.status != "running" or lease is None:
        return False
    if len(lease.boots | doubt.boots) > 1:
        return True
    if stale_after_ms is not None:
        return lease.renewed.earliest + max(stale_after_ms, 0) <= doubt.boot.latest
    return lease.ends.earliest <= doubt.boot.latest


def _must_be_claimable(state: JobState, doubt: Doubt, stale_after_ms: int | None) -> bool:
    """Say whether a claim was bound to get the job, or to bury it, at any instant of the doubt."""
    if state.status in ("pending", "retry"):
        return state.due is None or state.due.latest <= doubt.wall.earliest
    lease = state.lease
    if state.status != "running" or lease is None:
        return False
    if not lease.boots & doubt.boots:
        return True
    if len(lease.boots | doubt.boots) > 1:
        return False
    if stale_after_ms is not None:
        return lease.renewed.latest + max(stale_after_ms, 0) <= doubt.boot.earliest
    return lease.ends.latest <= doubt.boot.earliest


def _is_exhausted(state: JobState) -> bool:
    return state.status in ("pending", "retry", "running") and state.spent >= ATTEMPTS_MAX


def _buried(state: JobState) -> JobState:
    return attrs.evolve(state, status="dead", lease=None, claimed_revision=state.revision)


OwnersRequest = RenewExtraction | FinishExtraction | FailExtraction | ReleaseExtraction


def _done_by_owner(state: JobState, request: OwnersRequest, answer: Any, doubt: Doubt) -> Iterator[JobState]:
    is_lost = answer is Answer.LOST
    match request:
        case RenewExtraction(lease_ms=lease_ms):
            ends = doubt.boot.plus(lease_ms)
            if isinstance(answer, Renewed):
                said = answer.lease_until_boot_ms
                if not ends.earliest <= said <= ends.latest:
                    return
                ends = Span(earliest=said, latest=said)
            elif not is_lost:
                return
            assert state.lease is not None
            lease = attrs.evolve(state.lease, ends=ends, renewed=ends.plus(-lease_ms), boots=doubt.boots)
            yield attrs.evolve(state, lease=lease)
        case ReleaseExtraction():
            if is_lost or answer == Released():
                yield attrs.evolve(state, status="pending", given_back=state.given_back + 1, lease=None)
        case FinishExtraction():
            yield from _finished(state, request, answer)
        case FailExtraction():
            yield from _failed(state, request, answer, doubt)


def _finished(state: JobState, finish: FinishExtraction, answer: Any) -> Iterator[JobState]:
    is_lost = answer is Answer.LOST
    if not is_lost and not isinstance(answer, ExtractionFinished):
        return
    has_something = finish.draft is not None and bool(finish.draft.raw_memory.strip())
    saved = finish.token if has_something and (is_lost or answer.result is FinishResult.SAVED) else state.saved
    status = "succeeded" if saved is not None else "empty"
    yield attrs.evolve(
        state,
        status="pending" if state.is_untried else status,
        attempts=0,
        given_back=0,
        claimed_revision=None,
        done_revision=state.claimed_revision,
        lease=None,
        saved=saved,
    )


def _failed(state: JobState, fail: FailExtraction, answer: Any, doubt: Doubt) -> Iterator[JobState]:
    grown = state.is_untried
    is_its_own = fail.failure is not FailureClass.UNAVAILABLE
    spent = state.attempts - state.given_back
    dead = not grown and is_its_own and (fail.failure is FailureClass.PERMANENT or spent >= ATTEMPTS_MAX)
    wait_ms = max(backoff_ms(spent if is_its_own else state.attempts, fail.jitter_permille), fail.retry_after_ms or 0)
    due: Span | None = None if dead else doubt.wall.plus(wait_ms)
    if isinstance(answer, RetryScheduled) and due is not None:
        said = answer.next_attempt_at_ms
        if not due.earliest <= said <= due.latest:
            return
        due = Span(earliest=said, latest=said)
    elif answer is not Answer.LOST and not (dead and answer == DeadLettered()):
        return
    yield attrs.evolve(
        state,
        status="dead" if dead else "retry",
        claimed_revision=state.revision,
        attempts=0 if grown else state.attempts,
        given_back=0 if grown else state.given_back + (not is_its_own),
        due=due,
        lease=None,
    )
