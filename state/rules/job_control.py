"""A person's hand in the jobs: a job is opened again, or a claim is ended from outside.

    ended | waiting --retry--> pending, all attempts left          held --release--> pending    (nobody works on it)
                                                                   held --steal----> pending    (whoever works on it)

Ending a claim repeats the token that was seen, like any write to an owned row; what stood in the row is worth nothing
afterwards. A row that nothing of ours wrote (a status that is none, half a lease) is put right by any of these.
"""

from state.ids import Instant
from state.messages.job_control import (
    JobFreed,
    JobHeld,
    JobNotRunning,
    JobReopened,
    ReleaseJob,
    RetryJob,
    StealJob,
)
from state.messages.jobs import JobKind, JobNotFound
from state.rules import leases
from state.rules.jobs import JobRow, find_job
from state.transaction import SqlValue, Transaction

_EXTRACTION_KEY = " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key"
_SCOPE_KEY = " WHERE scope_kind = :kind AND scope_key = :key"
_NOBODYS = " AND ownership_token IS NULL"
_SEEN = " AND ownership_token = :token"
_NAMES_NOBODY = " AND (ownership_token IS NULL OR coalesce(owner_process, '') = '')"


def _key(job: JobRow) -> dict[str, SqlValue]:
    scope: dict[str, SqlValue] = {"kind": job.scope_kind, "key": job.scope_key}
    return scope if job.kind == JobKind.CONSOLIDATION else {**scope, "thread_id": job.thread_id}


def _held(job: JobRow, at: Instant) -> JobHeld | None:
    """Who has the job, also after the lease has ended; None when the row names nobody."""
    if job.ownership_token is None or job.owner is None:
        return None
    return JobHeld(job_id=job.job_id, owner=job.owner, lease_left_ms=leases.lease_left_ms(job, at))


async def retry_job(tx: Transaction, request: RetryJob, at: Instant) -> JobReopened | JobHeld | JobNotFound:
    """Open the job again with all its attempts, unless somebody has it."""
    job = await find_job(tx, request.job_id)
    if isinstance(job, JobNotFound):
        return job
    held = _held(job, at)
    if held is not None:
        return held
    if job.kind == JobKind.CONSOLIDATION:
        changed = await tx.execute(
            f"UPDATE scopes SET {leases.FREE}, claimed_mark = NULL, attempts = 0, next_attempt_at_ms = NULL,"
            # Without the time of its last end there is nothing to rest from.
            " reason = NULL, finished_at_ms = NULL,"
            " inputs_mark = CASE WHEN inputs_mark > consolidated_mark THEN inputs_mark ELSE consolidated_mark + 1 END"
            f"{_SCOPE_KEY}{_NAMES_NOBODY}",
            **_key(job),
        )
    else:
        changed = await tx.execute(
            f"UPDATE extraction_jobs SET status = 'pending', {leases.FREE}, attempts = 0, given_back = 0,"
            " next_attempt_at_ms = NULL, reason = NULL, claimed_revision = NULL,"
            # A digest of nothing: the input counts as changed, and the memory that is there as one to be kept.
            " done_input_digest = CASE WHEN done_input_digest IS NULL THEN NULL ELSE '' END"
            f"{_EXTRACTION_KEY}{_NAMES_NOBODY}",
            **_key(job),
        )
    assert changed == 1, "the row was just seen"
    return JobReopened(job_id=job.job_id, status_before=job.status)


async def release_job(
    tx: Transaction, request: ReleaseJob, at: Instant
) -> JobFreed | JobHeld | JobNotRunning | JobNotFound:
    """End the claim if nobody works under it."""
    job = await find_job(tx, request.job_id)
    if isinstance(job, JobNotFound):
        return job
    held = _held(job, at)
    if held is not None and leases.is_held(job, at):
        is_dead = held.owner.process == request.proven_dead or not await _is_entered(tx, held.owner.process)
        if not is_dead:
            return held
    return await _end_claim(tx, job, at, given_back=0)


async def steal_job(
    tx: Transaction, request: StealJob, at: Instant
) -> JobFreed | JobHeld | JobNotRunning | JobNotFound:
    """End this claim, whoever works under it; leave a later one alone."""
    job = await find_job(tx, request.job_id)
    if isinstance(job, JobNotFound):
        return job
    held = _held(job, at)
    if held is not None and job.fencing_number != request.fencing_number:
        return held
    return await _end_claim(tx, job, at, given_back=1)


async def _is_entered(tx: Transaction, process: str) -> bool:
    """A process enters itself before it claims anything, and is struck out when it has ended."""
    return await tx.count("SELECT count(*) FROM processes WHERE process_uuid = :process", process=process) == 1


async def _end_claim(tx: Transaction, job: JobRow, at: Instant, *, given_back: int) -> JobFreed | JobNotRunning:
    if job.ownership_token is None and job.status != "running":
        return JobNotRunning(job_id=job.job_id, status=job.status)
    guard, token = (_NOBODYS, {}) if job.ownership_token is None else (_SEEN, {"token": job.ownership_token})
    if job.kind == JobKind.CONSOLIDATION:
        changed = await tx.execute(
            f"UPDATE scopes SET {leases.FREE}, claimed_mark = NULL{_SCOPE_KEY}{guard}", **_key(job), **token
        )
    else:
        changed = await tx.execute(
            f"UPDATE extraction_jobs SET status = 'pending', {leases.FREE}, given_back = given_back + :given_back"
            f"{_EXTRACTION_KEY}{guard}",
            **_key(job),
            **token,
            given_back=given_back,
        )
    assert changed == 1, "the row was just seen"
    return JobFreed(job_id=job.job_id, owner=job.owner, lease_left_ms=leases.lease_left_ms(job, at))
