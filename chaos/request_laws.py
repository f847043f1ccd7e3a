"""What one request may do: a small model of each, by rows before and after, beside what the rules do in SQL.

Held wherever a batch had just one request that may change what is owned. The model says how every lease, job and scope
must look afterwards, so that it also sees what a request does to rows that are none of its business. It reads rows,
messages and the clocks of the simulation, and calls nothing of `state.rules`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from chaos.rows import Job, Lease, RowKey, Rows, ScopeState
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    ClaimBackfill,
    FinishBackfill,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.base import Request
from state.messages.consolidation import (
    ClaimConsolidation,
    ClaimScope,
    ConsolidationClaimed,
    ConsolidationPublished,
    FailConsolidation,
    MarkScopeDirty,
    NothingToConsolidate,
    PointCurrent,
    PublishConsolidation,
    ReleaseConsolidation,
    RenewConsolidation,
    ScopeBackingOff,
    ScopeClean,
    ScopeHeld,
)
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    DeadLettered,
    ExtractionClaimed,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.leases import LEASE_MS_MAX, ClaimTerms, NotOwner, Renewed
from state.messages.service import ExplainWorker, RegisterProcess, ReportWorker, ReturnLeases

if TYPE_CHECKING:
    from chaos.laws import Step

BACKOFF_MS = (30_000, 3_600_000)
"""The first wait after a failure and the longest one."""

HOME = "home:"

_ELSEWHERE = (ReportWorker, ExplainWorker, RegisterProcess)
"""Requests that have nothing to do with what the model knows; they may share a batch with one that has."""

_BLANK = ScopeState(0, 0, None, 0, None, 0, None)
_FREE = Lease(None, None, None, 0, None, None, None)


class WrongError(Exception):
    """What a request did cannot be. The text says why."""


@attrs.define
class Expected:
    """How rows must look afterwards, as far as they differ from before.

    Attributes:
      marked: scopes whose inputs mark may have grown by one besides, as it pleases.
      memory: the memory that may have changed.
      reopened: jobs of which nothing is said.
    """

    leases: dict[RowKey, Lease] = attrs.field(factory=dict)
    jobs: dict[str, Job] = attrs.field(factory=dict)
    scopes: dict[str, ScopeState] = attrs.field(factory=dict)
    marked: set[str] = attrs.field(factory=set)
    memory: tuple[str, str] | None = None


@attrs.frozen(kw_only=True)
class Deed:
    """One request, what it was answered, and the rows around it."""

    request: Any
    reply: Any
    before: Rows
    after: Rows
    boot_ms: int
    wall_ms: int
    boot_id: str

    # --- words ----------------------------------------------------------------------------------------------------

    def lease(self, key: RowKey) -> Lease:
        return self.before.leases.get(key, _FREE)

    def held_by(self, kind: str, token: str) -> str | None:
        """The key of the row of this kind that has the token."""
        for (of, key), lease in self.before.leases.items():
            if of == kind and lease.token == token:
                return key
        return None

    def is_over(self, lease: Lease, stale_after_ms: int | None = None) -> bool:
        """Say whether somebody else may have the row: equal means expired."""
        if None in (lease.token, lease.process, lease.until_boot_ms, lease.renewed_boot_ms):
            return True
        assert lease.until_boot_ms is not None and lease.renewed_boot_ms is not None, "just looked at"
        if lease.boot_id != self.boot_id:
            return True
        if stale_after_ms is not None:
            return self.boot_ms - lease.renewed_boot_ms >= max(stale_after_ms, 0)
        return not self.boot_ms < lease.until_boot_ms <= self.boot_ms + LEASE_MS_MAX

    def granted(self, lease: Lease, terms: ClaimTerms) -> Lease:
        """The lease of a claim that is granted now."""
        return Lease(
            process=terms.owner.process,
            worker=terms.owner.worker,
            token=terms.token,
            fencing_number=lease.fencing_number + 1,
            boot_id=self.boot_id,
            until_boot_ms=self.boot_ms + terms.lease_ms,
            renewed_boot_ms=self.boot_ms,
        )

    def renewed(self, lease: Lease, lease_ms: int) -> Lease:
        """The lease after a renewal."""
        until = self.boot_ms + lease_ms
        return lease._replace(boot_id=self.boot_id, until_boot_ms=until, renewed_boot_ms=self.boot_ms)

    def must_be_told(self, number: int) -> None:
        """A claim is answered by the fencing number that its row has."""
        if self.reply.fencing_number != number:
            raise WrongError(f"its claim is number {number}, and it was told {self.reply.fencing_number}")


def freed(lease: Lease) -> Lease:
    """The same row without an owner."""
    return _FREE._replace(fencing_number=lease.fencing_number)


def one_request_does_what_it_says(step: "Step") -> Iterator[str]:
    """A request changes what it says, in its owner's rows, and answers so; one that is refused changes nothing."""
    known = [(request, reply) for request, reply in step.asked if not isinstance(request, _ELSEWHERE)]
    if len(known) != 1 or not step.actor:
        return
    ((request, reply),) = known
    judge = _JUDGES.get(type(request))
    if judge is None or isinstance(reply, BaseException):
        return
    deed = Deed(
        request=request,
        reply=reply,
        before=step.before,
        after=step.after,
        boot_ms=step.boot_ms,
        wall_ms=step.wall_ms,
        boot_id=step.boot_id,
    )
    name = type(request).__name__
    try:
        expected = judge(deed)
        if expected is not None:
            for found in _differences(deed, expected):
                yield f"{name} answered {type(reply).__name__}: {found}"
    except WrongError as wrong:
        yield f"{name} answered {type(reply).__name__}: {wrong}"


