"""One contender of bench_store, in a process of its own: so many callers ask, for so long.

The request is the same for all: one guarded write of one row that is found by its token (a renewal of a lease). The
peers do it as their own shortest durable transaction, with the settings of `state.connection`.
"""

import argparse
import itertools
import json
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import structlog
import trio

from benchmarks.crew import begin_together, percentile
from benchmarks.job_rows import CODEX_HOME, token_name
from config import Settings
from state.connection import open_writer
from state.folder import StateFolder, prepare
from state.ids import OwnershipToken
from state.messages.backfill import GetBackfillState
from state.messages.extraction import RenewExtraction
from state.messages.leases import Renewed
from state.messages.service import ReportWorker, WorkerState
from state.rules.registry import RULES
from state.store import open_store
from tests.fakes.codex_home import CodexHome
from workers import backfill

LEASE_MS = 60_000
FLOOR_OPERATIONS = 64
"""So many operations share a transaction of the floor."""

PAUSE_SECONDS = 0.001
"""Between two requests of a caller who asks now and then."""

BULK_PAGES = 35
BULK_PAUSE_SECONDS = 0.003
"""What a backfill writes into the log at a time, and how long it works until the next."""

_RENEW = (
    "UPDATE extraction_jobs SET lease_boot_id = ?, lease_until_boot_ms = ?, renewed_boot_ms = ?"
    " WHERE ownership_token = ? AND status = 'running'"
)

FLOORS = ("floor", "floor, 1 caller", "bulk writer")

Ask = Callable[[str], Awaitable[None]]
"""Renews the lease under this token, durably."""


def _values(token: str) -> tuple[Any, ...]:
    # In nanoseconds, since SQLite writes nothing, and syncs nothing, where a row is what it was a moment before.
    now = time.monotonic_ns()
    return ("boot", now + LEASE_MS, now, token)


@asynccontextmanager
async def memoryd(folder: StateFolder) -> AsyncIterator[Ask]:
    """The store."""
    async with open_store(folder, CODEX_HOME) as handle:

        async def ask(token: str) -> None:
            reply = await handle.ask(RenewExtraction(token=OwnershipToken(token), lease_ms=LEASE_MS))
            assert isinstance(reply, Renewed)

        yield ask


@asynccontextmanager
async def apsw_async(folder: StateFolder) -> AsyncIterator[Ask]:
    """APSW's own asynchronous mode, one hop for a request."""
    connection: Any = await apsw.Connection.as_async(str(folder.database))
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000"):
        await (await connection.execute(f"PRAGMA {pragma}")).get

    async def ask(token: str) -> None:
        def renew() -> int:
            connection.execute(_RENEW, _values(token))
            return int(connection.changes())

        assert await connection.async_run(renew) == 1

    try:
        yield ask
    finally:
        connection.close()


@asynccontextmanager
async def to_thread(folder: StateFolder) -> AsyncIterator[Ask]:
    """A plain connection with the store's settings, in pool threads."""
    connection = open_writer(folder.database)
    one_at_a_time = trio.CapacityLimiter(1)

    async def ask(token: str) -> None:
        def renew() -> int:
            connection.execute(_RENEW, _values(token))
            return connection.changes()

        assert await trio.to_thread.run_sync(renew, limiter=one_at_a_time) == 1

    try:
        yield ask
    finally:
        connection.close()


CONTENDERS = {"memoryd": memoryd, "apsw async": apsw_async, "trio.to_thread": to_thread}


def run_floor(folder: StateFolder, callers: int, first: int, seconds: float) -> list[float]:
    """A plain loop without an event loop, 64 operations a transaction; what each transaction took."""
    connection = open_writer(folder.database)
    took: list[float] = []
    tokens = [token_name(first + number % callers) for number in range(FLOOR_OPERATIONS)]
    begin_together()
    ends_at = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends_at:
        connection.execute("BEGIN IMMEDIATE")
        for token in tokens:
            connection.execute(_RENEW, _values(token))
        connection.execute("COMMIT")
        took.append(time.perf_counter() - began)
    connection.close()
    return took


def run_lone_floor(folder: StateFolder, first: int, seconds: float) -> list[float]:
    """One write a transaction, now and then: what a durable request takes where nothing is in its way."""
    connection = open_writer(folder.database)
    took: list[float] = []
    begin_together()
    ends_at = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends_at:
        connection.execute(_RENEW, _values(token_name(first)))
        took.append(time.perf_counter() - began)
        time.sleep(PAUSE_SECONDS)
    connection.close()
    return took


