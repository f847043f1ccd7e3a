"""How many durable requests a second, and how long does each take? memoryd's store against APSW's asynchronous mode,
a plain connection in pool threads, and a floor: a plain loop with 64 operations a transaction. Beside a backfill the
floor is a plain loop that commits one now and then, while another process writes as much to the same disk.

The rule: everybody does the same guarded write (a renewal of a lease, found by its token) on a database of the same
rows, WAL with synchronous=FULL, and is only answered when it is committed. Each run is a process of its own, on a
fresh copy. `python -m benchmarks.bench_store --callers 1 4 --seconds 0.2 --repeats 1 --files 100` is a smoke run.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from benchmarks.crew import run_crew
from benchmarks.job_rows import fill_state
from benchmarks.report import Report, Row
from benchmarks.slow_sync import environment_with_slow_syncs

PROCESSES = 4
PROCESS_CALLERS = 64
MEMORYD = "memoryd"
PEERS = ("apsw async", "trio.to_thread")
FLOOR = "floor"
FIGURES = {"requests/s": "rate", "p50 ms": "p50_ms", "p90 ms": "p90_ms", "p99 ms": "p99_ms", "CPU us/request": "cpu_us"}


@attrs.define
class Bench:
    """What was found so far, by name and figure."""

    template: Path
    scratch: Path
    seconds: float
    found: dict[tuple[str, str], list[float]] = attrs.field(factory=dict)

    def run(
        self,
        name: str,
        contender: str,
        callers: int,
        *,
        processes: int = 1,
        files: int = 0,
        beside: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run once, on a fresh copy of the database, and keep the figures under `name`; `beside` has none."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch)) / "state"
        shutil.copytree(self.template, folder)
        each = []
        for number in range(processes):
            callers_here = ["--callers", str(callers), "--first", str(number * callers)]
            each.append([contender, str(folder), *callers_here, "--seconds", str(self.seconds), "--files", str(files)])
        if beside is not None:
            each.append([beside, str(folder), "--seconds", str(self.seconds)])
        said = run_crew("benchmarks.store_child", each, environment=environment)[:processes]
        shutil.rmtree(folder.parent)
        for figure, key in FIGURES.items():
            self.found.setdefault((name, figure), []).append(_joined(said, key))
        print(f"{name}: {_joined(said, 'rate'):,.0f} requests/s", file=sys.stderr)


def _joined(said: list[dict[str, Any]], key: str) -> float:
    """Rates add up; of times the worst process counts."""
    if key == "rate":
        return float(sum(one["requests"] / one["seconds"] for one in said))
    return float(max(one[key] for one in said))


def measure(bench: Bench, options: argparse.Namespace, slow: Mapping[str, str] | None) -> None:
    """One repeat of everything."""
    for callers in options.callers:
        for contender in (MEMORYD, *PEERS):
            bench.run(f"{contender}, {callers} callers", contender, callers)
    bench.run(FLOOR, FLOOR, 64)
    for contender in (MEMORYD, "trio.to_thread"):
        bench.run(f"{contender}, 4 processes x 64 callers", contender, PROCESS_CALLERS, processes=PROCESSES)
    if slow is not None:
        for callers in (1, 64):
            for contender in (MEMORYD, *PEERS):
                bench.run(f"{contender}, {callers} callers, slow syncs", contender, callers, environment=slow)
    bench.run("floor, 1 caller", "floor, 1 caller", 1)
    bench.run("floor, 1 caller beside a bulk writer", "floor, 1 caller", 1, beside="bulk writer")
    bench.run("memoryd, 1 caller beside a backfill", "beside a backfill", 1, files=options.files)


def peer_of(name: str) -> str | None:
    """memoryd is compared with APSW, and everybody else with nobody; where that was not run, with the pool threads."""
    if name.endswith("backfill"):
        return "floor, 1 caller beside a bulk writer"
    if not name.startswith(MEMORYD):
        return None
    peer = "trio.to_thread" if " 1 callers" in name or "processes" in name else "apsw async"
    return name.replace(MEMORYD, peer, 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_store", description=__doc__)
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 4, 64, 512], help="how many ask at a time")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each run asks (default: 2)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is run (default: 3)")
    parser.add_argument("--files", type=int, default=20_000, help="sessions of the backfill (default: 20000)")
    parser.add_argument("--slow-ms", type=float, default=2.0, help="added to each sync in the slow runs (default: 2)")
    parser.add_argument("--folder", type=Path, default=None, help="on which disk (default: the temporary folder's)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def main() -> None:
    """Measure, and print what was found."""
    options = arguments()
    scratch = Path(tempfile.mkdtemp(prefix="bench-store-", dir=options.folder)).resolve()
    try:
        template = scratch / "template" / "state"
        fill_state(template, max(*options.callers, PROCESSES * PROCESS_CALLERS), running=True)
        slow = environment_with_slow_syncs(scratch, options.slow_ms)
        bench = Bench(template=template, scratch=scratch, seconds=options.seconds)
        for _ in range(options.repeats):
            measure(bench, options, slow)
    finally:
        shutil.rmtree(scratch)
    rows = [
        Row(name=name, figure=figure, values=values, peer=peer_of(name))
        for (name, figure), values in sorted(bench.found.items(), key=lambda item: list(FIGURES).index(item[0][1]))
    ]
    settings = {
        "seconds": options.seconds,
        "repeats": options.repeats,
        "durability": "WAL, synchronous=FULL, for all",
        "slow syncs": f"+{options.slow_ms} ms" if slow else "left out: no compiler here",
        "disk": os.fspath(options.folder or tempfile.gettempdir()),
    }
    report = Report(
        question="How many durable requests a second, and how long does each take?",
        settings=settings,
        rows=rows,
        packages=("trio", "apsw"),
    )
    report.show(as_json=options.json)


if __name__ == "__main__":
    main()
