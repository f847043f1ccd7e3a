"""Where a simulated store runs: in a task of its service, with the drain-and-batch loop of the real one.

Between being asked and being served, and between being committed and being answered, simulated time passes; so batches
form, and a service can die or freeze in between.
"""

import contextlib
from typing import Any, TypeVar

import apsw
import outcome
import trio

from chaos.parts import parts_of, told_of
from chaos.simulator.life import Killed, Life, Nap
from chaos.simulator.turns import Turns
from state.actor import Actor, Server
from state.errors import StoreClosedError
from state.ids import Instant
from state.inbox import Answer, Inbox, Ticket
from state.messages.backfill import BackfillClaimed, FinishBackfill
from state.messages.base import Request
from state.messages.consolidation import (
    ConsolidationClaimed,
    FailConsolidation,
    PointCurrent,
    PublishConsolidation,
    ReleaseConsolidation,
)
from state.messages.extraction import ExtractionClaimed, FailExtraction, FinishExtraction, ReleaseExtraction

ReplyT = TypeVar("ReplyT")

_ENDINGS = (
    FinishBackfill,
    FinishExtraction,
    FailExtraction,
    ReleaseExtraction,
    PublishConsolidation,
    FailConsolidation,
    ReleaseConsolidation,
)
_CLAIMED = {
    BackfillClaimed: "backfill",
    ExtractionClaimed: "extraction",
    ConsolidationClaimed: "consolidation",
}


class _Inbox(Inbox):
    """Remembers what was picked and is not answered yet: those who asked must not wait for a dead store."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Ticket] = []

    def pick(self, *, within_batch: bool = False) -> Ticket | None:
        ticket = super().pick(within_batch=within_batch)
        if ticket is not None:
            self.taken.append(ticket)
        return ticket


class SimulatedActor(Actor):
    """Runs its server in a task of its service."""

    def __init__(self, server: Server, name: str, life: Life) -> None:
        super().__init__(server)
        self._name = name
        self._life = life
        self._inbox: _Inbox = _Inbox()
        self._wake = trio.Event()
        self._ended_with: BaseException | None = None
        self._stopping = False
        self._stopped = trio.Event()

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask; what is asked and answered goes into the history."""
        life = self._life
        life.step("ask")
        call = life.world.history.asked(life, request)
        if isinstance(request, PublishConsolidation):
            life.publishing = True
        try:
            reply: ReplyT = await super().ask(request)
        except BaseException as error:
            if not life.is_dead:
                life.world.history.failed(life, call, error)
                if isinstance(request, PublishConsolidation | PointCurrent):
                    life.publishing = False
            raise
        if life.is_dead:
            raise Killed
        for part, told in zip(parts_of(request), told_of(request, reply), strict=True):
            self._note(part, told)
        life.world.history.answered(life, call, reply)
        return reply

    def _note(self, request: Request[Any], reply: object) -> None:
        life = self._life
        kind = _CLAIMED.get(type(reply))
        if kind is not None:
            life.claims[request.terms.token] = kind  # type: ignore[attr-defined]
            life.world.tell_of_claim()
        elif isinstance(request, _ENDINGS):
            life.claims.pop(request.token, None)
        if isinstance(request, PointCurrent) or (
            isinstance(request, PublishConsolidation) and type(reply).__name__ != "ConsolidationPublished"
        ):
            life.publishing = False

    def _notify(self) -> None:
        if self._life.is_dead or self._ended_with is not None:
            # It died between being asked and being told so; nobody waits for what is in the inbox.
            self._forget()
            raise self._ended_with or Killed
        self._wake.set()

    def _forget(self) -> list[Ticket]:
        while self._inbox.pick() is not None:
            pass
        taken, self._inbox.taken = self._inbox.taken, []
        return taken

    async def run(self) -> None:
        """Serve until it is closed. Dies with its service, also in the middle of a batch."""
        try:
            await self._run()
        except BaseException as error:
            self._ended_with = error if isinstance(error, Exception) else Killed()
            self.sever(self._ended_with)
            raise

    async def _run(self) -> None:
        world = self._life.world
        while True:
            if not len(self._inbox) and not self._stopping:
                await self._wake.wait()
            self._wake = trio.Event()
            if self._stopping and not len(self._inbox):
                break
            await world.machine.clock.pause(world.delays.before_batch(self._life))
            nap = self._life.nap
            answers = self._serve_batch() if nap is None else await self._serve_batch_with_a_nap(nap)
            if answers:
                if any(ticket.request.mutates for ticket, _ in answers):
                    await world.machine.clock.pause(world.delays.before_reply(self._life))
                    self._life.step("reply")
                self._inbox.taken = []
                self._deliver(answers)
        # What a closing connection cannot write is passed over by SQLite; APSW raises what a VFS in Python raised.
        with contextlib.suppress(apsw.Error):
            self._server.close()
        self._stopped.set()

    def _serve_batch(self) -> list[Answer]:
        self._begin_batch()
        try:
            answers = self._serve()
        except Killed:
            self._died_in_batch()
            raise
        finally:
            self._life.in_sqlite = False
        return self._served(answers)

    async def _serve_batch_with_a_nap(self, nap: Nap) -> list[Answer]:
        """The same; before one of its statements the service is frozen, with its transaction open."""
        life = self._life
        self._begin_batch()
        # The rules have read the clock before the service is frozen.
        at = life.world.machine.instant()
        turns = Turns(self._serve)
        try:
            while not turns.proceed():
                life.nap = None
                life.freeze()
                nap.began.set()
                life.world.goals.hit("frozen inside a transaction")
                life.world.story.tell(life.name, "is frozen inside a transaction")
                try:
                    await trio.lowlevel.checkpoint()
                except BaseException:
                    while not turns.proceed():
                        pass
                    raise
            answers: list[Answer] = turns.result
        except BaseException:
            if life.is_dead:
                self._died_in_batch()
            raise
        finally:
            life.in_sqlite = False
        return self._served(answers, at)

    def _begin_batch(self) -> None:
        life = self._life
        life.batch_began = life.world.history.answers.now()
        life.in_sqlite = True

    def _died_in_batch(self) -> None:
        life = self._life
        life.in_sqlite = False
        life.close_connections()
        life.world.observe(life, crashed=True)

    def _served(self, answers: list[Answer], at: Instant | None = None) -> list[Answer]:
        life = self._life
        if sum(ticket.request.mutates for ticket, _ in answers) > 1:
            life.world.goals.hit("a batch of several requests")
        life.world.observe(life, asked=_asked(answers), at=at)
        return answers

    def sever(self, error: BaseException) -> None:
        """Wake whoever waits for an answer that will not come."""
        for ticket in self._forget():
            trio.lowlevel.reschedule(ticket.task, outcome.Error(error))

    async def close(self) -> None:
        """Refuse new requests, answer what waits, close the connection."""
        if self._closed is None:
            self._closed = StoreClosedError("the store is closed")
        self._stopping = True
        self._wake.set()
        await self._stopped.wait()


def _asked(answers: list[Answer]) -> tuple[tuple[Request[Any], Any], ...]:
    """What of a batch may have changed rows, and the replies."""
    asked: list[tuple[Request[Any], Any]] = []
    for ticket, answer in answers:
        if ticket.request.mutates and isinstance(answer, outcome.Value | outcome.Error):
            asked.append((ticket.request, answer.error if isinstance(answer, outcome.Error) else answer.value))
    return tuple(asked)