def run_bulk_writer(folder: StateFolder, seconds: float) -> list[float]:
    """Write as a backfill does, into another file on the same disk."""
    connection = open_writer(folder.path.with_name("bulk.sqlite"))
    connection.execute("CREATE TABLE bulk (id INTEGER PRIMARY KEY, filling BLOB)")
    took: list[float] = []
    begin_together()
    ends_at = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends_at:
        with connection:
            connection.executemany("INSERT INTO bulk (filling) VALUES (?)", [(bytes(4_000),)] * BULK_PAGES)
        took.append(time.perf_counter() - began)
        time.sleep(BULK_PAUSE_SECONDS)
    connection.close()
    return took


async def run_callers(name: str, folder: StateFolder, callers: int, first: int, seconds: float) -> list[float]:
    """Let every caller ask again as soon as it is answered; what each request took."""
    took: list[float] = []
    async with CONTENDERS[name](folder) as ask:
        await ask(token_name(first))
        begin_together()
        ends_at = time.perf_counter() + seconds

        async def call(token: str) -> None:
            while (began := time.perf_counter()) < ends_at:
                await ask(token)
                took.append(time.perf_counter() - began)

        async with trio.open_nursery() as nursery:
            for number in range(first, first + callers):
                nursery.start_soon(call, token_name(number))
    return took


async def run_beside_backfill(folder: StateFolder, files: int) -> tuple[list[float], float]:
    """One caller while a first backfill of so many sessions runs in the same process; requests, and its seconds.

    The rules are imported before, as `run` does once it is ready. The start of the watch is in it.
    """
    scratch = Path(tempfile.mkdtemp(prefix="beside-backfill-", dir=folder.path.parent))
    home = CodexHome(path=scratch / "home")
    for number in range(files):
        rollout = home.session(hours_ago=24 + number)
        rollout.user(f"task {number}")
        rollout.assistant("Please look at this again, and tell me what has changed. " * 16)
    state = StateFolder(path=scratch / "state")
    prepare(state)
    took: list[float] = []
    try:
        async with open_store(state, str(home.path)) as handle, trio.open_nursery() as nursery:

            async def call() -> None:
                for number in itertools.count():
                    # Another row each time, since what changes nothing is not synced.
                    request = ReportWorker(
                        process=handle.process, worker="caller", state=WorkerState.RUNNING, crashes=number, reason=None
                    )
                    began = time.perf_counter()
                    await handle.ask(request)
                    took.append(time.perf_counter() - began)
                    await trio.sleep(PAUSE_SECONDS)

            RULES.whole()
            begin_together()
            began = time.perf_counter()
            nursery.start_soon(call)
            nursery.start_soon(backfill.serve, handle, home.path, Settings())
            while True:
                now = await handle.ask(GetBackfillState())
                if now.files_by_status.get("indexed", 0) == files:
                    break
                await trio.sleep(0.05)
            seconds = time.perf_counter() - began
            nursery.cancel_scope.cancel()
    finally:
        shutil.rmtree(scratch)
    return took, seconds


def main() -> None:
    """Do one run, and print how many requests were answered and how long they took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_child")
    parser.add_argument("contender", choices=[*CONTENDERS, *FLOORS, "beside a backfill"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first caller's job")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--files", type=int, default=20_000)
    options = parser.parse_args()
    folder = StateFolder(path=options.folder)
    seconds = options.seconds
    requests = 1
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    cpu_began = time.process_time()
    if options.contender == "floor":
        took = run_floor(folder, options.callers, options.first, seconds)
        requests = FLOOR_OPERATIONS
    elif options.contender == "floor, 1 caller":
        took = run_lone_floor(folder, options.first, seconds)
    elif options.contender == "bulk writer":
        took = run_bulk_writer(folder, seconds)
    elif options.contender == "beside a backfill":
        took, seconds = trio.run(run_beside_backfill, folder, options.files)
    else:
        took = trio.run(run_callers, options.contender, folder, options.callers, options.first, seconds)
    said = {
        "requests": len(took) * requests,
        "seconds": seconds,
        "cpu_us": (time.process_time() - cpu_began) / len(took) / requests * 1e6,
        "p50_ms": percentile(took, 0.5) * 1e3,
        "p90_ms": percentile(took, 0.9) * 1e3,
        "p99_ms": percentile(took, 0.99) * 1e3,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
