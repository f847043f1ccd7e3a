"""Reading jobs, for people: extraction jobs and scopes side by side, in one order."""

import attrs

from state.ids import Instant
from state.messages.jobs import GetJob, Job, JobFound, JobKind, JobNotFound, JobPage, ListJobs
from state.rules import leases
from state.transaction import SqlValue, Transaction

_ALL_JOBS = (
    f"SELECT 'extraction:' || thread_id AS job_id, 'extraction' AS kind, status, scope_kind, scope_key, thread_id,"
    f" attempts, given_back, fencing_number, {leases.COLUMNS}, started_at_ms, finished_at_ms, next_attempt_at_ms,"
    " reason, input_tokens, cached_input_tokens, output_tokens, model_calls FROM extraction_jobs"
    " UNION ALL SELECT 'consolidation:' || scope_kind || ':' || scope_key, 'consolidation',"
    " CASE WHEN ownership_token IS NOT NULL THEN 'running' WHEN attempts > 0 THEN 'retry'"
    " WHEN inputs_mark > consolidated_mark THEN 'pending' ELSE 'succeeded' END,"
    f" scope_kind, scope_key, NULL, attempts, 0, fencing_number, {leases.COLUMNS}, started_at_ms,"
    # A running scope still knows when it last ended, since its cool-down is counted from there.
    " CASE WHEN ownership_token IS NULL THEN finished_at_ms END,"
    " next_attempt_at_ms, reason, 0, 0, 0, 0 FROM scopes"
)


@attrs.frozen(kw_only=True)
class _JobRow(leases.LeaseRow):
    job_id: str
    kind: str
    status: str
    scope_kind: str
    scope_key: str
    thread_id: str | None
    attempts: int
    given_back: int
    fencing_number: int
    started_at_ms: int | None
    finished_at_ms: int | None
    next_attempt_at_ms: int | None
    reason: str | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    model_calls: int

    def job(self, at: Instant) -> Job:
        return Job(
            job_id=self.job_id,
            kind=JobKind(self.kind),
            status=self.status,
            scope_kind=self.scope_kind,
            scope_key=self.scope_key,
            thread_id=self.thread_id,
            attempts=self.attempts,
            given_back=self.given_back,
            fencing_number=self.fencing_number,
            owner=self.owner,
            lease_left_ms=leases.lease_left_ms(self, at) if self.ownership_token is not None else None,
            started_at_ms=self.started_at_ms,
            finished_at_ms=self.finished_at_ms,
            next_attempt_at_ms=self.next_attempt_at_ms,
            reason=self.reason,
            input_tokens=self.input_tokens,
            cached_input_tokens=self.cached_input_tokens,
            output_tokens=self.output_tokens,
            model_calls=self.model_calls,
        )


async def list_jobs(tx: Transaction, request: ListJobs, at: Instant) -> JobPage:
    """One page in job_id order."""
    where = ["job_id > :after"]
    parameters: dict[str, SqlValue] = {"after": request.after, "limit": request.limit + 1}
    if request.kind is not None:
        where.append("kind = :kind")
        parameters["kind"] = request.kind.value
    if request.status is not None:
        where.append("status = :status")
        parameters["status"] = request.status
    rows = await tx.all(
        _JobRow,
        f"SELECT * FROM ({_ALL_JOBS}) WHERE {' AND '.join(where)} ORDER BY job_id LIMIT :limit",
        **parameters,
    )
    page = tuple(row.job(at) for row in rows[: request.limit])
    return JobPage(jobs=page, next_after=page[-1].job_id if len(rows) > request.limit and page else None)


async def get_job(tx: Transaction, request: GetJob, at: Instant) -> JobFound | JobNotFound:
    """One job by its id."""
    row = await tx.one(
        _JobRow,
        f"SELECT * FROM ({_ALL_JOBS}) WHERE job_id = :job_id",
        job_id=request.job_id,
    )
    return JobFound(job=row.job(at)) if row is not None else JobNotFound()
