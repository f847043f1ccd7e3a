"""Reading jobs, for people: extraction jobs and scopes side by side, in one order."""

import attrs

from state.ids import Instant, Scope
from state.messages.consolidation import ScopeBackingOff, ScopeCoolingDown
from state.messages.extraction import Eligibility
from state.messages.jobs import (
    READY,
    BackOffs,
    GetBackOffs,
    GetJob,
    Job,
    JobFound,
    JobKind,
    JobNotFound,
    JobPage,
    ListJobs,
)
from state.rules import leases
from state.rules.consolidation_claims import scope_row, why_not_now
from state.rules.eligibility import stored_sources
from state.rules.prefixes import SIMILAR_MAX
from state.rules.scopes import CWD_KIND
from state.rules.source_classes import why_not_chosen
from state.transaction import SqlValue, Transaction

_EXTRACTION_ID, _CONSOLIDATION_ID = "extraction:", "consolidation:"

_EXTRACTION_NAME = (
    f"thread_id || CASE WHEN scope_kind = '{CWD_KIND}'"
    " AND scope_key = (SELECT cwd FROM threads t WHERE t.id = thread_id)"
    " THEN '' ELSE ':' || scope_kind || ':' || scope_key END"
)
"""A thread's own job, in the scope of its working folder, has the thread's name; one in another scope adds that."""
EXTRACTION_ID = f"'{_EXTRACTION_ID}' || {_EXTRACTION_NAME}"
"""The id of a row of extraction_jobs, as SQL."""
CONSOLIDATION_ID = f"'{_CONSOLIDATION_ID}' || scope_kind || ':' || scope_key"
"""The id of a row of scopes, as SQL."""

_EXTRACTIONS = (
    f"SELECT {EXTRACTION_ID} AS job_id, 'extraction' AS kind, status, scope_kind, scope_key, thread_id,"
    f" attempts, given_back, fencing_number, {leases.COLUMNS}, started_at_ms, finished_at_ms, next_attempt_at_ms,"
    " reason, input_tokens, cached_input_tokens, output_tokens, model_calls FROM extraction_jobs"
)
_SCOPE_STATUS = (
    "CASE WHEN ownership_token IS NOT NULL THEN 'running' WHEN attempts > 0 THEN 'retry'"
    " WHEN inputs_mark > consolidated_mark THEN 'pending' ELSE 'succeeded' END"
)
_CONSOLIDATIONS = (
    f"SELECT {CONSOLIDATION_ID} AS job_id, 'consolidation' AS kind,"
    f" {_SCOPE_STATUS} AS status,"
    " scope_kind, scope_key, NULL AS thread_id, attempts, 0 AS given_back, fencing_number,"
    f" {leases.COLUMNS}, started_at_ms,"
    # A running scope still knows when it last ended, since its cool-down is counted from there.
    " CASE WHEN ownership_token IS NULL THEN finished_at_ms END AS finished_at_ms, next_attempt_at_ms, reason,"
    " 0 AS input_tokens, 0 AS cached_input_tokens, 0 AS output_tokens, 0 AS model_calls FROM scopes"
)
_LISTED = {
    JobKind.CONSOLIDATION: (_CONSOLIDATIONS, CONSOLIDATION_ID, CONSOLIDATION_ID),
    # By the key of the table first, which is the same order, so that a page does not name all jobs.
    JobKind.EXTRACTION: (_EXTRACTIONS, EXTRACTION_ID, "thread_id, job_id"),
}
"""In the order of their ids: the rows of each kind, their id, and how they are ordered. The id of a scope is written as
its index is."""

_AFTER_ALL = "\U0010ffff"
"""Behind a beginning: greater than all that begins so."""


