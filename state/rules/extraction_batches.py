"""Claiming and ending many extraction jobs at once.

Whatever is ordinary is done for all together: jobs that wait and were never given up on, ends that save nothing.
Everything else goes, in its order, through the rule of the single message.
"""

import attrs

from state.ids import Instant, OwnershipToken, Scope, ThreadId
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    Eligibility,
    ExtractionClaimed,
    ExtractionFinished,
    ExtractorId,
    FinishExtraction,
    FinishResult,
    LastExtraction,
)
from state.messages.extraction_batches import (
    ClaimExtractions,
    ExtractionsClaimed,
    ExtractionsFinished,
    ExtractionsHandedOver,
    FinishAndClaimExtractions,
    FinishExtractions,
)
from state.messages.leases import ClaimTerms, NotOwner
from state.rules import leases
from state.rules.eligibility import stored_sources
from state.rules.extraction import END_JOB, end_parameters, finish_extraction
from state.rules.extraction_claims import GRANT_JOB, claim_extraction
from state.rules.waiting_jobs import NEWEST_FIRST, due_conditions
from state.transaction import SqlValue, Transaction, in_list

_Granted = tuple[ExtractionClaimed, dict[str, SqlValue], int, int]


def _granted(
    *,
    thread_id: ThreadId,
    scope_kind: str,
    scope_key: str,
    attempts: int,
    given_back: int,
    fencing_number: int,
    done_input_digest: str | None,
    done_extractor: str | None,
    done_version: int | None,
    content_at_ms: int,
    rollout_path: str,
    content_revision: int,
) -> _Granted:
    """A job that waits, as its claimant will see it, with what its grant has of its own, what it has spent, its age.

    Made at once from its row: one object more for every job was a tenth of what a claim costs.
    """
    last = None
    if done_input_digest is not None and done_extractor is not None:
        last = LastExtraction(
            input_digest=done_input_digest, extractor=ExtractorId(name=done_extractor, version=done_version or 0)
        )
    claimed = ExtractionClaimed(
        thread_id=thread_id,
        scope=Scope(kind=scope_kind, key=scope_key),
        rollout_path=rollout_path,
        content_revision=content_revision,
        fencing_number=fencing_number + 1,
        attempt=attempts + 1,
        last=last,
    )
    own: dict[str, SqlValue] = {
        "thread_id": thread_id,
        "kind": scope_kind,
        "key": scope_key,
        "attempt": attempts + 1,
        "given_back": given_back,
        "revision": content_revision,
    }
    return claimed, own, attempts - given_back, content_at_ms


_WAITING = (
    # What the content as it is now has had of attempts: none where it changed since the last claim.
    "SELECT w.thread_id, w.scope_kind, w.scope_key, w.fencing_number, w.done_input_digest, w.done_extractor,"
    " w.done_version, w.content_at_ms, t.rollout_path, t.content_revision,"
    " CASE WHEN w.claimed_revision IS t.content_revision THEN w.attempts ELSE 0 END AS attempts,"
    " CASE WHEN w.claimed_revision IS t.content_revision THEN w.given_back ELSE 0 END AS given_back"
    " FROM extraction_jobs w INDEXED BY extraction_jobs_waiting CROSS JOIN threads t ON t.id = w.thread_id"
    " WHERE w.status IN ('pending', 'retry') AND w.status = 'pending' AND w.eligible_source = :source"
)

_STALE = f"SELECT count(*) FROM extraction_jobs WHERE status = 'running' AND NOT ({leases.HELD})"
_HELD = f"SELECT count(*) FROM extraction_jobs WHERE status = 'running' AND {leases.HELD}"


async def claim_extractions(tx: Transaction, request: ClaimExtractions, at: Instant) -> ExtractionsClaimed:
    """Claim in the order of the tokens: all together what waits for the first time, the others one by one."""
    jobs = await _claim_together(tx, request, at)
    for token in request.tokens[len(jobs) :]:
        terms = ClaimTerms(token=token, owner=request.owner, lease_ms=request.lease_ms)
        single = ClaimExtraction(terms=terms, eligibility=request.eligibility, running_max=request.running_max)
        reply = await claim_extraction(tx, single, at)
        if not isinstance(reply, ExtractionClaimed):
            return ExtractionsClaimed(jobs=tuple(jobs), ended=reply)
        jobs.append(reply)
    return ExtractionsClaimed(jobs=tuple(jobs), ended=None)


