"""Extraction jobs: who may do the work, and how it ends. `state.rules.extraction_work` says when there is work.

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
    ClaimExtraction,
    DeadLettered,
    Eligibility,
    ExtractionClaimed,
    ExtractionFinished,
    ExtractionTotals,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    GetExtractionTotals,
    LastExtraction,
    MemoryDraft,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    ReopenForExtractor,
    RetryScheduled,
    TokenUsage,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.rules import leases
from state.rules.backoff import backoff_ms
from state.rules.scopes import mark_scope_dirty
from state.transaction import SqlValue, Transaction, in_list

_OWNED = " WHERE ownership_token = :token AND status = 'running'"

_COST = (
    "input_tokens = input_tokens + :input_tokens, cached_input_tokens = cached_input_tokens + :cached_input_tokens,"
    " output_tokens = output_tokens + :output_tokens, model_calls = model_calls + :model_calls"
)
"""What the work has cost is added in the transaction that records how it ended; it is never set back."""


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


_CANDIDATE = (
    "SELECT j.thread_id, j.scope_kind, j.scope_key, j.status, j.attempts, j.given_back, j.fencing_number,"
    " j.claimed_revision, j.done_input_digest, j.done_extractor, j.done_version, j.owner_process, j.owner_worker,"
    " j.ownership_token, j.lease_boot_id, j.lease_until_boot_ms, j.renewed_boot_ms, t.rollout_path, t.content_revision"
    " FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id"
)


def _chosen_sources(eligibility: Eligibility) -> tuple[str, dict[str, SqlValue]]:
    """`IN (...)` for a thread's source, with its parameters; a custom source is stored as an object."""
    custom = [f'{{"custom":"{source}"}}' for source in eligibility.sources]
    return in_list("source", [*eligibility.sources, *custom])


def eligible_clause(eligibility: Eligibility, at: Instant) -> tuple[str, dict[str, SqlValue]]:
    """The conditions on thread `t` and job `j`, with their parameters; times are compared inclusively."""
    sources, parameters = _chosen_sources(eligibility)
    parameters["content_at_ms_max"] = at.wall_ms - eligibility.idle_ms
    clause = (
        f"t.archived_at_ms IS NULL AND t.memory_mode = 'enabled' AND t.source {sources}"
        " AND j.content_at_ms <= :content_at_ms_max"
    )
    if eligibility.age_ms_max is not None:
        clause += " AND j.content_at_ms >= :content_at_ms_min"
        parameters["content_at_ms_min"] = at.wall_ms - eligibility.age_ms_max
    return clause, parameters


async def claim_extraction(
    tx: Transaction, request: ClaimExtraction, at: Instant
) -> ExtractionClaimed | NothingToExtract:
    """Claim an eligible job whose lease has ended, else the newest that waits; bury those without attempts left."""
    mine = await tx.one(_Candidate, _CANDIDATE + " WHERE j.ownership_token = :token", token=request.terms.token)
    if mine is not None:
        return mine.claimed(mine.fencing_number, mine.attempts)
    clause, parameters = eligible_clause(request.eligibility, at)
    while True:
        # What failed comes after what was not tried, so that a job that fails again and again is in nobody's way.
        candidate = (
            await _stale_job(tx, request, clause, parameters, at)
            or await _waiting_job(tx, "pending", clause, parameters, at)
            or await _waiting_job(tx, "retry", clause, parameters, at)
        )
        if candidate is None:
            return NothingToExtract(next_due_in_ms=await _next_due_in_ms(tx, request.eligibility, at))
        if candidate.spent < ATTEMPTS_MAX:
            break
        await _bury(tx, candidate, at)
    attempt = 1 if candidate.is_untried else candidate.attempts + 1
    await tx.execute(
        f"UPDATE extraction_jobs SET {leases.GRANT}, status = 'running', attempts = :attempt,"
        " given_back = :given_back, finished_at_ms = NULL, claimed_revision = :revision, next_attempt_at_ms = NULL"
        " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key",
        **leases.grant_parameters(request.terms, at),
        attempt=attempt,
        given_back=0 if candidate.is_untried else candidate.given_back,
        revision=candidate.content_revision,
        thread_id=candidate.thread_id,
        kind=candidate.scope_kind,
        key=candidate.scope_key,
    )
    return candidate.claimed(candidate.fencing_number + 1, attempt)


async def _waiting_job(
    tx: Transaction, status: str, clause: str, parameters: dict[str, SqlValue], at: Instant
) -> _Candidate | None:
    """The newest job of this status that is due."""
    return await tx.one(
        _Candidate,
        # Both conditions on the status: the first one is that of the index.
        _CANDIDATE + f" WHERE j.status IN ('pending', 'retry') AND j.status = :status AND {clause}"
        " AND (j.next_attempt_at_ms IS NULL OR j.next_attempt_at_ms <= :wall_ms)"
        " ORDER BY j.content_at_ms DESC, j.thread_id DESC LIMIT 1",
        **parameters,
        status=status,
        wall_ms=at.wall_ms,
    )


