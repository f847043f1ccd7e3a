"""A worker that does what its script says, and never what is reasonable: it is there to try what must not succeed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from chaos.operations import Answer, Grown, Recorded
from chaos.recorder import MemoryRecord, RecordedHandle
from state.ids import OwnershipToken, ProcessUuid
from state.messages.base import Request
from state.messages.extraction import (
    ClaimExtraction,
    ExtractionClaimed,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.service import ReturnLeases
from state.store import StateHandle
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, draft
from tests.fakes.memory_state import terms

LEASE_MS = 60_000

FAILURES = {
    "fail": FailureClass.TRANSIENT,
    "give up": FailureClass.PERMANENT,
    "outage": FailureClass.UNAVAILABLE,
}


@attrs.frozen(kw_only=True)
class Step:
    """One thing that a worker does.

    Attributes:
      fate: "plain"; "cancelled" after `patience` turns of the event loop; "lost": the answer is never heard.
      patience: see fate; also how many steps of the clock a freeze waits for.
      dead_token: show the n-th token that was ever granted instead of the worker's own.
    """

    action: str
    fate: str
    patience: int
    dead_token: int | None


class Turnstile:
    """Lets the clock move only while nobody asks.

    For a store with a thread of its own: the requests of a batch share one reading of the clock, so one that is asked
    after a step may take place before it. A step of a whole lease would then look like a law that is broken.
    """

    def __init__(self, *, is_needed: bool) -> None:
        self._is_needed = is_needed
        self._inside = 0
        self._closed = False
        self._changed = trio.Event()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask within the block."""
        while self._closed:
            await self._changed.wait()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._tell()

    @asynccontextmanager
    async def moving(self) -> AsyncIterator[None]:
        """Move the clock within the block."""
        self._closed = self._is_needed
        while self._closed and self._inside:
            await self._changed.wait()
        try:
            yield
        finally:
            self._closed = False
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class _Forgetful:
    """Writes an answer down as lost when told so: the asker never hears it, and the judge must not know it."""

    def __init__(self, record: MemoryRecord) -> None:
        self._record = record
        self.loses = False

    def asked(self, request: Request[Any] | Grown | Recorded, by: str) -> Callable[[Any], None]:
        answered = self._record.asked(request, by)
        loses = self.loses

        def forget(answer: Any) -> None:
            # A request that was withdrawn in time is known to have had no effect, whoever listens.
            answered(Answer.LOST if loses and answer is not Answer.WITHDRAWN else answer)

        return forget


class Worker:
    """One worker. shown: every token that anybody was granted, in order; all workers share it."""

    def __init__(
        self,
        number: int,
        store: StateHandle,
        record: MemoryRecord,
        shown: list[OwnershipToken],
        turnstile: Turnstile,
    ) -> None:
        self._turnstile = turnstile
        self._number = number
        self._record = _Forgetful(record)
        self._handle = RecordedHandle(store, self._record, f"worker-{number}")
        self._shown = shown
        self._lives = 1
        self._minted = 0
        self._token = OwnershipToken(f"w{number}-none")
        self._tick = trio.Event()
        self._time_is_over = False

    async def follow(self, script: tuple[Step, ...]) -> None:
        """Do every step."""
        for step in script:
            match step.action:
                case "freeze":
                    await self._freeze(step.patience)
                case "die":
                    await self._die(step)
                case "claim":
                    await self._claim(step)
                case _:
                    await self._ask(self._request(step), step)

    def time_passed(self) -> None:
        """The clock has moved."""
        self._tick.set()
        self._tick = trio.Event()

    def stop_waiting(self) -> None:
        """The clock does not move any more."""
        self._time_is_over = True
        self._tick.set()

    async def _freeze(self, ticks: int) -> None:
        for _ in range(ticks):
            if self._time_is_over:
                return
            await self._tick.wait()

    async def _die(self, step: Step) -> None:
        """End as a process; somebody returns what it held. What goes on is a new process, and remembers old tokens."""
        dead = self._process
        self._lives += 1
        await self._ask(ReturnLeases(process=dead), step)

    async def _claim(self, step: Step) -> None:
        self._minted += 1
        token = OwnershipToken(f"w{self._number}-{self._minted}")
        claimed = await self._ask(claim_of(token, process=self._process), step)
        if step.fate == "lost":
            claimed = await self._ask(claim_of(token, process=self._process), attrs.evolve(step, fate="plain"))
        if isinstance(claimed, ExtractionClaimed):
            # Only now: a token that its own asker does not know of is random, and nobody can show it.
            self._token = token
            self._shown.append(token)

    @property
    def _process(self) -> ProcessUuid:
        return ProcessUuid(f"process-{self._number}.{self._lives}")

    def _request(self, step: Step) -> Request[Any]:
        token = self._token
        if step.dead_token is not None and self._shown:
            token = self._shown[step.dead_token % len(self._shown)]
        match step.action:
            case "renew":
                return RenewExtraction(token=token, lease_ms=LEASE_MS)
            case "release":
                return ReleaseExtraction(token=token)
            case "finish":
                return finish_of(token)
            case failure:
                return FailExtraction(
                    token=token, failure=FAILURES[failure], reason="it did not work", jitter_permille=1000
                )

    async def _ask(self, request: Request[Any], step: Step) -> Any:
        """Ask, and suffer the step's fate; answers the reply, or None when it was not heard."""
        async with self._turnstile.asking():
            return await self._ask_at_once(request, step)

    async def _ask_at_once(self, request: Request[Any], step: Step) -> Any:
        self._record.loses = step.fate == "lost"
        if step.fate != "cancelled":
            reply = await self._handle.ask(request)
            return None if self._record.loses else reply
        replies: list[Any] = []
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def ask() -> None:
                with scope:
                    replies.append(await self._handle.ask(request))

            nursery.start_soon(ask)
            for _ in range(step.patience):
                await trio.lowlevel.checkpoint()
            scope.cancel()
        return replies[0] if replies else None


def claim_of(token: OwnershipToken, *, process: str) -> ClaimExtraction:
    """The claim of a process."""
    return ClaimExtraction(terms=terms(token, process=process, lease_ms=LEASE_MS), eligibility=EVERYTHING)


def finish_of(token: OwnershipToken) -> FinishExtraction:
    """The finish of a claim; its memory says the token, so that everybody sees whose it is."""
    return FinishExtraction(token=token, input_digest=token, extractor=EXTRACTOR, draft=draft(token))