@attrs.frozen(kw_only=True)
class JobRow(leases.LeaseRow):
    """One job as its table holds it."""

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

    @property
    def scope(self) -> Scope:
        """The scope that it is about."""
        return Scope(kind=self.scope_kind, key=self.scope_key)

    def job(self, at: Instant, waits_because: str | None = None) -> Job:
        """As people see it."""
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
            waits_because=waits_because,
            input_tokens=self.input_tokens,
            cached_input_tokens=self.cached_input_tokens,
            output_tokens=self.output_tokens,
            model_calls=self.model_calls,
        )


async def list_jobs(tx: Transaction, request: ListJobs, at: Instant) -> JobPage:
    """One page in job_id order."""
    kinds = [kind for kind in _LISTED if request.kind in (None, kind)]
    after_thread = ""
    if request.after.startswith(_EXTRACTION_ID):
        # Whatever comes after it is an extraction, of this thread or a later one.
        kinds = [kind for kind in kinds if kind is JobKind.EXTRACTION]
        after_thread = request.after.removeprefix(_EXTRACTION_ID).partition(":")[0]
    rows: list[JobRow] = []
    for kind in kinds:
        sql, name, order = _LISTED[kind]
        parameters: dict[str, SqlValue] = {"after": request.after}
        where = f"{name} > :after"
        if kind is JobKind.EXTRACTION:
            where += " AND thread_id >= :after_thread"
            parameters["after_thread"] = after_thread
        if request.status is not None:
            where += f" AND {_SCOPE_STATUS if kind is JobKind.CONSOLIDATION else 'status'} = :status"
            parameters["status"] = request.status
        rows += await tx.all(
            JobRow,
            f"{sql} WHERE {where} ORDER BY {order} LIMIT :limit",
            **parameters,
            limit=request.limit + 1 - len(rows),
        )
    page = [row.job(at, await _why_waits(tx, row, request, at)) for row in rows[: request.limit]]
    return JobPage(jobs=tuple(page), next_after=page[-1].job_id if len(rows) > request.limit and page else None)


async def get_job(tx: Transaction, request: GetJob, at: Instant) -> JobFound | JobNotFound:
    """One job by its id or by a unique beginning of it, with what it waits for."""
    row = await find_job(tx, request.job_id)
    if isinstance(row, JobNotFound):
        return row
    return JobFound(job=row.job(at, await _why_waits(tx, row, request, at)))


async def find_job(tx: Transaction, text: str) -> JobRow | JobNotFound:
    """The job with this id, else the one whose id begins so, else those that might be meant.

    The name of a kind alone names no job.
    """
    wanted = text.strip()
    parameters: dict[str, SqlValue] = {}
    if wanted.startswith(_CONSOLIDATION_ID):
        sql, name, narrowed, order = _CONSOLIDATIONS, CONSOLIDATION_ID, "", CONSOLIDATION_ID
        is_a_kind_alone = wanted == _CONSOLIDATION_ID
    else:
        thread_id, colon, scope = wanted.removeprefix(_EXTRACTION_ID).partition(":")
        wanted = thread_id.lower() + colon + scope
        # By the key of the table, so that one job is found without naming all.
        sql, name, narrowed = _EXTRACTIONS, _EXTRACTION_NAME, "thread_id >= :thread_id AND thread_id < :thread_end AND "
        order = f"thread_id, {name}"
        parameters = {"thread_id": thread_id.lower(), "thread_end": thread_id.lower() + _AFTER_ALL}
        is_a_kind_alone = not wanted
    if is_a_kind_alone:
        return JobNotFound()
    rows = await tx.all(
        JobRow,
        f"{sql} WHERE {narrowed}{name} >= :wanted AND {name} < :end ORDER BY {order} LIMIT {SIMILAR_MAX}",
        **parameters,
        wanted=wanted,
        end=wanted + _AFTER_ALL,
    )
    wanted = wanted.removeprefix(_CONSOLIDATION_ID)
    exact = [row for row in rows if row.job_id.partition(":")[2] == wanted]
    if len(exact or rows) == 1:
        return (exact or rows)[0]
    return JobNotFound(similar=tuple(row.job_id for row in rows))


