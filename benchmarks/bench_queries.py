"""Which queries grow with the history, and what a lease renewal notices of the slowest of them.

The rule: every request is asked of the store's own server on an invented history of each size, the sizes in turn. Its
p50 is of the CPU time that an answer takes, which other programs lengthen less, and is fitted to a power of the size:
0 is flat, 1 is proportional; its p99 is of time on the wall. What changes rows runs on the connection that writes, with
its commit; what may walk runs on the one that only reads. The first of each kind is not counted.

The renewals go through the whole store, its threads included, once alone and once while another task asks for the
slowest read again and again.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import attrs
import outcome
import trio

from benchmarks.delays import percentile
from benchmarks.long_history import (
    BOOT_ID,
    MISSING_WORD,
    NOW_MS,
    RARE_CWD,
    RARE_PROVIDER,
    RARE_SOURCE,
    RARE_WORD,
    SMALL_PROJECT,
    build_history,
)
from benchmarks.report import Report, Row, growth
from state.folder import StateFolder
from state.group_commit import GroupCommit
from state.ids import Instant, OwnershipToken, ProcessUuid, ThreadId
from state.inbox import Inbox, Ticket
from state.long_read import LongReads
from state.messages.backfill import GetBackfillState, ListTroubledRollouts
from state.messages.base import Request
from state.messages.consolidation import (
    ClaimConsolidation,
    GetConsolidationTotals,
    ListPublishedScopes,
    NothingToConsolidate,
    ReleaseConsolidation,
)
from state.messages.extraction import (
    ClaimExtraction,
    Eligibility,
    ExtractorId,
    GetExtractionTotals,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    ReopenForExtractor,
)
from state.messages.jobs import GetBackOffs, ListJobs
from state.messages.leases import ClaimTerms, Owner
from state.messages.memories import ListMemories
from state.messages.retention import PruneMemories
from state.messages.threads import GetThread, ListThreads, ThreadAnchor, ThreadDirection, ThreadSort
from state.opening import open_for_writing
from state.store import StateHandle, open_store

CODEX_HOME = "/home/ann/.codex"

ELIGIBLE = Eligibility(sources=("cli", "vscode", "atlas", "chatgpt"), idle_ms=21_600_000, age_ms_max=None)
NOBODY = attrs.evolve(ELIGIBLE, sources=("nowhere",))

LEASE_MS = 120_000
RENEWAL_SECONDS_MAX = 3.0
"""How long renewals are asked for, alone and beside the slowest read."""


def clock() -> Instant:
    """The moment at which the invented history ends."""
    return Instant(wall_ms=NOW_MS, boot_ms=1_000_000, boot_id=BOOT_ID)


def terms(token: str) -> ClaimTerms:
    """What a claimant brings."""
    return ClaimTerms(
        token=OwnershipToken(token), owner=Owner(process=ProcessUuid("benchmark"), worker="worker"), lease_ms=LEASE_MS
    )


PAGES: Mapping[str, Request[Any]] = {
    "page: newest": ListThreads(sort=ThreadSort.UPDATED),
    "page: oldest": ListThreads(direction=ThreadDirection.ASCENDING),
    "page: behind a cursor": ListThreads(
        sort=ThreadSort.RECENCY, anchor=ThreadAnchor(at_ms=NOW_MS - 30_000_000, id=ThreadId("z"))
    ),
    "page: interactive sources": ListThreads(sources=("cli", "vscode")),
    "page: archived": ListThreads(archived=True, sort=ThreadSort.UPDATED),
    "page: source of 0.1 %": ListThreads(sources=(RARE_SOURCE,)),
    "page: provider of 0.1 %": ListThreads(model_providers=(RARE_PROVIDER,), sort=ThreadSort.RECENCY),
    "page: folder of 0.1 %": ListThreads(cwds=(RARE_CWD,), sort=ThreadSort.UPDATED),
    "page: all filters": ListThreads(
        cwds=(RARE_CWD, SMALL_PROJECT),
        sources=(RARE_SOURCE, "cli"),
        model_providers=(RARE_PROVIDER, "openai"),
        direction=ThreadDirection.ASCENDING,
    ),
    "page: filters that no thread passes": ListThreads(
        cwds=(SMALL_PROJECT,), model_providers=(RARE_PROVIDER,), sources=("cli",)
    ),
    "title: common": ListThreads(title_contains="failing test"),
    "title: 0.1 %": ListThreads(title_contains=RARE_WORD, sort=ThreadSort.UPDATED),
    "title: in none": ListThreads(title_contains=MISSING_WORD),
    "title: in none, of one folder": ListThreads(title_contains=MISSING_WORD, cwds=(RARE_CWD,)),
    "thread by a beginning of its id": GetThread(thread_id="013"),
    "jobs": ListJobs(eligibility=ELIGIBLE),
    "jobs that are dead": ListJobs(status="dead", eligibility=ELIGIBLE),
    "memories": ListMemories(),
    "projects": ListPublishedScopes(),
    "status: files": GetBackfillState(),
    "status: jobs": GetExtractionTotals(eligibility=ELIGIBLE),
    "status: projects": GetConsolidationTotals(),
    "status: troubled files": ListTroubledRollouts(),
    "status: back-offs": GetBackOffs(),
    "extraction: nothing, when is it due?": ClaimExtraction(terms=terms("none"), eligibility=NOBODY),
    "extraction: reopen for a version": ReopenForExtractor(extractor=ExtractorId(name="builtin", version=3)),
    "retention: nothing to prune": PruneMemories(unused_ms=10**12),
}
"""One request each; it may be asked again and again."""


@attrs.frozen(kw_only=True)
class Taken:
    """What one answer took: on the wall, and of the processor."""

    wall_ms: float
    cpu_ms: float


class Server:
    """Asks the store's servers directly, and times each answer."""

    def __init__(self, folder: StateFolder) -> None:
        self._opened = open_for_writing(folder, CODEX_HOME, clock)

    def ask(self, request: Request[Any]) -> tuple[Any, Taken]:
        """The reply, and the milliseconds that it took to its commit."""
        server: GroupCommit | LongReads = self._opened.group_commit
        if request.is_long_read:
            server = self._opened.long_reads
        inbox = Inbox()
        inbox.put(Ticket(request, cast(trio.lowlevel.Task, None)))
        began, worked = time.perf_counter(), time.thread_time()
        ((_, answer),) = server.serve(inbox)
        taken = Taken(wall_ms=(time.perf_counter() - began) * 1000, cpu_ms=(time.thread_time() - worked) * 1000)
        if isinstance(answer, outcome.Error):
            raise answer.error
        return answer.unwrap(), taken

    def close(self) -> None:
        """Close the store."""
        self._opened.long_reads.close()
        self._opened.group_commit.close()
        self._opened.locks.close()


