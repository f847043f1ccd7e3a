"""Having the store record what was read: in small messages, several at a time.

Whoever else asks waits for no more than the message in work, and what waits is committed together; so small messages
cost no more than large ones would.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs
import structlog
import trio

from state.errors import RuleFailedError
from state.ids import OwnershipToken, ThreadId
from state.messages.backfill import RecordRollouts, RolloutRead, RolloutsRecorded, RolloutUnreadable
from state.messages.leases import NotOwner
from state.store import StateHandle
from workers.backfill.survey import slices
from workers.lease_keeper import HeldLease, LeaseLostError
from workers.redaction import redact

log = structlog.get_logger(__name__)

ReplyT = TypeVar("ReplyT")

RECORD_FILES_MAX = 8
"""Files that are recorded in one message: half a millisecond of work, for which everybody else waits."""

ASKED_AT_ONCE_MAX = 16
"""Messages that the store has at a time; with those that wait here they are what it commits together."""

Outcomes = Sequence[RolloutRead | RolloutUnreadable]


@attrs.frozen(kw_only=True)
class Chunk:
    """What reading some files gave. is_planned: they are of the scan's plan, and not of what changed meanwhile."""

    outcomes: Outcomes
    is_planned: bool


@attrs.frozen(kw_only=True)
class BackfillSummary:
    """What one scan did. files = indexed + unchanged + skipped + failed."""

    files: int = 0
    indexed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0

    def plus(self, other: "BackfillSummary") -> "BackfillSummary":
        """Both together."""
        return BackfillSummary(
            files=self.files + other.files,
            indexed=self.indexed + other.indexed,
            unchanged=self.unchanged + other.unchanged,
            skipped=self.skipped + other.skipped,
            failed=self.failed + other.failed,
            bytes=self.bytes + other.bytes,
        )


class Recorder:
    """Records under the token of one scan.

    Attributes:
      tell: called whenever something was recorded.
      summary: what was recorded of the plan so far, with what the scan began with.
      done: how many files of the plan that are.
      new_threads: threads that were read from their start.
    """

    def __init__(
        self,
        handle: StateHandle,
        token: OwnershipToken,
        held: HeldLease,
        model_provider_default: str,
    ) -> None:
        """model_provider_default: of threads whose rollout names none."""
        self._handle = handle
        self._token = token
        self._held = held
        self._model_provider_default = model_provider_default
        self._room = trio.Semaphore(ASKED_AT_ONCE_MAX)
        self.tell: Callable[[], None] = lambda: None
        self.summary = BackfillSummary()
        self.done = 0
        self.new_threads: set[ThreadId] = set()

    @property
    def is_busy(self) -> bool:
        """Say whether the store has something to record."""
        return self._room.value < ASKED_AT_ONCE_MAX

    async def record_all(self, chunks: trio.MemoryReceiveChannel[Chunk]) -> None:
        """Record what comes, until nothing more does.

        Raises:
          LeaseLostError: the scan is somebody else's now.
          StoreError: the store could not answer.
        """
        async with trio.open_nursery() as nursery, chunks:
            async for chunk in chunks:
                for outcomes in slices(chunk.outcomes, RECORD_FILES_MAX):
                    await self._room.acquire()
                    nursery.start_soon(self._record_and_tell, outcomes, chunk.is_planned)

    async def _record_and_tell(self, outcomes: Outcomes, is_planned: bool) -> None:
        try:
            summary = await self._record(outcomes)
        finally:
            self._room.release()
        if is_planned:
            self.summary = self.summary.plus(summary)
            self.done += len(outcomes)
        self.tell()

    async def _record(self, outcomes: Outcomes) -> BackfillSummary:
        try:
            recorded = await self._ask_to_record(outcomes)
        except RuleFailedError as error:
            if len(outcomes) > 1:
                # One of them cannot be stored: find out which, so that it costs only itself.
                summary = BackfillSummary()
                for outcome in outcomes:
                    summary = summary.plus(await self._record([outcome]))
                return summary
            path = outcomes[0].found.path if isinstance(outcomes[0], RolloutRead) else outcomes[0].path
            outcomes = [RolloutUnreadable(path=path, reason=redact(f"internal error: {error}"))]
            recorded = await self._ask_to_record(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, RolloutRead):
                if outcome.reading.facts is not None and not outcome.reading.continued:
                    self.new_threads.add(outcome.reading.facts.thread_id)
            else:
                log.warning("rollout not readable", path=outcome.path, reason=outcome.reason)
        return BackfillSummary(
            indexed=recorded.indexed,
            skipped=recorded.skipped + recorded.shadowed,
            failed=recorded.failed,
            bytes=sum(outcome.reading.bytes_read for outcome in outcomes if isinstance(outcome, RolloutRead)),
        )

    async def _ask_to_record(self, outcomes: Outcomes) -> RolloutsRecorded:
        await self._held.confirm()  # reading a large file may have taken long
        return owned(
            await self._handle.ask(
                RecordRollouts(
                    token=self._token,
                    model_provider_default=self._model_provider_default,
                    outcomes=tuple(outcomes),
                )
            )
        )


def owned(reply: ReplyT | NotOwner) -> ReplyT:
    """The reply, if the scan is still ours.

    Raises:
      LeaseLostError: it is not.
    """
    if isinstance(reply, NotOwner):
        raise LeaseLostError("the scan was taken over by somebody else")
    return reply