async def _stale_job(
    tx: Transaction, request: ClaimExtraction, clause: str, parameters: dict[str, SqlValue], at: Instant
) -> _Candidate | None:
    """The oldest eligible job whose lease has ended. Few jobs run at a time, so looking at each is cheap."""
    running = await tx.all(
        _Candidate,
        _CANDIDATE + f" WHERE j.status = 'running' AND {clause} ORDER BY j.lease_until_boot_ms, j.thread_id",
        **parameters,
    )
    return next((job for job in running if not leases.is_held(job, at, request.terms.stale_after_ms)), None)


async def _bury(tx: Transaction, job: _Candidate, at: Instant) -> None:
    await tx.execute(
        f"UPDATE extraction_jobs SET status = 'dead', {leases.FREE}, finished_at_ms = :wall_ms,"
        " claimed_revision = :revision,"
        " reason = coalesce(reason, 'the process that worked on it ended ' || (attempts - given_back)"
        " || ' times before it was done')"
        " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key",
        wall_ms=at.wall_ms,
        revision=job.content_revision,
        thread_id=job.thread_id,
        kind=job.scope_kind,
        key=job.scope_key,
    )


async def _next_due_in_ms(tx: Transaction, eligibility: Eligibility, at: Instant) -> int | None:
    """When the next waiting job may be due: idle long enough, and behind its back-off. None when none waits."""
    sources, parameters = _chosen_sources(eligibility)
    due_at_ms = await tx.count(
        "SELECT coalesce(min(max(coalesce(j.next_attempt_at_ms, 0), j.content_at_ms + :idle_ms)), 0)"
        " FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id WHERE j.status IN ('pending', 'retry')"
        f" AND t.archived_at_ms IS NULL AND t.memory_mode = 'enabled' AND t.source {sources}"
        " AND max(coalesce(j.next_attempt_at_ms, 0), j.content_at_ms + :idle_ms) > :wall_ms",
        **parameters,
        idle_ms=eligibility.idle_ms,
        wall_ms=at.wall_ms,
    )
    return due_at_ms - at.wall_ms if due_at_ms else None


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
        await _bring_forward(tx, job)
    elif _is_empty(request.draft):
        # An empty answer never deletes a good memory: forgetting is something that a person asks for.
        kept = await _has_memory(tx, job)
        result, status = (FinishResult.UNCHANGED, "succeeded") if kept else (FinishResult.EMPTY, "empty")
    else:
        changed = await _save_memory(tx, job, request.draft, request.extractor, at)
        result, status = (FinishResult.SAVED if changed else FinishResult.UNCHANGED), "succeeded"
        if changed:
            await mark_scope_dirty(tx, job.scope)
        else:
            await _bring_forward(tx, job)
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


_MEMORY_KEY = " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key"


def _key(job: _Running) -> dict[str, SqlValue]:
    return {"thread_id": job.thread_id, "kind": job.scope_kind, "key": job.scope_key}


async def _has_memory(tx: Transaction, job: _Running) -> bool:
    return await tx.count("SELECT count(*) FROM memories" + _MEMORY_KEY, **_key(job)) == 1


@attrs.frozen(kw_only=True)
class _SavedText:
    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None


@attrs.frozen(kw_only=True)
class _SavedNote:
    kind: str
    topic: str
    text: str
    line: int
    at_ms: int | None


async def _bring_forward(tx: Transaction, job: _Running) -> None:
    """Note that the memory holds for newer content as well: a file may have grown before its row said so."""
    changed = await tx.execute(
        "UPDATE memories SET source_at_ms = :source_at_ms" + _MEMORY_KEY + " AND source_at_ms < :source_at_ms",
        **_key(job),
        source_at_ms=job.content_at_ms,
    )
    if changed:
        await mark_scope_dirty(tx, job.scope)


