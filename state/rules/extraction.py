"""Extraction jobs: how a claim is kept and how it ends. `extraction_claims` says who gets a job, `extraction_work`
when there is one.

    pending --claim--> running --finish--> succeeded | empty      (pending at once if the thread grew meanwhile)
       ^                  |------fail----> retry --(next_attempt_at_ms)--> claimable
       |                  |------fail----> dead                   (permanent, or attempts used up)
       |                  |------release-> pending
       |                  |------fail----> retry, without a lost attempt      (the provider is not available)
       +---- new content reopens every ended state and sets the attempts back

Attempts count at the claim, so that a job that kills its worker ends as a dead letter with a reason.
"""

import attrs

from state.ids import Instant, ProcessUuid, Scope, ThreadId
from state.messages.extraction import (
    ATTEMPTS_MAX,
    REOPENED_MAX,
    DeadLettered,
    ExtractionFinished,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    MemoryDraft,
    ReleaseExtraction,
    RenewExtraction,
    ReopenForExtractor,
    RetryScheduled,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.rules import leases
from state.rules.backoff import backoff_ms
from state.rules.memory_writes import MEMORY_KEY, bring_forward, is_saved, memory_key, write_memory
from state.transaction import Transaction

_OWNED = " WHERE ownership_token = :token AND status = 'running'"

_COST = (
    "input_tokens = input_tokens + :input_tokens, cached_input_tokens = cached_input_tokens + :cached_input_tokens,"
    " output_tokens = output_tokens + :output_tokens, model_calls = model_calls + :model_calls"
)
"""What the work has cost is added in the transaction that records how it ended; it is never set back."""


async def renew_extraction(tx: Transaction, request: RenewExtraction, at: Instant) -> Renewed | NotOwner:
    """Extend the lease of the token's owner, late or not."""
    changed = await tx.execute(
        f"UPDATE extraction_jobs SET {leases.RENEW}{_OWNED}",
        **leases.renew_parameters(request.token, request.lease_ms, at),
    )
    return Renewed(lease_until_boot_ms=leases.lease_until(request.lease_ms, at)) if changed else NotOwner()


async def release_extraction(tx: Transaction, request: ReleaseExtraction, at: Instant) -> Released | NotOwner:
    """Give the job back; the claim stays counted as an attempt and is balanced as given back."""
    changed = await tx.execute(
        f"UPDATE extraction_jobs SET status = 'pending', given_back = given_back + 1, {leases.FREE}{_OWNED}",
        token=request.token,
    )
    return Released() if changed else NotOwner()


@attrs.frozen(kw_only=True)
class _Running:
    thread_id: ThreadId
    scope_kind: str
    scope_key: str
    attempts: int
    given_back: int
    claimed_revision: int
    content_revision: int
    content_at_ms: int

    @property
    def scope(self) -> Scope:
        return Scope(kind=self.scope_kind, key=self.scope_key)


async def _running(tx: Transaction, token: str) -> _Running | None:
    return await tx.one(
        _Running,
        "SELECT j.thread_id, j.scope_kind, j.scope_key, j.attempts, j.given_back, j.claimed_revision,"
        " t.content_revision, j.content_at_ms FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id"
        " WHERE j.ownership_token = :token AND j.status = 'running'",
        token=token,
    )


async def finish_extraction(tx: Transaction, request: FinishExtraction, at: Instant) -> ExtractionFinished | NotOwner:
    """Save the result under the token: memory, job and scope mark together."""
    job = await _running(tx, request.token)
    if job is None:
        return NotOwner()
    if request.draft is None:
        result = FinishResult.UNCHANGED
        status = "succeeded" if await _has_memory(tx, job) else "empty"
        await bring_forward(tx, job.scope, token=request.token)
    elif _is_empty(request.draft):
        # An empty answer never deletes a good memory: forgetting is something that a person asks for.
        kept = await _has_memory(tx, job)
        result, status = (FinishResult.UNCHANGED, "succeeded") if kept else (FinishResult.EMPTY, "empty")
    else:
        status = "succeeded"
        if await is_saved(tx, job.thread_id, job.scope, request.draft):
            result = FinishResult.UNCHANGED
            await bring_forward(tx, job.scope, token=request.token)
        else:
            result = FinishResult.SAVED
            written = await write_memory(
                tx, job.thread_id, job.scope, request.draft, request.extractor, at, token=request.token
            )
            assert written, "the token was looked at in this transaction"
    grown = job.content_revision > job.claimed_revision
    await tx.execute(
        f"UPDATE extraction_jobs SET status = :status, {leases.FREE}, finished_at_ms = :wall_ms, attempts = 0,"
        f" given_back = 0, reason = NULL, done_revision = claimed_revision, claimed_revision = NULL, {_COST},"
        " done_input_digest = :input_digest, done_extractor = :extractor, done_version = :version"
        f"{_OWNED}",
        token=request.token,
        status="pending" if grown else status,
        wall_ms=at.wall_ms,
        input_digest=request.input_digest,
        extractor=request.extractor.name,
        version=request.extractor.version,
        **attrs.asdict(request.usage),
    )
    return ExtractionFinished(result=result)


def _is_empty(draft: MemoryDraft) -> bool:
    return not (draft.raw_memory.strip() or draft.rollout_summary.strip() or draft.notes)


async def _has_memory(tx: Transaction, job: _Running) -> bool:
    sql = "SELECT count(*) FROM memories" + MEMORY_KEY
    return await tx.count(sql, **memory_key(job.thread_id, job.scope)) == 1


async def fail_extraction(
    tx: Transaction, request: FailExtraction, at: Instant
) -> RetryScheduled | DeadLettered | NotOwner:
    """Schedule a retry, or give the job up when trying again cannot help. An earlier memory stays.

    Where the provider was not available at all the claim counts as given back, so that an outage buries no job.
    """
    job = await _running(tx, request.token)
    if job is None:
        return NotOwner()
    spent = job.attempts - job.given_back
    # What failed was an older content: the newer one has not been tried, so it starts with all its attempts.
    grown = job.content_revision > job.claimed_revision
    is_its_own = request.failure is not FailureClass.UNAVAILABLE
    dead = not grown and is_its_own and (request.failure is FailureClass.PERMANENT or spent >= ATTEMPTS_MAX)
    # Claims that were given back do not count, but for the wait of an outage: it goes on although it was asked again.
    tries = spent if is_its_own else job.attempts
    wait_ms = max(backoff_ms(tries, request.jitter_permille), request.retry_after_ms or 0)
    next_attempt_at_ms = at.wall_ms + wait_ms
    await tx.execute(
        f"UPDATE extraction_jobs SET status = :status, {leases.FREE}, finished_at_ms = :wall_ms, reason = :reason,"
        " next_attempt_at_ms = :next_attempt_at_ms,"
        " claimed_revision = :revision, attempts = CASE WHEN :grown = 1 THEN 0 ELSE attempts END,"
        f" given_back = CASE WHEN :grown = 1 THEN 0 ELSE given_back + :given_back END, {_COST}{_OWNED}",
        token=request.token,
        # Reading the same content again must not open the job: the back-off belongs to the failure.
        revision=job.content_revision,
        grown=int(grown),
        given_back=int(not is_its_own),
        status="dead" if dead else "retry",
        wall_ms=at.wall_ms,
        reason=request.reason,
        next_attempt_at_ms=None if dead else next_attempt_at_ms,
        **attrs.asdict(request.usage),
    )
    return DeadLettered() if dead else RetryScheduled(next_attempt_at_ms=next_attempt_at_ms)


async def reopen_for_extractor(tx: Transaction, request: ReopenForExtractor, at: Instant) -> int:
    """Open what an older version of the same extractor did; another extractor's work is left alone (it cost money)."""
    return await tx.execute(
        "UPDATE extraction_jobs SET status = 'pending', attempts = 0, given_back = 0, next_attempt_at_ms = NULL,"
        " reason = NULL WHERE rowid IN (SELECT rowid FROM extraction_jobs INDEXED BY extraction_jobs_done"
        " WHERE status IN ('succeeded', 'empty', 'dead') AND done_extractor = :name AND done_version < :version"
        " LIMIT :limit)",
        name=request.extractor.name,
        version=request.extractor.version,
        limit=REOPENED_MAX,
    )


async def free_extractions_of(tx: Transaction, process: ProcessUuid) -> int:
    """Return the jobs that a dead process held; their attempts stay counted."""
    return await tx.execute(
        f"UPDATE extraction_jobs SET status = 'pending', {leases.FREE}"
        " WHERE owner_process = :process AND status = 'running'",
        process=process,
    )
