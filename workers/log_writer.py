"""Storing what is logged: in batches, beside the work, and never in its way.

    log call -> queue (bounded, drops) -> a batch, or what came in two seconds -> one transaction

Nothing that goes wrong here is anybody else's trouble: it is said once, what could not be stored is counted, and the
number is an entry of its own as soon as storing works again.
"""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

from state.errors import StoreBrokenError, StoreError
from state.folder import StateFolder
from state.log_queue import LogQueue
from state.log_store import LogHandle, open_log_store
from state.messages.logs import InsertLogs, LogEntry

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 2.0
"""What is logged is stored after this time at the latest."""

STOP_FLUSH_SECONDS_MAX = 3.0
"""How long a stop waits until everything is stored. The same entries went to stderr, and those of `run` to a file."""

REOPEN_SECONDS = 30.0
"""How long after it failed the log database is opened again."""

LOG_BUSY_DEADLINE_MS = 2_000
"""How long storing a batch waits for another process that stores one."""


class LogWriter:
    """Takes entries from a queue and stores them."""

    def __init__(self, queue: LogQueue, folder: StateFolder, *, reopen_seconds: float = REOPEN_SECONDS) -> None:
        self._queue = queue
        self._folder = folder
        self._reopen_seconds = reopen_seconds
        self._scope = trio.CancelScope(shield=True)
        self._wake = trio.Event()
        self._begun = False
        self._stopping = False
        self._ended = trio.Event()
        self._settled = 0
        self._settled_more = trio.Event()
        self._is_failing = False

    def begin(self) -> None:
        """Have `run` open the log database: the state is open, so the folder is ours to write into."""
        self._begun = True
        self._wake.set()

    async def flush(self) -> None:
        """Wait until everything that was logged before is stored, or is known not to be."""
        goal = self._queue.accepted
        while self._settled < goal and not self._ended.is_set():
            self._wake.set()
            await self._settled_more.wait()

    def stop(self) -> None:
        """Have `run` store what waits, for at most STOP_FLUSH_SECONDS_MAX, and end."""
        self._stopping = True
        self._scope.deadline = trio.current_time() + STOP_FLUSH_SECONDS_MAX
        self._wake.set()

    async def run(self) -> None:
        """Store from `begin` until `stop` is called. A cancel from outside does not end it, so that the last words are
        kept."""
        token = trio.lowlevel.current_trio_token()
        self._queue.when_batch_waits(lambda: token.run_sync_soon(self._wake.set, idempotent=True))
        try:
            with self._scope:
                # The folder may yet be refused, also one that has a state, and then nothing is written into it.
                while not self._begun and not self._stopping:
                    await self._wait(math.inf)
                if not self._begun:
                    return
                while not self._stopping or len(self._queue):
                    await self._store_until_trouble()
        finally:
            self._queue.when_batch_waits(None)
            self._ended.set()
            self._drop_waiting()
            self._settle(0)

    async def _store_until_trouble(self) -> None:
        """Open and store until it is time to stop; after a failure, do without for a while."""
        try:
            async with open_log_store(self._folder, busy_deadline_ms=LOG_BUSY_DEADLINE_MS) as logs:
                _report_opening(logs)
                while True:
                    await self._store_waiting(logs)
                    if self._stopping and not len(self._queue):
                        return
                    await self._wait(FLUSH_SECONDS)
        except Exception as error:
            # A defect here too costs log entries and nothing else.
            self._say_once(error)
        open_again_at = trio.current_time() + self._reopen_seconds
        while True:
            self._drop_waiting()
            left_seconds = open_again_at - trio.current_time()
            if self._stopping or left_seconds <= 0:
                return
            await self._wait(left_seconds)

    async def _store_waiting(self, logs: LogHandle) -> None:
        while batch := self._queue.take():
            dropped = self._queue.take_dropped()
            entries = (*batch, self._entry_of(dropped)) if dropped else batch
            try:
                await logs.ask(InsertLogs(entries=entries))
                self._is_failing = False
            except StoreError as error:
                self._queue.count_dropped(len(batch) + dropped)
                if isinstance(error, StoreBrokenError):
                    raise
                self._say_once(error)
            finally:
                self._settle(len(batch))

    def _entry_of(self, dropped: int) -> LogEntry:
        return LogEntry(
            at_ns=time.time_ns(),
            level="WARNING",
            target=__name__,
            message=f"{dropped} log entries were not stored",
            process_uuid=self._queue.process_uuid,
        )

    def _drop_waiting(self) -> None:
        while batch := self._queue.take():
            self._queue.count_dropped(len(batch))
            self._settle(len(batch))

    def _say_once(self, error: Exception) -> None:
        """Say why entries are not stored; not again before it worked."""
        if not self._is_failing:
            self._is_failing = True
            log.warning("log entries cannot be stored", reason=str(error), hint=getattr(error, "hint", ""))

    def _settle(self, entries: int) -> None:
        self._settled += entries
        self._settled_more.set()
        self._settled_more = trio.Event()

    async def _wait(self, seconds: float) -> None:
        """Wait until somebody wakes us, but not for longer than this."""
        with trio.move_on_after(seconds):
            await self._wake.wait()
        self._wake = trio.Event()


def _report_opening(logs: LogHandle) -> None:
    if logs.quarantined is not None:
        log.warning("the log database was damaged and is begun anew", moved_to=str(logs.quarantined))
    if logs.trouble is not None:
        log.warning("old log entries could not be cleared away", reason=logs.trouble)


@asynccontextmanager
async def keeping_logs(queue: LogQueue, folder: StateFolder) -> AsyncIterator[LogWriter]:
    """Store what is logged during the block, all of it before the block ends, if the block calls `begin`.

    Opening happens beside the block, which never waits for it.
    """
    writer = LogWriter(queue, folder)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        try:
            yield writer
        except Exception as error:
            # Kept aside so that callers see the block's own exception and not a group around it.
            failure = error
        finally:
            writer.stop()
    if failure is not None:
        raise failure