def _differences(deed: Deed, expected: Expected) -> Iterator[str]:
    before, after = deed.before, deed.after
    yield from _compared("lease", before.leases, after.leases, expected.leases)
    yield from _compared("job", before.jobs, after.jobs, expected.jobs)
    if before.scopes is not after.scopes or expected.scopes:
        now = dict(after.scopes)
        for scope in expected.marked & now.keys():
            was = expected.scopes.get(scope) or before.scopes.get(scope) or _BLANK
            if now[scope].inputs_mark == was.inputs_mark + 1:
                now[scope] = now[scope]._replace(inputs_mark=was.inputs_mark)
                if scope not in before.scopes and now[scope] == _BLANK:
                    del now[scope]
        yield from _compared("scope", before.scopes, now, expected.scopes)
    if before.memories is not after.memories:
        for key in before.memories.keys() | after.memories.keys():
            if key != expected.memory and before.memories.get(key) != after.memories.get(key):
                yield f"the memory of {key[0]} in {key[1]} changed with it"


def _compared(
    what: str, before: Mapping[Any, Any], after: Mapping[Any, Any], expected: Mapping[Any, Any]
) -> Iterator[str]:
    if before is after and not expected:
        return
    for key in after.keys() | expected.keys() | before.keys():
        must, is_now = expected.get(key, before.get(key)), after.get(key)
        # A row that is made on the way has a lease, too.
        if must != is_now and not (must is None and is_now == _FREE):
            yield f"the {what} of {key} must be {must}, and is {is_now}"


# --- scans --------------------------------------------------------------------------------------------------------

_SCAN: RowKey = ("backfill", "")


def _claim_scan(deed: Deed) -> Expected:
    terms, lease = deed.request.terms, deed.lease(_SCAN)
    is_mine = lease.token == terms.token
    if isinstance(deed.reply, BackfillHeld):
        if is_mine or deed.is_over(lease, terms.stale_after_ms):
            raise WrongError(f"at {deed.boot_ms} nobody else has it: {lease}")
        return Expected()
    assert isinstance(deed.reply, BackfillClaimed)
    if is_mine:
        deed.must_be_told(lease.fencing_number)
        return Expected()
    if not deed.is_over(lease, terms.stale_after_ms):
        raise WrongError(f"at {deed.boot_ms} it was held: {lease}")
    deed.must_be_told(lease.fencing_number + 1)
    return Expected(leases={_SCAN: deed.granted(lease, terms)})


