"""Messages of extraction, phase 1: one memory per thread and scope.

A job is claimed only when a slot is free, is bound to the content revision that it read, and ends in one
transaction that saves the memory, the job's result and the scope's dirty mark together, guarded by the token.
"""

from enum import StrEnum

import attrs

from config.settings import ExtractionSettings
from state.ids import OwnershipToken, Scope, ThreadId
from state.messages.base import Lane, LongRead, Request
from state.messages.leases import ClaimTerms, NotOwner, Released, Renewed, check_lease_ms, check_text


class JobStatus(StrEnum):
    """Where an extraction job stands. Stored as this text."""

    PENDING = "pending"
    """There is content that no extraction has seen."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    EMPTY = "empty"
    """Succeeded, and there was nothing worth remembering."""
    RETRY = "retry"
    """Failed for now; tried again at next_attempt_at_ms."""
    DEAD = "dead"
    """Given up, with a reason; new content or a person opens it again."""


class FailureClass(StrEnum):
    """What kind of failure it was, which decides what happens next."""

    TRANSIENT = "transient"
    """Trying again may help."""
    PERMANENT = "permanent"
    """Trying again cannot help: the job is given up."""
    UNAVAILABLE = "unavailable"
    """The provider cannot work at all, whatever the job: the claim is not held against it."""


ATTEMPTS_MAX = 5
"""A job that failed, or killed its worker, this often is dead until its content changes."""


@attrs.frozen(kw_only=True)
class Eligibility:
    """Which threads may be extracted now. Times are compared with the thread's last meaningful line, not with mtime.

    Attributes:
      sources: as the rollout names them ("cli"); a custom source is given by its bare name.
      idle_ms: content must be at least this old (equal is old enough).
      age_ms_max: content must be at most this old; None for no limit.
    """

    sources: tuple[str, ...]
    idle_ms: int
    age_ms_max: int | None

    @classmethod
    def from_settings(cls, settings: ExtractionSettings) -> "Eligibility":
        """As the settings say it."""
        return cls(sources=settings.sources, idle_ms=settings.idle_ms(), age_ms_max=settings.age_ms_max())


@attrs.frozen(kw_only=True)
class ExtractorId:
    """Which extractor works: a provider's name and version. A newer version reopens what an older one did."""

    name: str
    version: int


