"""One real process with a failing disk below its store, beside others on the same database.

    python -m chaos.disk.process TERMS      TERMS: a JSON object, see Terms

It opens the store, takes over from the dead, and claims and ends extraction jobs in a few slots. Its disk fails at
operations that the seed chooses; a store that cannot go on is left and opened again. A line on stdin says that the disk
is well from now on: then it does what is left and ends. It dies with whoever holds the other end of its stdin.
"""

import collections
import json
import os
import random
import sys
import threading
from pathlib import Path
from typing import Any, TypeVar

import attrs
import trio

from chaos.disk.asked_store import CODEX_HOME, small_checkpoints
from chaos.disk.faults import ERRORS, Effect, Fault, Operation
from chaos.disk.faulty import FaultyDisk, faulty_disk
from chaos.disk.power import CHECKPOINT_FRAMES
from chaos.disk.workload import finish, terms_of
from chaos.history_file import FileRecord
from chaos.recorder import RecordedHandle
from state.clock import Clock, machine_clock
from state.errors import StateFolderError, StoreBusyError, StoreError, first_cause
from state.folder import StateFolder
from state.group_commit import BATCH_WORK_MS_MAX, GroupCommit
from state.ids import Instant
from state.messages.base import Request
from state.messages.extraction import ClaimExtraction, Eligibility, ExtractionClaimed, ReleaseExtraction
from state.messages.service import ReportWorker, WorkerState
from state.store import StateHandle, open_store
from workers.reaper import reap

ReplyT = TypeVar("ReplyT")

EVERYTHING = Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None)

SLOTS = 3
FAULTS = 8
"""Of one plan; a new one is taken up after so many requests:"""
REQUESTS_A_PLAN = 60
PAUSE_SECONDS = 0.01
BUSY_DEADLINE_MS = 2_000
BATCH_MS = BATCH_WORK_MS_MAX + 50
"""A request takes place at most so long before it was asked: it joined a batch, on a machine that is busy."""

_REACH = {Operation.WRITE: 400, Operation.SYNC: 60, Operation.READ: 200, Operation.TRUNCATE: 3}
"""Among how many operations of a kind a fault chooses its own."""


@attrs.frozen(kw_only=True)
class Terms:
    """How a process works. record: its history; the file must not be there yet. defect: see DEFECTS; '' for none."""

    state: str
    record: str
    seed: str
    defect: str = ""


@attrs.define
class Told:
    """What it says of itself in the end, in a file beside its history.

    Attributes:
      struck: operations of its disk that failed.
      acknowledged: changes that it was told are stored; when_well: those after the disk was well again.
      reopened: how often its store could not go on, or could not be opened.
      refused_when_well: errors that it was told after the disk was well.
      sentences: what it was told instead of an answer, and how often.
    """

    struck: int = 0
    acknowledged: int = 0
    when_well: int = 0
    reopened: int = 0
    refused_when_well: list[str] = attrs.Factory(list)
    sentences: collections.Counter[str] = attrs.Factory(collections.Counter)


def told_file(record: Path) -> Path:
    """Where the process with this history says how it went."""
    return record.with_name(f"told-{record.name}")


