"""A handle that writes down what is asked through it and what is answered, so that a history can be judged.

It writes down what concerns extraction jobs and passes everything else on. A request is written down before it is
asked: when the asker dies, the entry without an answer stays.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import trio

from chaos.handle_around import HandleAround
from chaos.operations import Answer, Grown, Moment, Operation, Recorded
from chaos.parts import parts_of, told_of
from state.clock import Clock
from state.errors import NotCommittedError, RuleFailedError, StoreBusyError, StoreClosedError, StoreError
from state.ids import ThreadId
from state.messages.backfill import RecordRollouts, RolloutRead
from state.messages.base import Request
from state.messages.extraction import (
    ClaimExtraction,
    FailExtraction,
    FinishExtraction,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.job_control import ReleaseJob, RetryJob, StealJob
from state.messages.leases import NotOwner
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
    RetryJob,
    ReleaseJob,
    StealJob,
)
"""Requests that concern extraction jobs."""

WITHOUT_EFFECT = (StoreBusyError, NotCommittedError, RuleFailedError, StoreClosedError)
"""Failures that promise that nothing was changed."""


class Record(Protocol):
    """Where a recorder writes."""

    def asked(self, request: Request[Any] | Grown | Recorded, by: str) -> Callable[[Any], None]:
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

    def asked(self, request: Request[Any] | Grown | Recorded, by: str) -> Callable[[Any], None]:
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


def asked_in_parts(record: Record, request: Request[Any], by: str) -> Callable[[Any], None] | None:
    """Write down each part of a request that concerns extraction jobs; gives what takes the answer to the whole.

    None when no part concerns one.
    """
    parts = parts_of(request)
    told = [record.asked(part, by) if type(part) in RECORDED else None for part in parts]
    if not any(told):
        return None

    def answered(answer: Any) -> None:
        answers = (answer,) * len(parts) if isinstance(answer, Answer) else told_of(request, answer)
        for tell, one in zip(told, answers, strict=True):
            if tell is not None:
                # A claim that was not asked had no effect.
                tell(Answer.WITHDRAWN if one is None else one)

    return answered


class RecordedHandle(HandleAround):
    """The same store, asked through a recorder.

    Args:
      readings: write down what is recorded of rollouts, too: where nobody else tells that content has grown.
    """

    def __init__(self, inner: StateHandle, record: Record, by: str = "", *, readings: bool = False) -> None:
        super().__init__(inner)
        self._record = record
        self._by = by
        self._readings = readings

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        """As the store does; a cancelled request is withdrawn, and one whose outcome nobody knows is lost."""
        if self._readings and isinstance(request, RecordRollouts):
            answered: Callable[[Any], None] | None = self._recording(request)
        else:
            answered = asked_in_parts(self._record, request, self._by)
        if answered is None:
            return await super().ask(request)
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

    def _recording(self, request: RecordRollouts) -> Callable[[Any], None]:
        told = [self._record.asked(one, self._by) for one in _readings_of(request)]

        def answered(answer: Any) -> None:
            if not isinstance(answer, Answer):
                answer = Answer.WITHDRAWN if answer == NotOwner() else Answer.DONE
            for one in told:
                one(answer)

        return answered


def _readings_of(request: RecordRollouts) -> Iterator[Recorded]:
    for outcome in request.outcomes:
        facts = outcome.reading.facts if isinstance(outcome, RolloutRead) else None
        if facts is not None:
            yield Recorded(
                thread_id=facts.thread_id,
                content_digest=facts.content_digest,
                has_work=bool(facts.preview) and facts.content_at_ms is not None,
            )
