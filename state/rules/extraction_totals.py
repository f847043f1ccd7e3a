"""How many extraction jobs stand where, why those that wait do, and what all of them have cost."""

import attrs

from state.ids import Instant
from state.messages.extraction import ExtractionTotals, GetExtractionTotals, TokenUsage
from state.rules.eligibility import chosen_sources
from state.rules.source_classes import sql_why_not_chosen
from state.transaction import Transaction


@attrs.frozen(kw_only=True)
class _StatusCount:
    status: str
    jobs: int


async def get_extraction_totals(tx: Transaction, request: GetExtractionTotals, at: Instant) -> ExtractionTotals:
    """Count jobs by status, and say why pending ones are not claimed now."""
    counts = await tx.all(_StatusCount, "SELECT status, count(*) AS jobs FROM extraction_jobs GROUP BY status")
    sources, parameters = chosen_sources(request.eligibility)
    age_ms_max = request.eligibility.age_ms_max
    waiting = await tx.all(
        _StatusCount,
        # The thread is looked at only where the job says that nobody may extract it: most jobs wait for their source.
        "SELECT CASE WHEN j.eligible_source IS NULL THEN (SELECT CASE WHEN t.archived_at_ms IS NOT NULL THEN 'archived'"
        " ELSE 'memory is ' || t.memory_mode END FROM threads t WHERE t.id = j.thread_id)"
        f" WHEN NOT j.eligible_source {sources} THEN {sql_why_not_chosen('j.eligible_source')}"
        " WHEN j.content_at_ms > :content_at_ms_max THEN 'not idle long enough'"
        " WHEN j.content_at_ms < :content_at_ms_min THEN 'too old'"
        " WHEN j.next_attempt_at_ms > :wall_ms THEN 'waiting to be tried again'"
        " ELSE 'ready' END AS status, count(*) AS jobs"
        " FROM extraction_jobs j INDEXED BY extraction_jobs_waiting"
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
        " FROM extraction_jobs INDEXED BY extraction_jobs_paid"
        " WHERE input_tokens + cached_input_tokens + output_tokens + model_calls > 0",
    )
    return usage or TokenUsage()
