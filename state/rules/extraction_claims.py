"""Who gets which extraction job: whatever is next, or one that the asker names.

Both ways judge a job by the same properties and grant it by the same statement, so that they cannot disagree.
"""

import attrs

from state.errors import DamagedRowError
from state.ids import Instant, Scope, ThreadId
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    Eligibility,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ExtractorId,
    JobStatus,
    LastExtraction,
    NothingToExtract,
)
from state.messages.extraction_claims import (
    ClaimExtractionOf,
    ExtractionSkipped,
    SkippedBackoff,
    SkippedCapacity,
    SkippedExhausted,
    SkippedRunning,
    SkippedTerminalFailure,
    SkippedUpToDate,
)
from state.messages.leases import ClaimTerms
from state.messages.threads import UnknownThread
from state.rules import leases
from state.rules.eligibility import eligible_clause
from state.rules.waiting_jobs import next_due_in_ms, next_waiting
from state.transaction import SqlValue, Transaction


@attrs.frozen(kw_only=True)
class _Candidate(leases.LeaseRow):
    thread_id: ThreadId
    scope_kind: str
    scope_key: str
    status: str
    attempts: int
    given_back: int
    fencing_number: int
    claimed_revision: int | None
    done_revision: int | None
    next_attempt_at_ms: int | None
    reason: str | None
    done_input_digest: str | None
    done_extractor: str | None
    done_version: int | None
    rollout_path: str
    content_revision: int

    @property
    def is_untried(self) -> bool:
        """True when the content changed since the last claim: what failed before was an older one."""
        return self.claimed_revision != self.content_revision

    @property
    def spent(self) -> int:
        """Claims of this content that came to nothing."""
        return 0 if self.is_untried else self.attempts - self.given_back

    @property
    def is_used_up(self) -> bool:
        """True when this content has had all its attempts."""
        return self.spent >= ATTEMPTS_MAX

    @property
    def key(self) -> dict[str, SqlValue]:
        """Parameters of _KEY."""
        return {"thread_id": self.thread_id, "kind": self.scope_kind, "key": self.scope_key}

    def claimed(self, fencing_number: int, attempt: int) -> ExtractionClaimed:
        last = None
        if self.done_input_digest is not None and self.done_extractor is not None:
            extractor = ExtractorId(name=self.done_extractor, version=self.done_version or 0)
            last = LastExtraction(input_digest=self.done_input_digest, extractor=extractor)
        return ExtractionClaimed(
            thread_id=self.thread_id,
            scope=Scope(kind=self.scope_kind, key=self.scope_key),
            rollout_path=self.rollout_path,
            content_revision=self.content_revision,
            fencing_number=fencing_number,
            attempt=attempt,
            last=last,
        )


_JOB = (
    "SELECT j.thread_id, j.scope_kind, j.scope_key, j.status, j.attempts, j.given_back, j.fencing_number,"
    " j.claimed_revision, j.done_revision, j.next_attempt_at_ms, j.reason, j.done_input_digest, j.done_extractor,"
    " j.done_version, j.owner_process, j.owner_worker, j.ownership_token, j.lease_boot_id, j.lease_until_boot_ms,"
    " j.renewed_boot_ms, t.rollout_path, t.content_revision FROM extraction_jobs j"
)
_CANDIDATE = _JOB + " JOIN threads t ON t.id = j.thread_id"

_CAN_BE_FENCED = f" AND j.{leases.CAN_BE_FENCED}"
"""A row whose fencing number cannot grow is passed by, so that it costs only itself; the doctor names it."""

GRANT_JOB = (
    f"UPDATE extraction_jobs SET {leases.GRANT}, status = 'running', attempts = :attempt,"
    " given_back = :given_back, finished_at_ms = NULL, claimed_revision = :revision, next_attempt_at_ms = NULL"
    " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key"
)
"""Hands a job to a claimant, bound to the content that was read: those of GRANT, the job's key, and what it counts."""

_KEY = " WHERE j.thread_id = :thread_id AND j.scope_kind = :kind AND j.scope_key = :key"


async def claim_extraction(
    tx: Transaction, request: ClaimExtraction, at: Instant
) -> ExtractionClaimed | NothingToExtract | ExtractionCapacityReached:
    """Claim an eligible job whose lease has ended, else the newest that waits; bury those without attempts left."""
    mine = await tx.one(_Candidate, _CANDIDATE + " WHERE j.ownership_token = :token", token=request.terms.token)
    if mine is not None:
        return mine.claimed(mine.fencing_number, mine.attempts)
    clause, parameters = eligible_clause(request.eligibility, at)
    while True:
        # What failed comes after what was not tried, so that a job that fails again and again is in nobody's way.
        candidate = (
            await _stale_job(tx, request, clause, parameters, at)
            or await _waiting_job(tx, "pending", request.eligibility, at)
            or await _waiting_job(tx, "retry", request.eligibility, at)
        )
        if candidate is None:
            return NothingToExtract(next_due_in_ms=await next_due_in_ms(tx, request.eligibility, at))
        if not candidate.is_used_up:
            break
        await _bury(tx, candidate, at)
    if await _is_full(tx, request.running_max, candidate.key, at):
        return ExtractionCapacityReached()
    return await _grant(tx, candidate, request.terms, at)


