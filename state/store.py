"""The store: an actor that owns the one connection that writes, and a handle for everybody else.

    reply = await handle.ask(ClaimExtraction(...))     # the reply's type is the request's

A request that is cancelled before the store picks it up has no effect; one that was picked up runs to its end, and the
asker gets its answer before it is cancelled. A refusal is a reply; an exception means that the store could not answer
(state.errors).
"""

import contextlib
import functools
import queue
import secrets
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import outcome
import trio

from state.clock import Clock, machine_clock
from state.connection import BUSY_DEADLINE_MS
from state.errors import StoreBrokenError, StoreClosedError, StoreError
from state.folder import StateFolder, remove_process_lock
from state.ids import OwnershipToken, ProcessUuid
from state.inbox import INBOX_REQUESTS_MAX, Answer, Inbox, Ticket, deliver
from state.messages.base import Request
from state.messages.leases import Owner
from state.messages.service import ReturnLeases
from state.opening import OpenedReader, mark_suspect, open_for_reading, open_for_writing

ReplyT = TypeVar("ReplyT")

SWITCH_SECONDS_MAX = 0.000_5
"""How long one thread may keep Python from the others. An answer needs two such turns beside a thread that computes, as
a backfill does: with Python's own 5 ms every request beside it takes 5 to 10."""

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
                self._token.run_sync_soon(self._deliver, answers)
        try:
            self._server.close()
        finally:
            self._token.run_sync_soon(self._stopped.set)

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


class Handle:
    """The way to a store, which asks each request where it is answered. Safe to share among tasks."""

    def __init__(self, writer: Actor | None, reader: Actor) -> None:
        self._writer = writer
        self._reader = reader

    @property
    def is_read_only(self) -> bool:
        """True when the store was opened for reading, so that no change can be asked of it."""
        return self._writer is None

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Ask one request.

        Returns:
          The request's reply; for a change, after it is on disk.

        Raises:
          StoreError: the store could not answer; each kind says whether anything was changed.
          TypeError: a change was asked of a store that was opened for reading.
        """
        if request.is_long_read or self._writer is None:
            if request.mutates:
                raise TypeError(f"{type(request).__name__} changes the store, which was opened for reading")
            return await self._reader.ask(request)
        return await self._writer.ask(request)

    async def wait_broken(self) -> StoreError:
        """Wait until the store cannot go on; answer why. Never returns while the store is well."""
        if self._writer is None:
            await trio.sleep_forever()
            raise AssertionError("unreachable")
        await self._writer.broken.wait()
        return self._writer.failure or StoreBrokenError("the store stopped")


class StateHandle(Handle):
    """The way to the state. Handed down by the entry point, which alone opens the store.

    Attributes:
      quarantined: where this opening moved a damaged database to; None when it found none.
      kept_legacy: a sentence on each file of an older version that stays, for a warning.
    """

    def __init__(
        self,
        folder: StateFolder,
        process: ProcessUuid,
        clock: Clock,
        writer: Actor | None,
        reader: Actor,
        *,
        quarantined: Path | None = None,
        kept_legacy: tuple[str, ...] = (),
    ) -> None:
        super().__init__(writer, reader)
        self.quarantined = quarantined
        self.kept_legacy = kept_legacy
        self.folder = folder
        self.process = process
        self.clock = clock

    def remarks(self) -> tuple[str, ...]:
        """A sentence on each thing that this opening set aside or left alone, for a warning to whoever opened."""
        if self.quarantined is None:
            return self.kept_legacy
        damage = (
            f"the state database was damaged and is set aside in {self.quarantined};"
            " the index is made anew from the rollouts"
        )
        return (damage, *self.kept_legacy)

    def mint_token(self) -> OwnershipToken:
        """A fresh ownership token for one claim."""
        return OwnershipToken(secrets.token_hex(16))

    def owner(self, worker: str) -> Owner:
        """How `worker` of this process is named in leases."""
        return Owner(process=self.process, worker=worker)


@asynccontextmanager
async def open_store(
    folder: StateFolder,
    codex_home: str,
    *,
    clock: Clock = machine_clock,
    inline: bool = False,
    busy_deadline_ms: int = BUSY_DEADLINE_MS,
    start: StartActor | None = None,
    vfs: str | None = None,
) -> AsyncIterator[StateHandle]:
    """Open the store for writing; close it in good order at the end of the block, even when that is cancelled.

    Opening migrates, and moves a damaged database aside if nobody else has it open. It runs in a pool thread.

    Args:
      codex_home: the real path of the Codex home that this state belongs to.
      inline: run the store in the event loop's thread.
      busy_deadline_ms: how long to wait for another process's write lock.
      start: starts the two actors where neither a thread nor the event loop will do, as in a simulation.
      vfs: as in `state.connection.open_writer`.

    Raises:
      StateFolderError: the folder cannot be used; the message says why and what to do.
    """
    begin = start or functools.partial(start_actor, inline=inline)
    if inline:
        opened = open_for_writing(folder, codex_home, clock, busy_deadline_ms, vfs=vfs)
    else:
        open_it = functools.partial(open_for_writing, vfs=vfs)
        opened = await trio.to_thread.run_sync(open_it, folder, codex_home, clock, busy_deadline_ms)
    writer = begin(opened.group_commit, "memoryd-store")
    reader = begin(opened.long_reads, "memoryd-reads")
    handle = StateHandle(
        folder, opened.process, clock, writer, reader, quarantined=opened.quarantined, kept_legacy=opened.kept_legacy
    )
    try:
        yield handle
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS_MAX):
            # What this process still held can be claimed at once. A store that can't answer leaves that to the lock
            # file, which then stays: with it another process can prove that this one is dead.
            with contextlib.suppress(StoreError):
                await handle.ask(ReturnLeases(process=opened.process))
                opened.locks.callback(remove_process_lock, folder, opened.process)
            if writer.failure is not None:
                mark_suspect(folder, str(writer.failure))
            await reader.close()
            await writer.close()
        opened.locks.close()


@asynccontextmanager
async def open_store_for_reading(
    folder: StateFolder, codex_home: str, *, clock: Clock = machine_clock
) -> AsyncIterator[StateHandle | None]:
    """Open the store beside whoever writes: no migration, no backfill, no change. Gives None when there is no store.

    Raises:
      StateFolderError: there is one and it cannot be used.
    """
    opened: OpenedReader | None = await trio.to_thread.run_sync(open_for_reading, folder, codex_home, clock)
    if opened is None:
        yield None
        return
    reader = _ThreadActor(opened.long_reads, "memoryd-reads")
    try:
        yield StateHandle(folder, ProcessUuid(""), clock, None, reader)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS_MAX):
            await reader.close()
        opened.locks.close()