def claim_extractions(server: Server, count: int) -> list[Taken]:
    """The milliseconds of so many claims; each is given back."""
    found = []
    for number in range(count):
        token = f"job-{number}"
        reply, taken = server.ask(ClaimExtraction(terms=terms(token), eligibility=ELIGIBLE, running_max=8))
        assert not isinstance(reply, NothingToExtract)
        server.ask(ReleaseExtraction(token=OwnershipToken(token)))
        found.append(taken)
    return found


def claim_scopes(server: Server, count: int) -> list[Taken]:
    """The same of scopes."""
    found = []
    for number in range(count):
        token = f"scope-{number}"
        reply, taken = server.ask(ClaimConsolidation(terms=terms(token)))
        assert not isinstance(reply, NothingToConsolidate)
        server.ask(ReleaseConsolidation(token=OwnershipToken(token)))
        found.append(taken)
    return found


def questions(asked: int) -> dict[str, Callable[[Server], list[Taken]]]:
    """By its name, what gives the milliseconds of about `asked` answers, fewer where one takes long."""

    def of(request: Request[Any]) -> Callable[[Server], list[Taken]]:
        def ask(server: Server) -> list[Taken]:
            server.ask(request)
            found: list[Taken] = []
            while len(found) < 3 or (len(found) < asked and sum(one.wall_ms for one in found) < 1_000):
                found.append(server.ask(request)[1])
            return found

        return ask

    return {
        **{name: of(request) for name, request in PAGES.items()},
        "extraction: claim": lambda server: claim_extractions(server, asked),
        "consolidation: claim": lambda server: claim_scopes(server, asked),
    }


