"""One contender of bench_jobs, in a process of its own: its workers claim and finish jobs until none is left.

What a peer is called with is what its own consumer calls, without running a task: claim, then finish under whatever
the peer has for a token. memoryd's jobs end without anything to save ("plain") or with a memory ("full").
"""

import argparse
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from benchmarks.crew import begin_together
from benchmarks.job_rows import CODEX_HOME
from state.folder import StateFolder
from state.messages.extraction import (
    ClaimExtraction,
    Eligibility,
    ExtractionClaimed,
    ExtractionFinished,
    ExtractorId,
    FinishExtraction,
    MemoryDraft,
    MemoryNote,
)
from state.messages.extraction_batches import (
    ClaimExtractions,
    FinishAndClaimExtractions,
    FinishExtractions,
)
from state.messages.leases import ClaimTerms
from state.store import StateHandle, open_store

LEASE_MS = 60_000
EVERYTHING = Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None)
EXTRACTOR = ExtractorId(name="bench", version=1)
DRAFT = MemoryDraft(
    raw_memory="- use tabs\n" * 8,
    rollout_summary="# what was done\n" * 8,
    rollout_slug="what-was-done",
    notes=(MemoryNote(kind="preference", topic="tabs", text="use tabs", line=3, at_ms=1),),
)


def _finish(token: Any, draft: MemoryDraft | None) -> FinishExtraction:
    return FinishExtraction(token=token, input_digest=f"digest of {token}", extractor=EXTRACTOR, draft=draft)


async def _work_fused(handle: StateHandle, worker: str, at_a_time: int, draft: MemoryDraft | None) -> int:
    """End what is in hand and claim as many new ones, in one message, until there are none."""
    done = 0
    held: tuple[Any, ...] = ()
    while True:
        tokens = tuple(handle.mint_token() for _ in range(at_a_time))
        reply = await handle.ask(
            FinishAndClaimExtractions(
                finish=FinishExtractions(finishes=tuple(_finish(token, draft) for token in held)),
                claim=ClaimExtractions(
                    tokens=tokens, owner=handle.owner(worker), lease_ms=LEASE_MS, eligibility=EVERYTHING
                ),
            )
        )
        assert all(isinstance(result, ExtractionFinished) for result in reply.finished.results)
        done += len(held)
        held = tokens[: len(reply.claimed.jobs)]
        if not held:
            return done


async def _work_singly(handle: StateHandle, worker: str, draft: MemoryDraft | None) -> int:
    """Claim in one message and end in another."""
    done = 0
    while True:
        token = handle.mint_token()
        terms = ClaimTerms(token=token, owner=handle.owner(worker), lease_ms=LEASE_MS)
        if not isinstance(await handle.ask(ClaimExtraction(terms=terms, eligibility=EVERYTHING)), ExtractionClaimed):
            return done
        assert isinstance(await handle.ask(_finish(token, draft)), ExtractionFinished)
        done += 1


async def _memoryd(folder: Path, workers: int, at_a_time: int, draft: MemoryDraft | None) -> tuple[int, float]:
    counts: list[int] = []
    async with open_store(StateFolder(path=folder), CODEX_HOME) as handle:

        async def work(number: int) -> None:
            name = f"worker-{number}"
            counts.append(
                await (_work_fused(handle, name, at_a_time, draft) if at_a_time else _work_singly(handle, name, draft))
            )

        begin_together()
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in range(workers):
                nursery.start_soon(work, number)
        return sum(counts), time.perf_counter() - began


def _in_threads(workers: int, work: Callable[[], int]) -> tuple[int, float]:
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(work())) for _ in range(workers)]
    begin_together()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.perf_counter() - began


def _huey_of(folder: Path) -> Any:
    from huey import SqliteHuey

    return SqliteHuey(filename=str(folder / "huey.db"), results=True, fsync=True, timeout=60)


def _fill_huey(folder: Path, jobs: int) -> None:
    huey = _huey_of(folder)

    @huey.task()  # type: ignore[untyped-decorator]
    def job(number: int) -> int:
        return number

    for number in range(jobs):
        job(number)


def _huey(folder: Path, workers: int) -> tuple[int, float]:
    huey = _huey_of(folder)

    @huey.task(name="job")  # type: ignore[untyped-decorator]
    def job(number: int) -> int:
        return number

    def work() -> int:
        done = 0
        while (data := huey.storage.dequeue()) is not None:
            huey.storage.put_data(f"result {hash(data)}", b"1", is_result=True)
            done += 1
        return done

    return _in_threads(workers, work)


def _fill_persist_queue(folder: Path, jobs: int) -> None:
    from persistqueue import SQLiteAckQueue

    queue = SQLiteAckQueue(str(folder), multithreading=True, auto_commit=True)
    for number in range(jobs):
        queue.put(number)


def _persist_queue(folder: Path, workers: int) -> tuple[int, float]:
    from persistqueue import Empty, SQLiteAckQueue

    queue = SQLiteAckQueue(str(folder), multithreading=True, auto_commit=True)

    def work() -> int:
        done = 0
        while True:
            try:
                item = queue.get(block=False, raw=True)
            except Empty:
                return done
            queue.ack(id=item["pqid"])
            done += 1

    return _in_threads(workers, work)


def _litequeue_of(folder: Path) -> Any:
    from litequeue import LiteQueue

    queue = LiteQueue(str(folder / "litequeue.db"), timeout=60)
    queue.conn.execute("PRAGMA synchronous = FULL")  # it sets NORMAL
    return queue