def _end_scan(deed: Deed) -> Expected:
    key = _owned(deed, "backfill")
    return Expected() if key is None else Expected(leases={_SCAN: freed(deed.lease(_SCAN))})


def _write_of_scan(deed: Deed) -> Expected | None:
    key = _owned(deed, "backfill")
    if key is None:
        for what in ("files", "revisions", "threads"):
            if getattr(deed.before, what) != getattr(deed.after, what):
                raise WrongError(f"{what} changed all the same")
        return Expected()
    if isinstance(deed.request, RecordRollouts):
        _recorded(deed)
        return None
    return Expected()


def _recorded(deed: Deed) -> None:
    """Readings open jobs by new content, or move them, and do nothing else to them."""
    for thread, job in deed.before.jobs.items():
        now = deed.after.jobs.get(thread)
        if now is None:
            raise WrongError(f"the job of {thread} is gone")
        key = ("extraction", thread)
        if now.scope_key != job.scope_key:
            if now.status != "pending" or deed.after.leases[key] != freed(deed.before.leases[key]):
                raise WrongError(f"the job of {thread} moved to {now.scope_key}, and is {deed.after.leases[key]}")
            continue
        grown = deed.after.revisions[thread] > deed.before.revisions[thread]
        if (job.status == "running" or not grown) and (now != job or deed.after.leases[key] != deed.before.leases[key]):
            raise WrongError(f"the job of {thread} was {job}, and is {now}")


# --- what all owners do -------------------------------------------------------------------------------------------

_KIND: dict[type[Request[Any]], str] = {
    RenewBackfill: "backfill",
    FinishBackfill: "backfill",
    RegisterRollouts: "backfill",
    MarkRolloutsVanished: "backfill",
    RecordRollouts: "backfill",
    RenewExtraction: "extraction",
    RenewConsolidation: "consolidation",
}


def _owned(deed: Deed, kind: str) -> str | None:
    """The row that the request's token owns; None when it must be, and was, refused."""
    key = deed.held_by(kind, deed.request.token)
    if key is None and not isinstance(deed.reply, NotOwner):
        raise WrongError("nobody has its token")
    if key is not None and isinstance(deed.reply, NotOwner):
        raise WrongError(f"its token has {kind} {key}")
    return key


def _renew(deed: Deed) -> Expected:
    kind = _KIND[type(deed.request)]
    key = _owned(deed, kind)
    if key is None:
        return Expected()
    lease = deed.renewed(deed.before.leases[kind, key], deed.request.lease_ms)
    if isinstance(deed.reply, Renewed) and deed.reply.lease_until_boot_ms != lease.until_boot_ms:
        raise WrongError(f"it was told {deed.reply.lease_until_boot_ms}, and has until {lease.until_boot_ms}")
    return Expected(leases={(kind, key): lease})


def _return_leases(deed: Deed) -> Expected:
    expected = Expected()
    for key, lease in deed.before.leases.items():
        if lease.process != deed.request.process:
            continue
        expected.leases[key] = freed(lease)
        if key[0] == "extraction":
            expected.jobs[key[1]] = deed.before.jobs[key[1]]._replace(status="pending")
        elif key[0] == "consolidation":
            expected.scopes[key[1]] = deed.before.scopes[key[1]]._replace(claimed_mark=None)
    if deed.reply.total != len(expected.leases):
        raise WrongError(f"it held {len(expected.leases)} rows, and {deed.reply.total} are said to be returned")
    return expected


# --- extraction ---------------------------------------------------------------------------------------------------