@attrs.frozen(kw_only=True)
class TokenUsage:
    """What a provider cost, in tokens of its model; zeros for a provider that is free.

    Attributes:
      input_tokens: what was read, cached or not.
      cached_input_tokens: of these, what the server had read before, which most servers sell for less.
      output_tokens: what was written, reasoning included.
      model_calls: requests that were tried, those that failed included.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    model_calls: int = 0

    def plus(self, other: "TokenUsage") -> "TokenUsage":
        """Both together."""
        return TokenUsage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            model_calls=self.model_calls + other.model_calls,
        )


NO_TOKENS = TokenUsage()


@attrs.frozen(kw_only=True)
class LastExtraction:
    """What the last successful extraction of this job read, to see that nothing meaningful changed since."""

    input_digest: str
    extractor: ExtractorId


@attrs.frozen(kw_only=True)
class ExtractionClaimed:
    """One job to do. rollout_path is relative to the Codex home; content_revision is what the claim is bound to."""

    thread_id: ThreadId
    scope: Scope
    rollout_path: str
    content_revision: int
    fencing_number: int
    attempt: int
    last: LastExtraction | None


@attrs.frozen(kw_only=True)
class NothingToExtract:
    """No job can be claimed now. next_due_in_ms: when one may be, as far as is known; None when none waits."""

    next_due_in_ms: int | None


@attrs.frozen(kw_only=True)
class ExtractionCapacityReached:
    """A job waits, but as many run as may, over all processes. Nobody is told when one ends: ask again."""


@attrs.frozen(kw_only=True)
class ClaimExtraction(Request[ExtractionClaimed | NothingToExtract | ExtractionCapacityReached]):
    """Claim the newest eligible job. Jobs whose attempts are used up become dead letters on the way.

    The attempt is counted here, so that a job that kills its worker is counted too.
    Asking again with the same token is safe: the same job is answered.

    Attributes:
      running_max: grant nothing while so many other jobs run under living leases, whoever holds them; None for any
        number.
    """

    terms: ClaimTerms
    eligibility: Eligibility
    running_max: int | None = None


@attrs.frozen(kw_only=True)
class RenewExtraction(Request[Renewed | NotOwner]):
    """Keep the job. A late renewal is granted as long as nobody has stolen it. Asking again is safe."""

    lane = Lane.URGENT
    token: OwnershipToken = attrs.field(validator=check_text)
    lease_ms: int = attrs.field(validator=check_lease_ms)


@attrs.frozen(kw_only=True)
class ReleaseExtraction(Request[Released | NotOwner]):
    """Give an unfinished job back, for instance at shutdown. The claim is not held against the job.

    Asking again answers NotOwner and changes nothing.
    """

    lane = Lane.URGENT
    token: OwnershipToken


@attrs.frozen(kw_only=True)
class MemoryNote:
    """One remembered line and the rollout line that proves it. kind and topic: see workers.models.protocol."""

    kind: str
    topic: str
    text: str
    line: int
    at_ms: int | None


@attrs.frozen(kw_only=True)
class MemoryDraft:
    """What an extraction wants remembered; redacted already."""

    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None
    notes: tuple[MemoryNote, ...]


class FinishResult(StrEnum):
    """What a finish changed."""

    SAVED = "saved"
    """The memory is new or different; its scope is dirty."""
    EMPTY = "empty"
    """There was nothing to remember, and no earlier memory."""
    UNCHANGED = "unchanged"
    """The memory is what it was, also where the answer was empty. Its scope is dirty only if the memory covers newer
    content than before."""


@attrs.frozen(kw_only=True)
class ExtractionFinished:
    """The job is done for the revision that it was claimed for."""

    result: FinishResult


@attrs.frozen(kw_only=True)
class FinishExtraction(Request[ExtractionFinished | NotOwner]):
    """Save the memory, the job's result and the scope's dirty mark, all or nothing, under the token.

    `draft` None means that the input was what the last extraction read: nothing is saved, the job is up to date.
    An empty draft means that there is nothing to remember. If the thread grew meanwhile the job is pending again.
    `usage` is added to what the job has cost so far. Asking again answers NotOwner and changes nothing.
    """

    lane = Lane.URGENT
    token: OwnershipToken
    input_digest: str
    extractor: ExtractorId
    draft: MemoryDraft | None
    usage: TokenUsage = NO_TOKENS


@attrs.frozen(kw_only=True)
class RetryScheduled:
    """The job will be tried again, not before next_attempt_at_ms."""

    next_attempt_at_ms: int


@attrs.frozen(kw_only=True)
class DeadLettered:
    """The job is given up, with its reason, until its content changes or a person opens it."""


@attrs.frozen(kw_only=True)
class FailExtraction(Request[RetryScheduled | DeadLettered | NotOwner]):
    """Record why it did not work. A good memory of an earlier extraction stays.

    jitter_permille (0 to 1000) spreads the back-off over its upper half; the asker draws it.
    A failed call costs too: `usage` is added to what the job has cost so far.
    Asking again answers NotOwner and changes nothing.
    """

    lane = Lane.URGENT
    token: OwnershipToken
    failure: FailureClass
    reason: str
    jitter_permille: int
    retry_after_ms: int | None = None
    usage: TokenUsage = NO_TOKENS


REOPENED_MAX = 500
"""How many jobs one request opens again at most, so that nobody waits behind it for long."""


@attrs.frozen(kw_only=True)
class ReopenForExtractor(Request[int]):
    """Open again what an older version of the same extractor did or gave up, REOPENED_MAX jobs at most. Replies how
    many; to be asked again as long as they are as many as allowed. Asking again is safe."""

    extractor: ExtractorId


@attrs.frozen(kw_only=True)
class ExtractionTotals:
    """jobs_by_status: JobStatus value to number of jobs. waiting_by_reason: why pending jobs are not claimed now.
    tokens: what all jobs together have cost."""

    jobs_by_status: dict[str, int]
    waiting_by_reason: dict[str, int]
    tokens: TokenUsage


@attrs.frozen(kw_only=True)
class GetExtractionTotals(LongRead[ExtractionTotals]):
    """How many jobs stand where, and why the pending ones wait."""

    eligibility: Eligibility
