"""Messages for people who look at jobs: extraction jobs and scopes, in one vocabulary."""

from enum import StrEnum

import attrs

from state.messages.base import LongRead, SmallRead
from state.messages.extraction import Eligibility
from state.messages.leases import Owner, check_whole_number

READY = "ready"
"""Why a job waits that waits for nothing but a free worker."""


class JobKind(StrEnum):
    """What a job does."""

    EXTRACTION = "extraction"
    CONSOLIDATION = "consolidation"


@attrs.frozen(kw_only=True)
class Job:
    """One job row. job_id is "extraction:<thread id>", with ":<scope kind>:<scope key>" behind it for a job in another
    scope than that of the thread's working folder, or "consolidation:<scope kind>:<scope key>".

    lease_left_ms is negative when a running job's lease has ended and nobody took it over yet. given_back: claims of
    `attempts` that are not held against the job. What it has cost, in tokens and calls, is over all its attempts.
    reason: why it failed last. waits_because: why a job that is to be done is not claimed now, in the words of
    GetExtractionTotals ("ready" when it can be); None for any other job, and where it was not asked.
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
    waits_because: str | None
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
    """Jobs in job_id order, optionally of one kind or status. eligibility and cooldown_ms as in GetJob."""

    kind: JobKind | None = None
    status: str | None = None
    limit: int = 25
    after: str = ""
    eligibility: Eligibility | None = None
    cooldown_ms: int = attrs.field(default=0, validator=check_whole_number(0))


@attrs.frozen(kw_only=True)
class JobFound:
    """The one job that was asked for."""

    job: Job


@attrs.frozen(kw_only=True)
class JobNotFound:
    """No job has that id, or several begin like it. `similar` holds up to five ids that do."""

    similar: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class GetJob(SmallRead[JobFound | JobNotFound]):
    """One job by its id, or by a beginning of it that no other has; a thread's id stands for its own extraction job.

    Attributes:
      eligibility: which threads may be extracted; without it no extraction job says why it waits.
      cooldown_ms: how long a scope rests after a success.
    """

    job_id: str
    eligibility: Eligibility | None = None
    cooldown_ms: int = attrs.field(default=0, validator=check_whole_number(0))


@attrs.frozen(kw_only=True)
class BackOffs:
    """How many jobs failed and wait to be tried again, and when the first of them is; None when none waits."""

    extractions: int = 0
    consolidations: int = 0
    next_attempt_at_ms: int | None = None


NO_BACK_OFFS = BackOffs()


@attrs.frozen(kw_only=True)
class GetBackOffs(SmallRead[BackOffs]):
    """How many jobs wait to be tried again? Those of archived threads, and of threads without memory, do not count."""
