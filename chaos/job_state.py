"""One extraction job as a history tells of it, and what is not known of the moment when something was done to it."""

import attrs

from chaos.operations import Operation
from state.ids import Instant

NEVER_MS = 2**62
"""Later than any clock."""

ABSENT = "absent"
"""The status of a job that has no row yet."""

UNTOLD = "untold"
"""Stands for a memory of which nobody can tell whose answer it is."""


@attrs.frozen(kw_only=True)
class Span:
    """An instant that is known only to lie between two, both included, in milliseconds."""

    earliest: int
    latest: int

    def plus(self, ms: int) -> "Span":
        """The span that much later."""
        return Span(earliest=self.earliest + ms, latest=self.latest + ms)


@attrs.frozen(kw_only=True)
class Lease:
    """One claim of a job, as far as a history tells. The times are on the boot clock; boots: in which it may be."""

    token: str
    process: str
    ends: Span
    renewed: Span
    boots: frozenset[str]


@attrs.frozen(kw_only=True)
class JobState:
    """One job. The columns are those of its row and of its thread; saved: whose answer was kept last; due: when a retry
    may be claimed, in wall time. content_digest: None where readings are not told of, or none was recorded yet."""

    status: str = "pending"
    revision: int = 1
    content_digest: str | None = None
    claimed_revision: int | None = None
    attempts: int = 0
    given_back: int = 0
    fencing_number: int = 0
    lease: Lease | None = None
    due: Span | None = None
    done_revision: int | None = None
    saved: str | None = None

    @property
    def is_untried(self) -> bool:
        """The content as it is now was not claimed yet; of a running job: the thread has grown meanwhile."""
        return self.claimed_revision != self.revision

    @property
    def spent(self) -> int:
        """Claims of this content that count against the job."""
        return 0 if self.is_untried else self.attempts - self.given_back


UNKNOWN_THREAD = JobState(status=ABSENT, revision=0)
"""Before anybody has read its rollout."""


@attrs.frozen(kw_only=True)
class JobEnd:
    """How a job's row stands in the end. saved: the token whose answer is the memory; None: there is none."""

    status: str
    attempts: int
    given_back: int
    fencing_number: int
    token: str | None
    saved: str | None = UNTOLD


@attrs.frozen(kw_only=True)
class Doubt:
    """Between which readings of the clocks an operation was done."""

    boot: Span
    wall: Span
    boots: frozenset[str]

    @classmethod
    def of(cls, operation: Operation) -> "Doubt":
        """Of this operation."""
        first = operation.asked.at
        last = operation.ended.at if operation.ended else Instant(wall_ms=NEVER_MS, boot_ms=NEVER_MS, boot_id="")
        boots = frozenset({first.boot_id, last.boot_id} if operation.ended else {first.boot_id})
        boot = Span(earliest=first.boot_ms, latest=last.boot_ms)
        if len(boots) > 1:
            boot = Span(earliest=0, latest=NEVER_MS)
        wall = Span(earliest=min(first.wall_ms, last.wall_ms), latest=max(first.wall_ms, last.wall_ms))
        return cls(boot=boot, wall=wall, boots=boots)