def _claim_job(deed: Deed) -> Expected:
    terms, expected = deed.request.terms, Expected()
    mine = deed.held_by("extraction", terms.token)
    if mine is not None:
        if not isinstance(deed.reply, ExtractionClaimed) or deed.reply.thread_id != mine:
            raise WrongError(f"its token has the job of {mine}")
        deed.must_be_told(deed.lease(("extraction", mine)).fencing_number)
        return expected
    for thread, job in deed.before.jobs.items():
        now = deed.after.jobs.get(thread)
        if now is not None and now.status == "dead" and job.status != "dead":
            if not (_may_be_claimed(deed, thread) and _spent(deed, thread) >= ATTEMPTS_MAX):
                raise WrongError(f"the job of {thread} was given up: {job}")
            expected.leases["extraction", thread] = freed(deed.lease(("extraction", thread)))
            expected.jobs[thread] = now._replace(
                attempts=job.attempts,
                given_back=job.given_back,
                claimed_revision=deed.before.revisions[thread],
                done_revision=job.done_revision,
                scope_key=job.scope_key,
            )
    if not isinstance(deed.reply, ExtractionClaimed):
        return expected
    thread = deed.reply.thread_id
    key, job = ("extraction", thread), deed.before.jobs[thread]
    if not _may_be_claimed(deed, thread):
        raise WrongError(f"at {deed.wall_ms}, {deed.boot_ms} the job of {thread} was {job}, {deed.lease(key)}")
    if _spent(deed, thread) >= ATTEMPTS_MAX:
        raise WrongError(f"the job of {thread} has no attempt left: {job}")
    deed.must_be_told(deed.lease(key).fencing_number + 1)
    is_untried = job.claimed_revision != deed.before.revisions[thread]
    expected.leases[key] = deed.granted(deed.lease(key), terms)
    expected.jobs[thread] = job._replace(
        status="running",
        attempts=1 if is_untried else job.attempts + 1,
        given_back=0 if is_untried else job.given_back,
        claimed_revision=deed.before.revisions[thread],
        next_attempt_at_ms=None,
    )
    return expected


def _spent(deed: Deed, thread: str) -> int:
    job = deed.before.jobs[thread]
    return job.attempts - job.given_back if job.claimed_revision == deed.before.revisions[thread] else 0


def _may_be_claimed(deed: Deed, thread: str) -> bool:
    job = deed.before.jobs[thread]
    if job.status == "running":
        return deed.is_over(deed.lease(("extraction", thread)), deed.request.terms.stale_after_ms)
    return job.status in ("pending", "retry") and (job.next_attempt_at_ms or 0) <= deed.wall_ms


def _release_job(deed: Deed) -> Expected:
    thread = _owned(deed, "extraction")
    if thread is None:
        return Expected()
    job = deed.before.jobs[thread]
    return _ended(deed, thread, job._replace(status="pending", given_back=job.given_back + 1))


def _ended(deed: Deed, thread: str, job: Job) -> Expected:
    key = ("extraction", thread)
    return Expected(leases={key: freed(deed.lease(key))}, jobs={thread: job})


def _finish_job(deed: Deed) -> Expected:
    thread = _owned(deed, "extraction")
    if thread is None:
        return Expected()
    job = deed.before.jobs[thread]
    memory, scope = (thread, job.scope_key), f"cwd:{job.scope_key}"
    had, has = deed.before.memories.get(memory), deed.after.memories.get(memory)
    draft = deed.request.draft
    if draft is not None and (draft.raw_memory.strip() or draft.rollout_summary.strip() or draft.notes):
        if has is None or has.text != f"{draft.raw_memory}\0{draft.rollout_summary}":
            raise WrongError("what it wants remembered is not in the memory")
    elif (had and had.text) != (has and has.text):
        raise WrongError(f"it has nothing to remember, and the memory of {thread} changed")
    is_new = deed.before.revisions[thread] > (job.claimed_revision or 0)
    done = "pending" if is_new else "empty" if has is None else "succeeded"
    expected = _ended(
        deed,
        thread,
        job._replace(
            status=done,
            attempts=0,
            given_back=0,
            claimed_revision=None,
            done_revision=job.claimed_revision,
            reason=None,
        ),
    )
    expected.memory = memory
    if deed.reply.result is FinishResult.SAVED:
        state = deed.before.scopes.get(scope, _BLANK)
        expected.scopes[scope] = state._replace(inputs_mark=state.inputs_mark + 1)
    else:
        expected.marked.add(scope)
    return expected


