"""Messages for people who look at jobs: extraction jobs and scopes, in one vocabulary."""

from enum import StrEnum

import attrs

from state.messages.base import LongRead, SmallRead
from state.messages.leases import Owner


class JobKind(StrEnum):
    """What a job does."""

    EXTRACTION = "extraction"
    CONSOLIDATION = "consolidation"


@attrs.frozen(kw_only=True)
class Job:
    """One job row. job_id is "extraction:<thread id>" or "consolidation:<scope kind>:<scope key>".

    lease_left_ms is negative when a running job's lease has ended and nobody took it over yet. given_back: claims of
    `attempts` that are not held against the job. What it has cost, in tokens and calls, is over all its attempts.
    """

    job_id: str
    kind: JobKind = attrs.field(converter=JobKind)
    status: str
    scope_kind: str
    scope_key: str
    thread_id: str | None
    attempts: int
    given_back: int
    fencing_number: int
    owner: Owner | None
    lease_left_ms: int | None
    started_at_ms: int | None
    finished_at_ms: int | None
    next_attempt_at_ms: int | None
    reason: str | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    model_calls: int


@attrs.frozen(kw_only=True)
class JobPage:
    """jobs: at most `limit`. next_after is None on the last page."""

    jobs: tuple[Job, ...]
    next_after: str | None


@attrs.frozen(kw_only=True)
class ListJobs(LongRead[JobPage]):
    """Jobs in job_id order, optionally of one kind or status."""

    kind: JobKind | None = None
    status: str | None = None
    limit: int = 25
    after: str = ""


@attrs.frozen(kw_only=True)
class JobFound:
    """The one job that was asked for."""

    job: Job


@attrs.frozen(kw_only=True)
class JobNotFound:
    """No job has that id."""


@attrs.frozen(kw_only=True)
class GetJob(SmallRead[JobFound | JobNotFound]):
    """One job by its id."""

    job_id: str
