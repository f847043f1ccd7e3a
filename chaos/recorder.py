"""A handle that writes down what is asked through it and what is answered, so that a history can be judged.

It writes down what concerns extraction jobs and passes everything else on. A request is written down before it is
asked: when the asker dies, the entry without an answer stays.
"""

import itertools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import trio

from chaos.handle_around import HandleAround
from chaos.operations import Answer, Grown, Moment, Operation
from state.clock import Clock
from state.errors import NotCommittedError, RuleFailedError, StoreBusyError, StoreClosedError, StoreError
from state.ids import ThreadId
from state.messages.base import Request
from state.messages.extraction import (
    ClaimExtraction,
    FailExtraction,
    FinishExtraction,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.service import ReturnLeases
from state.store import StateHandle

ReplyT = TypeVar("ReplyT")

RECORDED = (
    ClaimExtraction,
    RenewExtraction,
    FinishExtraction,
    FailExtraction,
    ReleaseExtraction,
    ReturnLeases,
)
"""Requests that concern extraction jobs."""

WITHOUT_EFFECT = (StoreBusyError, NotCommittedError, RuleFailedError, StoreClosedError)
"""Failures that promise that nothing was changed."""


class Record(Protocol):
    """Where a recorder writes."""

    def asked(self, request: Request[Any], by: str) -> Callable[[Any], None]:
        """Write down that it is asked now; gives what writes down its answer."""
        ...


class MemoryRecord:
    """Keeps the operations of one process. Moments are counted, so that what happens at one instant has an order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = itertools.count()
        self._operations: dict[int, Operation] = {}

    @property
    def operations(self) -> list[Operation]:
        """All so far; what was not answered is lost."""
        return list(self._operations.values())

    def now(self) -> Moment:
        """The next moment."""
        return Moment(order=next(self._count), at=self._clock())

    def asked(self, request: Request[Any] | Grown, by: str) -> Callable[[Any], None]:
        asked = self.now()
        place = len(self._operations)
        self._operations[place] = Operation(request=request, answer=Answer.LOST, asked=asked, ended=None, by=by)

        def answered(answer: Any) -> None:
            # Also where nobody knows what was done: whatever it was, it is done by now.
            ended = self.now()
            self._operations[place] = Operation(request=request, answer=answer, asked=asked, ended=ended, by=by)

        return answered

    def growing(self, thread_id: ThreadId, revision: int) -> Callable[[Any], None]:
        """Write down that new content of a thread is being recorded; gives what says that it was."""
        return self.asked(Grown(thread_id=thread_id, revision=revision), "scan")


class RecordedHandle(HandleAround):
    """The same store, asked through a recorder."""

    def __init__(self, inner: StateHandle, record: Record, by: str = "") -> None:
        super().__init__(inner)
        self._record = record
        self._by = by

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        """As the store does; a cancelled request is withdrawn, and one whose outcome nobody knows is lost."""
        if type(request) not in RECORDED:
            return await super().ask(request)
        answered = self._record.asked(request, self._by)
        try:
            reply = await super().ask(request)
        except (trio.Cancelled, *WITHOUT_EFFECT):
            answered(Answer.WITHDRAWN)
            raise
        except StoreError:
            answered(Answer.LOST)
            raise
        answered(reply)
        return reply