def _fail_job(deed: Deed) -> Expected:
    thread = _owned(deed, "extraction")
    if thread is None:
        return Expected()
    job, revision, fail = deed.before.jobs[thread], deed.before.revisions[thread], deed.request
    is_new = revision > (job.claimed_revision or 0)
    is_outage = fail.failure is FailureClass.UNAVAILABLE
    spent = job.attempts - job.given_back
    dead = not is_new and not is_outage and (fail.failure is FailureClass.PERMANENT or spent >= ATTEMPTS_MAX)
    if dead != isinstance(deed.reply, DeadLettered):
        raise WrongError(f"after {spent} attempts, {fail.failure}")
    wait_ms = max(_backoff_ms(job.attempts if is_outage else spent, fail.jitter_permille), fail.retry_after_ms or 0)
    due_ms = None if dead else deed.wall_ms + wait_ms
    if isinstance(deed.reply, RetryScheduled) and deed.reply.next_attempt_at_ms != due_ms:
        raise WrongError(f"it was told {deed.reply.next_attempt_at_ms}, and waits until {due_ms}")
    return _ended(
        deed,
        thread,
        job._replace(
            status="dead" if dead else "retry",
            attempts=0 if is_new else job.attempts,
            given_back=0 if is_new else job.given_back + is_outage,
            claimed_revision=revision,
            reason=fail.reason,
            next_attempt_at_ms=due_ms,
        ),
    )


def _backoff_ms(failures: int, jitter_permille: int) -> int:
    first, longest = BACKOFF_MS
    whole = min(first * 2 ** min(max(failures, 1) - 1, 30), longest)
    return whole // 2 + whole // 2 * min(max(jitter_permille, 0), 1000) // 1000


# --- consolidation ------------------------------------------------------------------------------------------------


def _claim_scope(deed: Deed) -> Expected:
    terms, reply = deed.request.terms, deed.reply
    mine = deed.held_by("consolidation", terms.token)
    if isinstance(reply, NothingToConsolidate):
        for scope, state in deed.before.scopes.items():
            is_free = deed.is_over(deed.lease(("consolidation", scope)), terms.stale_after_ms)
            if state.inputs_mark > state.consolidated_mark and is_free and not _is_backing_off(deed, state):
                raise WrongError(f"scope {scope} is dirty and free: {state}")
        return Expected()
    scope = _scope(reply.scope if isinstance(reply, ConsolidationClaimed) else deed.request.scope)
    key, state = ("consolidation", scope), deed.before.scopes.get(scope, _BLANK)
    lease = deed.lease(key)
    is_free = deed.is_over(lease, terms.stale_after_ms)
    if not isinstance(reply, ConsolidationClaimed):
        if mine == scope:
            raise WrongError("its token has the scope")
        if isinstance(reply, ScopeHeld) and is_free:
            raise WrongError(f"at {deed.boot_ms} nobody else has it: {lease}")
        if isinstance(reply, ScopeBackingOff) and not _is_backing_off(deed, state):
            raise WrongError(f"at {deed.wall_ms} it does not wait: {state}")
        if isinstance(reply, ScopeClean) and state.inputs_mark > state.consolidated_mark:
            raise WrongError(f"it is dirty: {state}")
        # A refusal makes the row of a scope that had none.
        return Expected() if scope in deed.before.scopes or scope not in deed.after.scopes else _made(scope, lease)
    if mine is not None:
        deed.must_be_told(lease.fencing_number)
        again = isinstance(deed.request, ClaimScope)
        return Expected(leases={key: deed.renewed(lease, terms.lease_ms)} if again else {})
    if not is_free:
        raise WrongError(f"at {deed.boot_ms} it was held: {lease}")
    if _is_backing_off(deed, state):
        raise WrongError(f"at {deed.wall_ms} it waits: {state}")
    deed.must_be_told(lease.fencing_number + 1)
    return Expected(
        leases={key: deed.granted(lease, terms)}, scopes={scope: state._replace(claimed_mark=state.inputs_mark)}
    )


