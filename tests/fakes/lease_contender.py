"""A process that fights for extraction jobs with others like it: a real one, to be killed and frozen at any moment.

    python -m tests.fakes.lease_contender TERMS      TERMS: a JSON object, see Terms

It opens the store as the service does, reaps dead processes, and works in several slots: it claims, holds the lease
or does not care about it, ends the job one way or another, and shows tokens that it has no right to. What is asked and
answered goes into a file of its own. It ends in good order when its stdin does.
"""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import trio

from chaos.history_file import FileRecord, moment
from chaos.operations import Moment
from chaos.recorder import RecordedHandle
from state.clock import Clock, machine_clock
from state.errors import StoreError
from state.folder import StateFolder
from state.group_commit import BATCH_WORK_MS_MAX
from state.ids import Instant, OwnershipToken
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
from state.messages.leases import ClaimTerms
from state.store import open_store
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, draft
from tests.fakes.other_process import CODEX_HOME, ROOT
from workers.lease_keeper import LeaseLostError, hold_lease
from workers.reaper import reap

ReplyT = TypeVar("ReplyT")

IDLE_SECONDS = 0.05
REAP_SECONDS = 0.2


@attrs.frozen(kw_only=True)
class Terms:
    """How a contender works.

    Attributes:
      record: its history; the file must not be there yet.
      work_ms_max: a job takes up to this long.
      hurry: how much faster the wall clock goes than the machine's, so that nobody sits back-offs out.
    """

    state: str
    record: str
    seed: str
    slots: int
    lease_ms: int
    work_ms_max: int
    hurry: int


BATCH_MS = BATCH_WORK_MS_MAX + 20
"""A request takes place at most so long before it was asked: it joined a batch, on a machine that is busy."""


def hurried(hurry: int, *, behind_ms: int = 0) -> Clock:
    """The machine's boot clock, beside a wall clock that goes faster. The same in all processes of the machine."""

    def clock() -> Instant:
        now = machine_clock()
        boot_ms = now.boot_ms - behind_ms
        return attrs.evolve(now, boot_ms=boot_ms, wall_ms=1_800_000_000_000 + boot_ms * hurry)

    return clock


@attrs.define
class Contender:
    """A started process. died: after its end, if it was killed."""

    process: "subprocess.Popen[str]"
    record: Path
    clock: Clock
    died: Moment | None = None
    is_frozen: bool = False

    @property
    def is_at_work(self) -> bool:
        """It has opened the store and asked something."""
        return self.record.exists() and self.record.stat().st_size > 0

    def kill(self) -> None:
        """End it as `kill -9` does, wherever it is."""
        self.process.kill()
        self.process.wait()
        self.died = moment(self.clock)

    def freeze(self) -> None:
        """Stop it, wherever it is."""
        self.process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def end(self, seconds_max: float) -> int:
        """Let it end in good order; answer its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(seconds_max)


class Contenders:
    """The processes of one run, each with a record of its own."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._clock = hurried(terms.hurry)
        self.all: list[Contender] = []

    @property
    def living(self) -> list[Contender]:
        """Those that were not ended."""
        return [one for one in self.all if one.process.returncode is None]

    def start(self) -> Contender:
        """Start one more."""
        number = len(self.all) + 1
        record = Path(f"{self._terms.record}-{number}")
        terms = attrs.evolve(self._terms, record=str(record), seed=f"{self._terms.seed}/{number}")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.lease_contender", json.dumps(attrs.asdict(terms))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # logs; what goes wrong is said on stderr
            text=True,
            cwd=ROOT,
        )
        contender = Contender(process, record, self._clock)
        self.all.append(contender)
        return contender


@contextmanager
def contenders(terms: Terms) -> Iterator[Contenders]:
    """Processes that all end with the block."""
    started = Contenders(terms)
    try:
        yield started
    finally:
        for one in started.all:
            one.process.kill()
            if one.process.stdin is not None:
                one.process.stdin.close()
            one.process.wait()


class _Slots:
    """What one process does."""

    def __init__(self, handle: RecordedHandle, terms: Terms) -> None:
        self._handle = handle
        self._terms = terms
        self._chance = random.Random(terms.seed)
        self._ended: list[OwnershipToken] = []

    async def work(self, slot: str) -> None:
        """Work for ever."""
        while True:
            token = self._handle.mint_token()
            terms = ClaimTerms(token=token, owner=self._handle.owner(slot), lease_ms=self._terms.lease_ms)
            claimed = await self._ask(ClaimExtraction(terms=terms, eligibility=EVERYTHING))
            if not isinstance(claimed, ExtractionClaimed):
                await trio.sleep(IDLE_SECONDS)
                continue
            await self._do(token)
            self._ended.append(token)
            if self._chance.random() < 0.2:
                await self._ask(self._end_of(self._chance.choice(self._ended)))

    async def _do(self, token: OwnershipToken) -> None:
        seconds = self._chance.uniform(0, self._terms.work_ms_max) / 1000
        renewal = RenewExtraction(token=token, lease_ms=self._terms.lease_ms)
        if self._chance.random() < 0.3:
            # Somebody who does not keep his lease: after a freeze he comes late, and only his token can stop him.
            await trio.sleep(seconds)
            await self._ask(renewal)
            await self._ask(self._end_of(token))
            return
        try:
            async with hold_lease(self._handle, renewal, lease_ms=self._terms.lease_ms):
                await trio.sleep(seconds)
                await self._ask(self._end_of(token))
        except LeaseLostError:
            await self._ask(self._end_of(token))

    def _end_of(self, token: OwnershipToken) -> Request[Any]:
        drawn = self._chance.random()
        if drawn < 0.05:
            return ReleaseExtraction(token=token)
        if drawn < 0.1:
            return FailExtraction(
                token=token,
                failure=FailureClass.TRANSIENT,
                reason="it did not work",
                jitter_permille=self._chance.randint(0, 1000),
            )
        return FinishExtraction(token=token, input_digest=token, extractor=EXTRACTOR, draft=draft(token))

    async def _ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask until the store answers: beside a frozen writer it may be busy for long."""
        while True:
            try:
                return await self._handle.ask(request)
            except StoreError as error:
                if not error.retryable:
                    raise

    async def reap(self) -> None:
        """Take over from the dead for ever."""
        while True:
            try:
                await reap(self._handle)
            except StoreError as error:
                if not error.retryable:
                    raise
            await trio.sleep(REAP_SECONDS)


async def _contend(terms: Terms) -> None:
    clock = hurried(terms.hurry)
    async with open_store(StateFolder(path=Path(terms.state)), CODEX_HOME, clock=clock) as store:
        record = FileRecord(Path(terms.record), clock, hurried(terms.hurry, behind_ms=BATCH_MS))
        handle = RecordedHandle(store, record)
        slots = _Slots(handle, terms)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slots.reap)
            for slot in range(terms.slots):
                nursery.start_soon(slots.work, f"slot-{slot}")
            await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(_contend, Terms(**json.loads(sys.argv[1])))
