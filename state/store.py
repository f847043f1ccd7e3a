"""The store: an actor that owns the one connection that writes, and a handle for everybody else.

    reply = await handle.ask(ClaimExtraction(...))     # the reply's type is the request's

A request that is cancelled before the store picks it up has no effect; one that was picked up runs to its end, and the
asker gets its answer before it is cancelled. A refusal is a reply; an exception means that the store could not answer
(state.errors).
"""

import contextlib
import functools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from state.actor import STOP_SECONDS_MAX, Actor, StartActor, start_actor
from state.clock import Clock, machine_clock
from state.connection import BUSY_DEADLINE_MS
from state.errors import StoreBrokenError, StoreError
from state.folder import StateFolder, remove_process_lock
from state.ids import OwnershipToken, ProcessUuid
from state.messages.base import Request
from state.messages.leases import Owner
from state.messages.service import ReturnLeases
from state.opening import OpenedReader, mark_suspect, open_for_reading, open_for_writing

ReplyT = TypeVar("ReplyT")


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
    if start is None and not inline:
        opened.group_commit.checkpoint_beside()
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
    reader = start_actor(opened.long_reads, "memoryd-reads", inline=False)
    try:
        yield StateHandle(folder, ProcessUuid(""), clock, None, reader)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS_MAX):
            await reader.close()
        opened.locks.close()
