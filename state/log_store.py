"""The log store: the store's own actor, once more, on the log database.

    async with open_log_store(folder) as logs:
        await logs.ask(InsertLogs(entries=...))

It shares no thread, no lock and no file with the state, so nothing that happens here can delay or break a lease.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from state.actor import STOP_SECONDS_MAX, Actor, start_actor
from state.clock import Clock, machine_clock
from state.connection import BUSY_DEADLINE_MS
from state.damage import leave_word
from state.folder import StateFolder
from state.log_opening import open_logs_for_reading, open_logs_for_writing
from state.store import Handle


class LogHandle(Handle):
    """The way to the log database.

    Attributes:
      quarantined: where a damaged file was moved to when this was opened, if one was.
      trouble: why old entries could not be cleared away, or None.
    """

    def __init__(
        self, writer: Actor | None, reader: Actor, *, quarantined: Path | None = None, trouble: str | None = None
    ) -> None:
        super().__init__(writer, reader)
        self.quarantined = quarantined
        self.trouble = trouble


@asynccontextmanager
async def open_log_store(
    folder: StateFolder,
    *,
    clock: Clock = machine_clock,
    inline: bool = False,
    busy_deadline_ms: int = BUSY_DEADLINE_MS,
) -> AsyncIterator[LogHandle]:
    """Open the log database for writing; close it in good order at the end of the block, even when that is cancelled.

    Args:
      inline: run it in the event loop's thread.
      busy_deadline_ms: how long to wait for another process's write lock.

    Raises:
      StateFolderError: it cannot be used; memoryd works without.
    """
    if inline:
        opened = open_logs_for_writing(folder, clock, busy_deadline_ms)
    else:
        opened = await trio.to_thread.run_sync(open_logs_for_writing, folder, clock, busy_deadline_ms)
    writer = start_actor(opened.group_commit, "memoryd-logs", inline=inline)
    reader = start_actor(opened.long_reads, "memoryd-log-reads", inline=inline)
    try:
        yield LogHandle(writer, reader, quarantined=opened.quarantined, trouble=opened.trouble)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS_MAX):
            if writer.failure is not None:
                leave_word(folder.log_files, str(writer.failure))
            await reader.close()
            await writer.close()
        opened.locks.close()


@asynccontextmanager
async def open_log_store_for_reading(
    folder: StateFolder, *, clock: Clock = machine_clock
) -> AsyncIterator[LogHandle | None]:
    """Open the log database beside whoever writes. Gives None when there is none.

    Raises:
      StateFolderError: there is one and it cannot be read.
    """
    opened = await trio.to_thread.run_sync(open_logs_for_reading, folder, clock)
    if opened is None:
        yield None
        return
    with contextlib.closing(opened.locks):
        reader = start_actor(opened.long_reads, "memoryd-log-reads", inline=False)
        try:
            yield LogHandle(None, reader)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + STOP_SECONDS_MAX):
                await reader.close()