class _Process:
    """What one process does."""

    def __init__(self, terms: Terms, disk: FaultyDisk, told: Told) -> None:
        self._terms = terms
        self._disk = disk
        self._chance = random.Random(terms.seed)
        self._asked = 0
        self._is_well = False
        self._well = threading.Event()
        self.told = told

    def listen(self) -> None:
        """Hear from stdin that the disk is well; end at its end."""

        def wait() -> None:
            # Not by `sys.stdin`, which nobody could end this thread in the middle of.
            while os.read(0, 100):
                self._well.set()
            os._exit(1)

        threading.Thread(target=wait, name="stdin", daemon=True).start()

    async def live(self) -> None:
        """Work until the disk is well and nothing is left to do."""
        record = FileRecord(Path(self._terms.record), machine_clock, _behind(BATCH_MS))
        while True:
            self._look_at_disk(is_new=True)
            was_well = self._is_well
            try:
                async with open_store(
                    StateFolder(path=Path(self._terms.state)),
                    CODEX_HOME,
                    busy_deadline_ms=BUSY_DEADLINE_MS,
                    vfs=self._disk.name,
                ) as store:
                    await self._work(RecordedHandle(store, record))
                    return
            except Exception as error:
                # A nursery raises a group.
                cause = first_cause(error)
                if not isinstance(cause, StoreError | StateFolderError):
                    raise
                self.told.reopened += 1
                self._hear(cause, is_late=was_well)
            await trio.sleep(PAUSE_SECONDS)

    async def _work(self, handle: StateHandle) -> None:
        async with trio.open_nursery() as nursery:
            for slot in range(SLOTS):
                nursery.start_soon(self._slot, handle, f"slot-{slot}")

    async def _slot(self, handle: StateHandle, slot: str) -> None:
        while True:
            returned = await self._try(lambda: reap(handle))
            token = handle.mint_token()
            claim = ClaimExtraction(terms=terms_of(token, handle.owner(slot)), eligibility=EVERYTHING)
            claimed = await self._ask(handle, claim)
            if isinstance(claimed, ExtractionClaimed):
                is_given_back = self._chance.random() < 0.2 and not self._is_well
                end = ReleaseExtraction(token=token) if is_given_back else finish(self._chance, token)
                await self._ask(handle, end)
                continue
            await self._ask(handle, _report(handle, slot))
            if self._is_well and not returned.total:
                return
            await trio.sleep(PAUSE_SECONDS)

    async def _ask(self, handle: StateHandle, request: Request[ReplyT]) -> ReplyT:
        reply: ReplyT = await self._try(lambda: handle.ask(request))
        self.told.acknowledged += 1
        self.told.when_well += self._is_well
        return reply

    async def _try(self, ask: Any) -> Any:
        """Ask until the store answers, unless it cannot go on."""
        while True:
            self._look_at_disk()
            was_well = self._is_well
            try:
                return await ask()
            except StoreError as error:
                if not error.retryable:
                    raise
                self._hear(error, is_late=was_well)
            await trio.sleep(PAUSE_SECONDS)

    def _hear(self, error: StoreError | StateFolderError, *, is_late: bool) -> None:
        sentence = str(error).replace(self._terms.state, "")
        self.told.sentences[sentence] += 1
        if is_late and not isinstance(error, StoreBusyError):
            self.told.refused_when_well.append(sentence)

    def _look_at_disk(self, *, is_new: bool = False) -> None:
        """Make the disk worse, or well."""
        self._asked += 1
        if self._is_well:
            return
        if self._well.is_set():
            self.told.struck += self._disk.struck
            self._disk.recover()
            self._is_well = True
        elif is_new or self._asked % REQUESTS_A_PLAN == 0:
            self.told.struck += self._disk.struck
            self._disk.follow(*(self._fault() for _ in range(FAULTS)))

    def _fault(self) -> Fault:
        operation, effect = self._chance.choice(ERRORS)
        return Fault(
            operation=operation,
            effect=effect,
            number=self._chance.randint(1, _REACH[operation]),
            times=self._chance.choice((1, 1, 1, 2, 10)) if effect is not Effect.FULL else self._chance.choice((1, 40)),
        )


def _report(handle: StateHandle, slot: str) -> ReportWorker:
    return ReportWorker(process=handle.process, worker=slot, state=WorkerState.RUNNING, crashes=0, reason=None)


def _behind(behind_ms: int) -> Clock:
    def clock() -> Instant:
        now = machine_clock()
        return attrs.evolve(now, boot_ms=now.boot_ms - behind_ms, wall_ms=now.wall_ms - behind_ms)

    return clock


def _acknowledge_what_failed() -> None:
    """Say that all is well when COMMIT has failed."""

    def find_out(self: GroupCommit, answers: Any, _batch_id: str, _error: Exception) -> Any:
        self._reopen()
        return answers

    GroupCommit._find_out = find_out  # type: ignore[assignment,method-assign]


DEFECTS = {"acknowledges-what-failed": _acknowledge_what_failed}
"""What can be planted, to see that it is found."""


def main(terms: Terms) -> None:
    """Live, and say how it went."""
    os.umask(0o077)
    if terms.defect:
        DEFECTS[terms.defect]()
    told = Told()
    with faulty_disk() as disk, small_checkpoints(disk.name, CHECKPOINT_FRAMES):
        process = _Process(terms, disk, told)
        process.listen()
        trio.run(process.live)
    told_file(Path(terms.record)).write_text(json.dumps(attrs.asdict(told)), encoding="utf-8")


if __name__ == "__main__":
    main(Terms(**json.loads(sys.argv[1])))