async def claim_extraction_of(
    tx: Transaction, request: ClaimExtractionOf, at: Instant
) -> ExtractionClaimed | ExtractionSkipped | UnknownThread:
    """Claim the named job, or say why not. What the content as it is now did not cause is not held against it."""
    key: dict[str, SqlValue] = {"thread_id": request.thread_id, "kind": request.scope.kind, "key": request.scope.key}
    job = await tx.one(_Candidate, _CANDIDATE + _KEY, **key)
    if job is None:
        if not await tx.count("SELECT count(*) FROM threads WHERE id = :thread_id", thread_id=request.thread_id):
            return UnknownThread(thread_id=request.thread_id)
    elif job.ownership_token == request.terms.token:
        return job.claimed(job.fencing_number, job.attempts)
    else:
        skipped = _why_not(job, request, at)
        if skipped is not None:
            return skipped
        if job.is_used_up:
            await _bury(tx, job, at)
            return SkippedExhausted()
        if not leases.can_be_fenced(job.fencing_number):
            raise DamagedRowError(
                f"the fencing number of the job of {job.thread_id} in {job.scope_kind}:{job.scope_key} cannot grow any"
                " more; nothing of memoryd wrote it"
            )
    if await _is_full(tx, request.running_max, key, at):
        return SkippedCapacity()
    if job is None:
        await tx.execute(
            "INSERT INTO extraction_jobs (thread_id, scope_kind, scope_key, status, content_at_ms, attempts,"
            " given_back, fencing_number, eligible_source) SELECT id, :kind, :key, 'pending',"
            " coalesce(content_at_ms, updated_at_ms), 0, 0, 0,"
            " CASE WHEN archived_at_ms IS NULL AND memory_mode = 'enabled' THEN source END"
            " FROM threads WHERE id = :thread_id",
            **key,
        )
        job = await tx.one(_Candidate, _CANDIDATE + _KEY, **key)
        assert job is not None, "it was made in this transaction"
    return await _grant(tx, job, request.terms, at)


def _why_not(job: _Candidate, request: ClaimExtractionOf, at: Instant) -> ExtractionSkipped | None:
    """What stands against claiming a job, but for its attempts and the number of those that run."""
    wanted = job.content_revision
    if request.content_revision is not None:
        wanted = min(request.content_revision, wanted)
    if job.status == JobStatus.DEAD and not job.is_untried:
        return SkippedTerminalFailure(reason=job.reason)
    if job.status in (JobStatus.SUCCEEDED, JobStatus.EMPTY) and (job.done_revision or 0) >= wanted:
        return SkippedUpToDate()
    if leases.is_held(job, at, request.terms.stale_after_ms):
        return SkippedRunning()
    due_at_ms = job.next_attempt_at_ms
    if due_at_ms is not None and due_at_ms > at.wall_ms and not job.is_untried:
        return SkippedBackoff(next_attempt_at_ms=due_at_ms)
    return None


async def _is_full(tx: Transaction, running_max: int | None, but_for: dict[str, SqlValue], at: Instant) -> bool:
    """Say whether as many jobs run under living leases as may, over all processes, the one to be claimed left out."""
    if running_max is None:
        return False
    others = await tx.count(
        f"SELECT count(*) FROM extraction_jobs WHERE status = 'running' AND {leases.HELD}"
        " AND NOT (thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key)",
        **but_for,
        **leases.held_parameters(at),
    )
    return others >= running_max


async def _grant(tx: Transaction, job: _Candidate, terms: ClaimTerms, at: Instant) -> ExtractionClaimed:
    """Hand the job to the claimant, bound to the content as it is now; the attempt counts from here."""
    attempt = 1 if job.is_untried else job.attempts + 1
    await tx.execute(
        GRANT_JOB,
        **leases.grant_parameters(terms, at),
        **job.key,
        attempt=attempt,
        given_back=0 if job.is_untried else job.given_back,
        revision=job.content_revision,
    )
    return job.claimed(job.fencing_number + 1, attempt)


async def _waiting_job(tx: Transaction, status: str, eligibility: Eligibility, at: Instant) -> _Candidate | None:
    """The newest job of this status that is due."""
    waiting = next_waiting(status, eligibility, at)
    if waiting is None:
        return None
    sql, parameters = waiting
    return await tx.one(
        _Candidate,
        f"{_CANDIDATE} WHERE j.rowid IN ({sql})"
        " ORDER BY j.content_at_ms DESC, j.thread_id DESC, j.scope_kind, j.scope_key LIMIT 1",
        **parameters,
    )


async def _stale_job(
    tx: Transaction, request: ClaimExtraction, clause: str, parameters: dict[str, SqlValue], at: Instant
) -> _Candidate | None:
    """The oldest eligible job whose lease has ended."""
    stale_after_ms = request.terms.stale_after_ms
    running = await tx.all(
        _Candidate,
        # Left to the database, so that a claim costs the same however many jobs run.
        _CANDIDATE + f" WHERE j.status = 'running' AND NOT (:lease_decides AND {leases.HELD})"
        f" AND {clause}{_CAN_BE_FENCED}"
        " ORDER BY j.lease_until_boot_ms, j.thread_id, j.scope_kind, j.scope_key",
        **parameters,
        **leases.held_parameters(at),
        lease_decides=stale_after_ms is None,
    )
    return next((job for job in running if not leases.is_held(job, at, stale_after_ms)), None)


async def _bury(tx: Transaction, job: _Candidate, at: Instant) -> None:
    await tx.execute(
        f"UPDATE extraction_jobs SET status = 'dead', {leases.FREE}, finished_at_ms = :wall_ms,"
        " claimed_revision = :revision,"
        " reason = coalesce(reason, 'the process that worked on it ended ' || (attempts - given_back)"
        " || ' times before it was done')"
        " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key",
        **job.key,
        wall_ms=at.wall_ms,
        revision=job.content_revision,
    )
