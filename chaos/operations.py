"""The words of a history: one request, when it was asked, when it was answered, and what."""

from enum import Enum
from typing import Any

import attrs

from state.ids import Instant, ThreadId
from state.messages.base import Request
from state.messages.extraction import NothingToExtract
from state.messages.leases import NotOwner


class Answer(Enum):
    """What stands in the place of a reply where there is none."""

    LOST = "lost"
    """Nobody was told: it may have been done, once, or not."""
    DONE = "done"
    """It was done, and there is nothing more to tell."""
    WITHDRAWN = "withdrawn"
    """The asker was told that nothing was changed, or took the request back in time."""


@attrs.frozen(kw_only=True)
class Grown:
    """New content of a thread was recorded: not a request of anybody who holds the job, but the job is never the same.

    revision: the thread's content revision afterwards.
    """

    thread_id: ThreadId
    revision: int


@attrs.frozen(kw_only=True)
class Recorded:
    """A reading of a thread's rollout was recorded; it need not have brought anything new.

    has_work: there is something in it to extract, so that the thread has a job from then on.
    """

    thread_id: ThreadId
    content_digest: str
    has_work: bool


@attrs.frozen(kw_only=True)
class Moment:
    """When something happened.

    Attributes:
      order: comparable over all recorders of one history; what ended before another thing was asked has a smaller one.
      at: what the clocks said.
    """

    order: int
    at: Instant


@attrs.frozen(kw_only=True)
class Operation:
    """One request and its answer.

    Attributes:
      ended: when it was answered. Of a lost one: from when on it can have no effect any more, for instance since its
        process is dead; None where nobody knows.
      by: who asked, for people.
    """

    request: Request[Any] | Grown | Recorded
    answer: Any
    asked: Moment
    ended: Moment | None
    by: str = ""

    @property
    def must_have_happened(self) -> bool:
        """False of what may or may not have been done."""
        return self.answer is not Answer.LOST

    @property
    def changes_nothing(self) -> bool:
        """The asker was told that there was nothing for him; wherever it was done, the job was afterwards as before."""
        return isinstance(self.answer, NotOwner | NothingToExtract)

    def was_over_before(self, order: int) -> bool:
        """It was over, one way or the other, before that moment."""
        return self.ended is not None and self.ended.order < order