async def _why_waits(tx: Transaction, row: JobRow, request: GetJob | ListJobs, at: Instant) -> str | None:
    if row.kind == JobKind.CONSOLIDATION:
        return await _why_scope_waits(tx, row, request.cooldown_ms, at)
    return await _why_thread_waits(tx, row, request.eligibility, at)


async def _why_scope_waits(tx: Transaction, row: JobRow, cooldown_ms: int, at: Instant) -> str | None:
    scope = await scope_row(tx, row.scope)
    if scope is None or scope.ownership_token is not None or not scope.is_dirty:
        return None
    match why_not_now(scope, at, cooldown_ms=cooldown_ms):
        case ScopeBackingOff():
            return "waiting to be tried again"
        case ScopeCoolingDown():
            return "resting after its last success"
    return READY


@attrs.frozen(kw_only=True)
class _Waiting:
    archived_at_ms: int | None
    memory_mode: str
    source: str
    content_at_ms: int


async def _why_thread_waits(tx: Transaction, row: JobRow, eligibility: Eligibility | None, at: Instant) -> str | None:
    """In the order and the words of GetExtractionTotals; a test holds the two against each other."""
    if eligibility is None or row.status not in ("pending", "retry"):
        return None
    thread = await tx.one(
        _Waiting,
        "SELECT t.archived_at_ms, t.memory_mode, t.source, j.content_at_ms FROM extraction_jobs j"
        " JOIN threads t ON t.id = j.thread_id"
        " WHERE j.thread_id = :thread_id AND j.scope_kind = :kind AND j.scope_key = :key",
        thread_id=row.thread_id,
        kind=row.scope_kind,
        key=row.scope_key,
    )
    if thread is None:
        return "its session is not indexed"
    age_ms = at.wall_ms - thread.content_at_ms
    if thread.archived_at_ms is not None:
        return "archived"
    if thread.memory_mode != "enabled":
        return f"memory is {thread.memory_mode}"
    if thread.source not in stored_sources(eligibility):
        return why_not_chosen(thread.source)
    if age_ms < eligibility.idle_ms:
        return "not idle long enough"
    if eligibility.age_ms_max is not None and age_ms > eligibility.age_ms_max:
        return "too old"
    if row.next_attempt_at_ms is not None and row.next_attempt_at_ms > at.wall_ms:
        return "waiting to be tried again"
    return READY


@attrs.frozen(kw_only=True)
class _BackOff:
    jobs: int
    next_attempt_at_ms: int | None


async def get_back_offs(tx: Transaction, request: GetBackOffs, at: Instant) -> BackOffs:
    """Count what waits for its next attempt, and say when the first one is."""
    extractions = await tx.one(
        _BackOff,
        "SELECT count(*) AS jobs, min(next_attempt_at_ms) AS next_attempt_at_ms FROM extraction_jobs"
        " INDEXED BY extraction_jobs_backing_off WHERE status IN ('pending', 'retry') AND status = 'retry'"
        " AND next_attempt_at_ms IS NOT NULL AND next_attempt_at_ms > :wall_ms AND eligible_source IS NOT NULL",
        wall_ms=at.wall_ms,
    )
    consolidations = await tx.one(
        _BackOff,
        "SELECT count(*) AS jobs, min(next_attempt_at_ms) AS next_attempt_at_ms FROM scopes"
        " WHERE inputs_mark > consolidated_mark AND ownership_token IS NULL AND next_attempt_at_ms > :wall_ms",
        wall_ms=at.wall_ms,
    )
    assert extractions is not None, "an aggregate always answers one row"
    assert consolidations is not None, "an aggregate always answers one row"
    times = [one.next_attempt_at_ms for one in (extractions, consolidations) if one.next_attempt_at_ms is not None]
    return BackOffs(
        extractions=extractions.jobs, consolidations=consolidations.jobs, next_attempt_at_ms=min(times, default=None)
    )