def _fill_litequeue(folder: Path, jobs: int) -> None:
    queue = _litequeue_of(folder)
    with queue.transaction("IMMEDIATE"):
        for number in range(jobs):
            queue.put(str(number))


def _litequeue(folder: Path, workers: int) -> tuple[int, float]:
    queues = [_litequeue_of(folder) for _ in range(workers)]

    def work() -> int:
        queue, done = queues.pop(), 0
        while (message := queue.pop()) is not None:
            queue.done(message.message_id)
            done += 1
        return done

    return _in_threads(workers, work)


def _fill_by_hand(folder: Path, jobs: int) -> None:
    database = sqlite3.connect(folder / "by-hand.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, status TEXT NOT NULL, token TEXT)")
    database.execute("CREATE INDEX job_ready ON job (id) WHERE status = 'ready'")
    database.execute("CREATE UNIQUE INDEX job_token ON job (token) WHERE token IS NOT NULL")
    database.execute("BEGIN")
    database.executemany("INSERT INTO job VALUES (?, 'ready', NULL)", [(number,) for number in range(jobs)])
    database.execute("COMMIT")


def _aiosqlite(folder: Path, workers: int) -> tuple[int, float]:
    import asyncio
    import secrets

    import aiosqlite

    claim = (
        "UPDATE job SET status = 'running', token = ? WHERE id = (SELECT id FROM job WHERE status = 'ready' LIMIT 1)"
        " RETURNING id"
    )
    finish = "UPDATE job SET status = 'done', token = NULL WHERE token = ? AND status = 'running'"

    async def run() -> tuple[int, float]:
        async with aiosqlite.connect(folder / "by-hand.db", isolation_level=None, timeout=60) as database:
            await database.execute("PRAGMA synchronous = FULL")

            async def work() -> int:
                done = 0
                while True:
                    token = secrets.token_hex(16)
                    if not await database.execute_fetchall(claim, (token,)):
                        return done
                    cursor = await database.execute(finish, (token,))
                    assert cursor.rowcount == 1
                    done += 1

            begin_together()
            began = time.perf_counter()
            counts = await asyncio.gather(*(work() for _ in range(workers)))
            return sum(counts), time.perf_counter() - began

    return asyncio.run(run())


def _dbos(folder: Path, _workers: int, jobs: int) -> tuple[int, float]:
    import logging

    from dbos import DBOS

    url = f"sqlite:///{folder / 'dbos.sqlite'}"
    DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"})

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    def job(number: int) -> int:
        return number

    logging.disable(logging.CRITICAL)
    DBOS.launch()
    DBOS.register_queue("bench")
    begin_together()
    began = time.perf_counter()
    handles = [DBOS.enqueue_workflow("bench", job, number) for number in range(jobs)]
    for handle in handles:
        handle.get_result()
    seconds = time.perf_counter() - began
    DBOS.destroy()
    return jobs, seconds


@attrs.frozen(kw_only=True)
class Peer:
    """A queue of somebody else's.

    Attributes:
      package: what has to be installed.
      durability: what its file is set to in this run.
      fill: makes its database with so many jobs; None where that is part of the run.
    """

    package: str
    durability: str
    fill: Callable[[Path, int], None] | None
    work: Callable[[Path, int], tuple[int, float]] | None


PEERS = {
    "huey": Peer(package="huey", durability="WAL, FULL", fill=_fill_huey, work=_huey),
    "persist-queue": Peer(
        package="persist-queue", durability="WAL, FULL", fill=_fill_persist_queue, work=_persist_queue
    ),
    "litequeue": Peer(
        package="litequeue", durability="WAL, FULL (NORMAL as shipped)", fill=_fill_litequeue, work=_litequeue
    ),
    "aiosqlite": Peer(package="aiosqlite", durability="WAL, FULL", fill=_fill_by_hand, work=_aiosqlite),
    "dbos": Peer(package="dbos", durability="rollback journal, FULL; enqueues included", fill=None, work=None),
}
"""By name. persist-queue guards its claims within one process only, so it is not run in several."""

WAYS: dict[str, tuple[int, MemoryDraft | None]] = {
    "memoryd, fused": (1, None),
    "memoryd, 32 at a time": (32, None),
    "memoryd, two messages": (0, None),
    "memoryd, fused, full": (1, DRAFT),
    "memoryd, 32 at a time, full": (32, DRAFT),
}
"""How many jobs a message is about (0: a claim and an end in messages of their own), and what is saved."""


def main() -> None:
    """Do one run, and print how many jobs were done in how many seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jobs_child")
    parser.add_argument("contender", choices=[*WAYS, *PEERS])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    cpu_began = time.process_time()  # the imports are not in it
    if options.contender in WAYS:
        at_a_time, draft = WAYS[options.contender]
        done, seconds = trio.run(_memoryd, options.folder, options.workers, at_a_time, draft)
    elif options.contender == "dbos":
        done, seconds = _dbos(options.folder, options.workers, options.jobs)
    else:
        work = PEERS[options.contender].work
        assert work is not None
        done, seconds = work(options.folder, options.workers)
    cpu_us = (time.process_time() - cpu_began) / max(done, 1) * 1e6
    print(json.dumps({"jobs": done, "seconds": seconds, "cpu_us": cpu_us}))


if __name__ == "__main__":
    main()
