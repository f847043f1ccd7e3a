"""Claiming one given extraction job, with a named reply for every reason why it is not granted.

For programs that choose the thread themselves; the service's own workers take whatever is next (`ClaimExtraction`).
There is no budget yet, so nothing here says that one is used up.
"""

import attrs

from state.ids import Scope, ThreadId
from state.messages.base import Request
from state.messages.extraction import ExtractionClaimed
from state.messages.leases import ClaimTerms
from state.messages.threads import UnknownThread


@attrs.frozen(kw_only=True)
class SkippedTerminalFailure:
    """The job was given up for the content as it is now; new content or a person opens it. reason: why."""

    reason: str | None


@attrs.frozen(kw_only=True)
class SkippedUpToDate:
    """The content that was asked for has been extracted."""


@attrs.frozen(kw_only=True)
class SkippedRunning:
    """Somebody holds the job, and their claim is not stale."""


@attrs.frozen(kw_only=True)
class SkippedBackoff:
    """It failed, and is not tried again before next_attempt_at_ms unless its content changes."""

    next_attempt_at_ms: int


@attrs.frozen(kw_only=True)
class SkippedExhausted:
    """Its last owner left it with no attempt to spare; this request made it a dead letter, with its reason."""


@attrs.frozen(kw_only=True)
class SkippedCapacity:
    """It could be claimed, but as many other jobs run as may, over all processes."""


ExtractionSkipped = (
    SkippedTerminalFailure | SkippedUpToDate | SkippedRunning | SkippedBackoff | SkippedExhausted | SkippedCapacity
)


@attrs.frozen(kw_only=True)
class ClaimExtractionOf(Request[ExtractionClaimed | ExtractionSkipped | UnknownThread]):
    """Claim the job of this thread in this scope; a job that does not exist yet is made.

    Whether the thread is eligible (its source, age, memory mode) is the asker's business. New content opens what was
    given up, used up or backing off. The attempt is counted here. Asking again with the same token is safe: while the
    job is held under it, it is answered again. A token that holds another job cannot take this one, which is a failure.

    Attributes:
      scope: of any kind, compared exactly.
      content_revision: what the asker wants extracted; None, or more than the thread has: all that it has. The claim
        is always bound to all that it has.
      running_max: as in ClaimExtraction; this job itself is not counted.

    Raises:
      DamagedRowError: the job's fencing number cannot grow any more; nothing of ours wrote it.
    """

    thread_id: ThreadId
    scope: Scope
    terms: ClaimTerms
    content_revision: int | None = None
    running_max: int | None = None