def _made(scope: str, lease: Lease) -> Expected:
    return Expected(leases={("consolidation", scope): lease}, scopes={scope: _BLANK})


def _is_backing_off(deed: Deed, state: ScopeState) -> bool:
    left_ms = (state.next_attempt_at_ms or 0) - deed.wall_ms
    return 0 < left_ms <= BACKOFF_MS[1]


def _scope(scope: Any) -> str:
    return f"{scope.kind}:{scope.key}"


def _release_scope(deed: Deed) -> Expected:
    scope = _owned(deed, "consolidation")
    return Expected() if scope is None else _scope_ended(deed, scope, deed.before.scopes[scope])


def _scope_ended(deed: Deed, scope: str, state: ScopeState) -> Expected:
    key = ("consolidation", scope)
    return Expected(leases={key: freed(deed.lease(key))}, scopes={scope: state._replace(claimed_mark=None)})


def _fail_scope(deed: Deed) -> Expected:
    scope = _owned(deed, "consolidation")
    if scope is None:
        return Expected()
    state = deed.before.scopes[scope]
    due_ms = deed.wall_ms + _backoff_ms(state.attempts + 1, deed.request.jitter_permille)
    if deed.reply.next_attempt_at_ms != due_ms:
        raise WrongError(f"it was told {deed.reply.next_attempt_at_ms}, and waits until {due_ms}")
    return _scope_ended(deed, scope, state._replace(attempts=state.attempts + 1, next_attempt_at_ms=due_ms))


def _publish(deed: Deed) -> Expected:
    scope = _owned(deed, "consolidation")
    if scope is None:
        return Expected()
    request, state = deed.request, deed.before.scopes[scope]
    if request.staged != isinstance(deed.reply, ConsolidationPublished):
        raise WrongError("it does not say whether there is a new generation")
    state = state._replace(
        consolidated_mark=max(state.consolidated_mark, state.claimed_mark or 0), attempts=0, next_attempt_at_ms=None
    )
    if request.staged:
        state = state._replace(generation=state.generation + 1, generation_folder=request.generation_folder)
    expected = _scope_ended(deed, scope, state)
    if request.selected:
        expected.marked.add(scope)
    if scope != HOME and request.staged:
        home = deed.before.scopes.get(HOME, _BLANK)
        expected.scopes[HOME] = home._replace(inputs_mark=home.inputs_mark + 1)
        expected.leases["consolidation", HOME] = deed.lease(("consolidation", HOME))
    elif scope != HOME:
        expected.marked.add(HOME)
    return expected


def _mark(deed: Deed) -> Expected:
    scope = _scope(deed.request.scope)
    state = deed.before.scopes.get(scope, _BLANK)
    if deed.request.dirty:
        state = state._replace(inputs_mark=state.inputs_mark + 1)
    else:
        state = state._replace(consolidated_mark=max(state.consolidated_mark, state.inputs_mark))
    return Expected(leases={("consolidation", scope): deed.lease(("consolidation", scope))}, scopes={scope: state})


def _nothing(_deed: Deed) -> Expected:
    return Expected()


_JUDGES: dict[type[Request[Any]], Any] = {
    ClaimBackfill: _claim_scan,
    RenewBackfill: _renew,
    FinishBackfill: _end_scan,
    RegisterRollouts: _write_of_scan,
    MarkRolloutsVanished: _write_of_scan,
    RecordRollouts: _write_of_scan,
    ReturnLeases: _return_leases,
    ClaimExtraction: _claim_job,
    RenewExtraction: _renew,
    ReleaseExtraction: _release_job,
    FinishExtraction: _finish_job,
    FailExtraction: _fail_job,
    ClaimConsolidation: _claim_scope,
    ClaimScope: _claim_scope,
    RenewConsolidation: _renew,
    ReleaseConsolidation: _release_scope,
    FailConsolidation: _fail_scope,
    PublishConsolidation: _publish,
    MarkScopeDirty: _mark,
    PointCurrent: _nothing,
}
