"""Where a server meets the event loop: an inbox before it, a thread for it, and its answers for whoever asked.

The store's thread and the event loop share one interpreter. SQLite gives it up at each row, for microseconds, and has
it back before a thread that waits for it is awake; so the event loop could wait for a whole batch before it learns of
an answer. Where nothing but bulk writes waits, the thread therefore begins with them when the answers were taken.
"""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import outcome
import trio

from state.errors import StoreClosedError, StoreError
from state.inbox import INBOX_REQUESTS_MAX, Answer, Inbox, Ticket, deliver
from state.messages.base import Request

ReplyT = TypeVar("ReplyT")

SWITCH_SECONDS_MAX = 0.000_5
"""How long one thread may keep Python from the others. An answer needs two such turns beside a thread that computes, as
a backfill does: with Python's own 5 ms every request beside it takes 5 to 10."""

DELIVERY_SECONDS_MAX = 0.005
"""How long bulk writes wait for answers to be taken. An event loop that is slower does something else."""

STOP_SECONDS_MAX = 10.0
"""How long a stop waits for the store to answer what it has. A batch takes milliseconds; a hung disk takes for ever."""


class Server(Protocol):
    """Answers what waits in an inbox: the group commit, or the long reads."""

    broken: Any

    def serve(self, inbox: Inbox) -> list[Answer]: ...
    def close(self) -> None: ...


class Actor:
    """An inbox with a server behind it. Subclasses say where the server runs."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._inbox = Inbox()
        self._slots = trio.Semaphore(INBOX_REQUESTS_MAX)
        self._closed: StoreError | None = None
        self.broken = trio.Event()

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        # Where there is room the only wait is the one for the answer: each other one costs a turn of the event loop.
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            await self._slots.acquire()
        try:
            if self._closed is not None:
                raise self._closed
            ticket = Ticket(request, trio.lowlevel.current_task())
            self._inbox.put(ticket)
            self._notify()

            def abort(_raise_cancel: Any) -> trio.lowlevel.Abort:
                withdrawn = self._inbox.withdraw(ticket)
                return trio.lowlevel.Abort.SUCCEEDED if withdrawn else trio.lowlevel.Abort.FAILED

            reply: ReplyT = await trio.lowlevel.wait_task_rescheduled(abort)
            return reply
        finally:
            self._slots.release()

    def _serve(self) -> list[Answer]:
        """Answer one batch; once the server is broken, answer everything that waits with the reason."""
        if self._server.broken is None:
            return self._server.serve(self._inbox)
        answers: list[Answer] = []
        while (ticket := self._inbox.pick()) is not None:
            answers.append((ticket, outcome.Error(self._server.broken)))
        return answers

    def _deliver(self, answers: list[Answer]) -> None:
        deliver(answers)
        if self._server.broken is not None and not self.broken.is_set():
            self._closed = self._server.broken
            self.broken.set()

    @property
    def failure(self) -> StoreError | None:
        """Why the server is broken, or None."""
        failure: StoreError | None = self._server.broken
        return failure

    def _notify(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """Refuse new requests, answer what waits, close the connection."""
        raise NotImplementedError


class _ThreadActor(Actor):
    """Runs its server on an OS thread of its own, so that a sync to disk never stops the event loop."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(server)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS_MAX))
        self._token = trio.lowlevel.current_trio_token()
        # In C, where an event of `threading` makes a lock and a condition for every sleep.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_asleep = False
        self._taken: queue.SimpleQueue[list[Answer]] = queue.SimpleQueue()
        self._stopping = False
        self._stopped = trio.Event()
        # A daemon: a thread that hangs in a dead disk must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _notify(self) -> None:
        if self._is_asleep:
            # One wake is enough for all that is put before the store looks.
            self._is_asleep = False
            self._wake.put(None)

    def _run(self) -> None:
        while True:
            answers = self._serve()
            if not answers:
                # Announce the sleep first and look once more: a request put before the announcement is seen here,
                # one put after it finds the announcement and wakes. A wake that comes for nothing costs one look.
                self._is_asleep = True
                answers = self._serve()
                if not answers:
                    if self._stopping:
                        break
                    self._wake.get()
                self._is_asleep = False
            if answers:
                self._hand_over(answers)
        try:
            self._server.close()
        finally:
            self._token.run_sync_soon(self._stopped.set)

    def _hand_over(self, answers: list[Answer]) -> None:
        if not self._inbox.is_bulk_next:
            self._token.run_sync_soon(self._deliver, answers)
            return
        self._token.run_sync_soon(self._deliver_and_say, answers)
        with contextlib.suppress(queue.Empty):
            while self._taken.get(timeout=DELIVERY_SECONDS_MAX) is not answers:
                pass  # what an event loop said that was slower than we waited

    def _deliver_and_say(self, answers: list[Answer]) -> None:
        self._deliver(answers)
        self._taken.put(answers)

    async def close(self) -> None:
        if self._closed is None:
            self._closed = StoreClosedError("the store is closed")
        self._stopping = True
        self._wake.put(None)
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS_MAX):
            await self._stopped.wait()


class _InlineActor(Actor):
    """Runs its server in the event loop's thread: for simulation and tests, where threads would let real time in."""

    def _notify(self) -> None:
        trio.lowlevel.current_trio_token().run_sync_soon(self._drain, idempotent=True)

    def _drain(self) -> None:
        while answers := self._serve():
            self._deliver(answers)

    async def close(self) -> None:
        if self._closed is None:
            self._closed = StoreClosedError("the store is closed")
        self._drain()
        self._server.close()
        await trio.lowlevel.cancel_shielded_checkpoint()


def start_actor(server: Server, name: str, *, inline: bool) -> Actor:
    """Put an inbox before a server, which then runs on a thread called `name`, or inline in the event loop's thread."""
    return _InlineActor(server) if inline else _ThreadActor(server, name)


StartActor = Callable[[Server, str], Actor]
"""Puts an inbox before a server and says where the server runs; the text is what its thread is called."""
