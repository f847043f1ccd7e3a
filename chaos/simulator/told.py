"""What services were told of extraction jobs, for the judge of histories: whether any order of it all makes sense.

Beside the laws, which look at rows, this looks at what was answered alone, and at the rows of the very end. A death
leaves what its service had asked in doubt. What the judge does not know is a wall clock that somebody moves: a rule
then does not wait for times that cannot be, so such runs are not judged.
"""

from collections.abc import Callable
from typing import Any

import trio

from chaos.history import History
from chaos.job_state import JobEnd, JobState
from chaos.operations import Answer, Grown, Moment, Operation
from chaos.recorder import WITHOUT_EFFECT, MemoryRecord, asked_in_parts
from chaos.rows import Rows
from state.clock import Clock
from state.ids import ThreadId
from state.messages.base import Request

STORY_CHARS_MAX = 2_000
"""The judge's story has every operation with all that was said in it; its end matters least."""

NO_EFFECT = (trio.Cancelled, *WITHOUT_EFFECT)
"""A request that is cancelled was withdrawn in time, or is answered first."""

Told = Callable[[Any], None]


class Answers:
    """Gathers operations while a world runs."""

    def __init__(self, clock: Clock) -> None:
        self._record = MemoryRecord(clock)
        self._grown: list[Operation] = []
        self._begun: dict[str, int] = {}

    def now(self) -> Moment:
        """This moment, in an order with all others."""
        return self._record.now()

    def asked(self, request: Request[Any], by: str) -> Told | None:
        """Somebody asks; gives what takes the answer, or None where the judge does not care."""
        return asked_in_parts(self._record, request, by)

    @staticmethod
    def of(error: BaseException) -> Answer:
        """What an exception tells its asker of the effect."""
        return Answer.WITHDRAWN if isinstance(error, NO_EFFECT) else Answer.LOST

    def saw(self, before: Rows, after: Rows, began: Moment) -> None:
        """A batch that began then was committed: jobs may have come, and their content may have grown."""
        for thread in after.jobs:
            revision = after.revisions[thread]
            if thread not in before.jobs:
                self._begun[thread] = revision
                continue
            for grown in range(before.revisions[thread] + 1, revision + 1):
                request = Grown(thread_id=ThreadId(thread), revision=grown)
                self._grown.append(Operation(request=request, answer=None, asked=began, ended=self.now(), by="scan"))

    def judge(self, end: Rows) -> str | None:
        """What cannot be, in words; None when it all makes sense."""
        history = History(operations=[*self._record.operations, *self._grown], idle_claims=False)
        jobs: dict[ThreadId, tuple[JobState, JobEnd | None]] = {}
        for thread, revision in self._begun.items():
            job, lease = end.jobs[thread], end.leases["extraction", thread]
            jobs[ThreadId(thread)] = (
                JobState(revision=revision),
                JobEnd(
                    status=job.status,
                    attempts=job.attempts,
                    given_back=job.given_back,
                    fencing_number=lease.fencing_number,
                    token=lease.token,
                ),
            )
        for finding in history.judge(jobs):
            return f"{finding.law.value} ({finding.job}): {finding.story[:STORY_CHARS_MAX]}"
        return None