async def _claim_together(tx: Transaction, request: ClaimExtractions, at: Instant) -> list[ExtractionClaimed]:
    """Grant the first tokens what the single claims would grant them, as far as there is nothing to decide.

    A token that holds a job, a lease that has ended and a job that is used up are for the single claim. None of
    these comes to be by what is granted here.
    """
    if not request.tokens:
        return []
    shown, tokens = in_list("token", request.tokens)
    held = leases.held_parameters(at)
    if await tx.count(
        f"SELECT (SELECT count(*) FROM extraction_jobs WHERE ownership_token {shown}) + ({_STALE})", **tokens, **held
    ):
        return []
    room = len(request.tokens)
    if request.running_max is not None:
        room = min(room, request.running_max - await tx.count(_HELD, **held))
    if room <= 0:
        return []
    waiting = await _waiting(tx, request.eligibility, room, at)
    grant = leases.grants_parameters(request.owner, request.lease_ms, at)
    grants: list[dict[str, SqlValue]] = []
    jobs: list[ExtractionClaimed] = []
    for (job, own, spent, _), token in zip(waiting, request.tokens, strict=False):
        if spent >= ATTEMPTS_MAX:
            break
        grants.append({**grant, **own, "token": token})
        jobs.append(job)
    await tx.execute_each(GRANT_JOB, grants)
    return jobs


async def _waiting(tx: Transaction, eligibility: Eligibility, room: int, at: Instant) -> list[_Granted]:
    """The newest of all sources together. Each is asked for its own, in the order of the index."""
    conditions, parameters = due_conditions(eligibility, at)
    waiting: list[_Granted] = []
    for source in dict.fromkeys(stored_sources(eligibility)):
        sql = f"{_WAITING}{conditions}{NEWEST_FIRST} LIMIT :limit"
        waiting += await tx.all(_granted, sql, **parameters, source=source, limit=room)
    waiting.sort(key=lambda granted: (granted[0].scope.kind, granted[0].scope.key))
    waiting.sort(key=lambda granted: (granted[3], granted[0].thread_id), reverse=True)
    return waiting[:room]


@attrs.define(kw_only=True)
class _Running:
    """A job that runs. is_forward: its memory, if there is one, is of its content as it is now."""

    ownership_token: OwnershipToken
    is_grown: int
    has_memory: int
    is_forward: int


async def finish_extractions(tx: Transaction, request: FinishExtractions, at: Instant) -> ExtractionsFinished:
    """End all together what saves nothing, the others one by one. No end changes what another one looks at."""
    shown, tokens = in_list("token", [finish.token for finish in request.finishes])
    running = {
        row.ownership_token: row
        for row in await tx.all(
            _Running,
            "SELECT j.ownership_token, t.content_revision > j.claimed_revision AS is_grown,"
            " m.thread_id IS NOT NULL AS has_memory, coalesce(m.source_at_ms >= j.content_at_ms, 1) AS is_forward"
            " FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id LEFT JOIN memories m"
            " ON m.thread_id = j.thread_id AND m.scope_kind = j.scope_kind AND m.scope_key = j.scope_key"
            f" WHERE j.ownership_token {shown} AND j.status = 'running'",
            **tokens,
        )
    }
    results: list[ExtractionFinished | NotOwner] = []
    ended: list[dict[str, SqlValue]] = []
    for finish in request.finishes:
        # Taken out: whoever shows a token again has lost it by his own end.
        job = running.pop(finish.token, None)
        if job is None:
            results.append(NotOwner())
        elif finish.draft is not None or not job.is_forward:
            results.append(await finish_extraction(tx, finish, at))
        else:
            ended.append(_end(finish, job, at))
            results.append(ExtractionFinished(result=FinishResult.UNCHANGED))
    await tx.execute_each(END_JOB, ended)
    return ExtractionsFinished(results=tuple(results))


def _end(finish: FinishExtraction, job: _Running, at: Instant) -> dict[str, SqlValue]:
    status = "pending" if job.is_grown else "succeeded" if job.has_memory else "empty"
    return end_parameters(finish, status, at)


async def finish_and_claim_extractions(
    tx: Transaction, request: FinishAndClaimExtractions, at: Instant
) -> ExtractionsHandedOver:
    """The ends, then the claims."""
    finished = await finish_extractions(tx, request.finish, at)
    return ExtractionsHandedOver(finished=finished, claimed=await claim_extractions(tx, request.claim, at))