async def renewals(folder: StateFolder, beside: Request[Any] | None) -> list[float]:
    """Milliseconds of each renewal of one job, with `beside` asked for all the while."""
    found: list[float] = []
    async with open_store(folder, CODEX_HOME, clock=clock) as handle:
        await handle.ask(ClaimExtraction(terms=terms("renewed"), eligibility=ELIGIBLE))
        renewal = RenewExtraction(token=OwnershipToken("renewed"), lease_ms=LEASE_MS)
        async with trio.open_nursery() as nursery:
            if beside is not None:
                nursery.start_soon(_ask_for_ever, handle, beside)
                await trio.sleep(0.05)
            give_up_at = trio.current_time() + RENEWAL_SECONDS_MAX
            while trio.current_time() < give_up_at:
                began = time.perf_counter()
                await handle.ask(renewal)
                found.append((time.perf_counter() - began) * 1000)
                await trio.sleep(0.002)
            nursery.cancel_scope.cancel()
        await handle.ask(ReleaseExtraction(token=OwnershipToken("renewed")))
    return found


async def _ask_for_ever(handle: StateHandle, request: Request[Any]) -> None:
    while True:
        await handle.ask(request)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_queries", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000], help="sizes")
    parser.add_argument("--asked", type=int, default=100, help="how often each is asked in a repeat (default: 100)")
    parser.add_argument("--repeats", type=int, default=3, help="how often the sizes take turns (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def main() -> None:
    """Build the histories, ask everything of each, and print what was found."""
    options = arguments()
    sizes = sorted(options.threads)
    asked = questions(options.asked)
    p50: dict[str, dict[int, list[float]]] = {name: {size: [] for size in sizes} for name in asked}
    p99: dict[str, dict[int, list[float]]] = {name: {size: [] for size in sizes} for name in asked}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-queries-") as scratch:
        folders = {size: StateFolder(path=Path(scratch) / f"of-{size}") for size in sizes}
        for size, folder in folders.items():
            folder.path.mkdir(mode=0o700)
            build_history(folder.database, size).close()
        for repeat in range(options.repeats):
            for size in sizes if repeat % 2 == 0 else reversed(sizes):
                server = Server(folders[size])
                for name, ask in asked.items():
                    values = ask(server)
                    p50[name][size].append(percentile([one.cpu_ms for one in values], 50))
                    p99[name][size].append(percentile([one.wall_ms for one in values], 99))
                server.close()
        for figure, by_name in (("p50 CPU ms", p50), ("p99 ms", p99)):
            for name, by_size in by_name.items():
                rows += [
                    Row(
                        name=f"{name}, {size:,}",
                        figure=figure,
                        values=by_size[size],
                        peer=f"{name}, {sizes[0]:,}" if size != sizes[0] else None,
                    )
                    for size in sizes
                ]
        slowest = max(
            (name for name, request in PAGES.items() if request.is_long_read), key=lambda name: p50[name][sizes[-1]]
        )
        alone, beside = f"renewal alone, {sizes[-1]:,}", f"renewal beside “{slowest}”, {sizes[-1]:,}"
        taken: dict[str, list[list[float]]] = {alone: [], beside: []}
        for _ in range(options.repeats):
            taken[alone].append(trio.run(renewals, folders[sizes[-1]], None))
            taken[beside].append(trio.run(renewals, folders[sizes[-1]], PAGES[slowest]))
        for percent in (50, 99):
            rows += [
                Row(
                    name=name,
                    figure=f"renewal p{percent} ms",
                    values=[percentile(one, percent) for one in values],
                    peer=alone if name == beside else None,
                )
                for name, values in taken.items()
            ]
        shutil.rmtree(scratch, ignore_errors=True)
        Path(scratch).mkdir()
    grown = []
    if len(sizes) > 1:
        grown = [
            growth(name, "p50 CPU ms", {size: sorted(values)[len(values) // 2] for size, values in by_size.items()})
            for name, by_size in p50.items()
        ]
    Report(
        question="Which queries grow with the history, and what does a lease renewal notice of the slowest of them?",
        settings={"threads": sizes, "asked": options.asked, "repeats": options.repeats},
        rows=rows,
        growth=grown,
        packages=("apsw", "trio"),
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