async def _save_memory(tx: Transaction, job: _Running, draft: MemoryDraft, extractor: ExtractorId, at: Instant) -> bool:
    """Write the memory; answer False when every text and note of it is already what is saved."""
    text = await tx.one(
        _SavedText, "SELECT raw_memory, rollout_summary, rollout_slug FROM memories" + _MEMORY_KEY, **_key(job)
    )
    notes = await tx.all(
        _SavedNote,
        "SELECT kind, topic, text, line, at_ms FROM memory_notes" + _MEMORY_KEY + " ORDER BY position",
        **_key(job),
    )
    wanted = _SavedText(
        raw_memory=draft.raw_memory, rollout_summary=draft.rollout_summary, rollout_slug=draft.rollout_slug
    )
    if text == wanted and [attrs.astuple(note) for note in notes] == [attrs.astuple(note) for note in draft.notes]:
        return False
    await tx.execute(
        "INSERT INTO memories (thread_id, scope_kind, scope_key, raw_memory, rollout_summary, rollout_slug,"
        " source_at_ms, generated_at_ms, updated_at_ms, extractor, usage_count) VALUES (:thread_id, :kind, :key,"
        " :raw_memory, :rollout_summary, :rollout_slug, :source_at_ms, :wall_ms, :wall_ms, :extractor, 0)"
        " ON CONFLICT (thread_id, scope_kind, scope_key) DO UPDATE SET raw_memory = excluded.raw_memory,"
        " rollout_summary = excluded.rollout_summary, rollout_slug = excluded.rollout_slug,"
        " source_at_ms = excluded.source_at_ms, generated_at_ms = excluded.generated_at_ms,"
        " extractor = excluded.extractor,"
        " updated_at_ms = max(excluded.updated_at_ms, memories.updated_at_ms + 1)",
        **_key(job),
        raw_memory=draft.raw_memory,
        rollout_summary=draft.rollout_summary,
        rollout_slug=draft.rollout_slug,
        source_at_ms=job.content_at_ms,
        wall_ms=at.wall_ms,
        extractor=f"{extractor.name}:{extractor.version}",
    )
    await tx.execute("DELETE FROM memory_notes" + _MEMORY_KEY, **_key(job))
    for position, note in enumerate(draft.notes):
        await tx.execute(
            "INSERT INTO memory_notes (thread_id, scope_kind, scope_key, position, kind, topic, text, line, at_ms)"
            " VALUES (:thread_id, :kind, :key, :position, :note_kind, :topic, :text, :line, :at_ms)",
            **_key(job),
            position=position,
            note_kind=note.kind,
            topic=note.topic,
            text=note.text,
            line=note.line,
            at_ms=note.at_ms,
        )
    return True


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
        " reason = NULL WHERE status IN ('succeeded', 'empty', 'dead') AND done_extractor = :name"
        " AND done_version < :version",
        name=request.extractor.name,
        version=request.extractor.version,
    )


async def free_extractions_of(tx: Transaction, process: ProcessUuid) -> int:
    """Return the jobs that a dead process held; their attempts stay counted."""
    return await tx.execute(
        f"UPDATE extraction_jobs SET status = 'pending', {leases.FREE}"
        " WHERE owner_process = :process AND status = 'running'",
        process=process,
    )


@attrs.frozen(kw_only=True)
class _StatusCount:
    status: str
    jobs: int


async def get_extraction_totals(tx: Transaction, request: GetExtractionTotals, at: Instant) -> ExtractionTotals:
    """Count jobs by status, and say why pending ones are not claimed now."""
    counts = await tx.all(_StatusCount, "SELECT status, count(*) AS jobs FROM extraction_jobs GROUP BY status")
    sources, parameters = _chosen_sources(request.eligibility)
    age_ms_max = request.eligibility.age_ms_max
    waiting = await tx.all(
        _StatusCount,
        "SELECT CASE WHEN t.archived_at_ms IS NOT NULL THEN 'archived'"
        " WHEN t.memory_mode <> 'enabled' THEN 'memory is ' || t.memory_mode"
        f" WHEN NOT t.source {sources} THEN 'source ' || t.source || ' is not chosen'"
        " WHEN j.content_at_ms > :content_at_ms_max THEN 'not idle long enough'"
        " WHEN j.content_at_ms < :content_at_ms_min THEN 'too old'"
        " WHEN j.next_attempt_at_ms > :wall_ms THEN 'waiting to be tried again'"
        " ELSE 'ready' END AS status, count(*) AS jobs"
        " FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id"
        " WHERE j.status IN ('pending', 'retry') GROUP BY 1",
        **parameters,
        content_at_ms_max=at.wall_ms - request.eligibility.idle_ms,
        content_at_ms_min=at.wall_ms - age_ms_max if age_ms_max is not None else 0,
        wall_ms=at.wall_ms,
    )
    return ExtractionTotals(
        jobs_by_status={count.status: count.jobs for count in counts},
        waiting_by_reason={count.status: count.jobs for count in waiting},
        tokens=await _tokens(tx),
    )


async def _tokens(tx: Transaction) -> TokenUsage:
    """What all jobs have cost."""
    usage = await tx.one(
        TokenUsage,
        "SELECT coalesce(sum(input_tokens), 0) AS input_tokens,"
        " coalesce(sum(cached_input_tokens), 0) AS cached_input_tokens,"
        " coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(model_calls), 0) AS model_calls"
        " FROM extraction_jobs",
    )
    return usage or TokenUsage()
