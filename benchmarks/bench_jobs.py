"""How many jobs a second are claimed and finished, durably? memoryd against the queues that Python people use.

The rule: jobs are there before the clock starts, four workers claim and finish them until none is left, every claim
and every finish is committed before its worker goes on, and all of them must be done in the end. Each run is a process
of its own on a fresh database, WAL with synchronous=FULL where the peer allows it; the report says what each has.
Peers: `pip install .[bench]`; what is missing is named and left out.
`python -m benchmarks.bench_jobs --jobs 200 --peer-jobs 20 --repeats 1` is a smoke run.
"""

import argparse
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import attrs

from benchmarks.crew import run_crew
from benchmarks.job_rows import fill_state
from benchmarks.jobs_child import PEERS, WAYS
from benchmarks.report import Report, Row
from benchmarks.slow_sync import environment_with_slow_syncs

WORKERS = 4
FIGURE = "jobs/s"
SMALLER = {"dbos": 10, "litequeue": 1}
"""A peer that is slow gets so many times fewer jobs."""


@attrs.define
class Bench:
    """The databases to copy, and what was found so far."""

    scratch: Path
    templates: dict[str, Path] = attrs.field(factory=dict)
    jobs: dict[str, int] = attrs.field(factory=dict)
    found: dict[str, list[float]] = attrs.field(factory=dict)
    cpu_us: dict[str, list[float]] = attrs.field(factory=dict)

    def run(
        self, contender: str, note: str = "", *, processes: int = 1, environment: Mapping[str, str] | None = None
    ) -> None:
        """Run once; with several processes each has one worker."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch)) / "work"
        shutil.copytree(self.templates[contender], folder)
        jobs = self.jobs[contender]
        arguments = [contender, str(folder), "--workers", str(WORKERS // processes), "--jobs", str(jobs)]
        said = run_crew("benchmarks.jobs_child", [arguments] * processes, environment=environment)
        shutil.rmtree(folder.parent)
        done = sum(int(one["jobs"]) for one in said)
        if done != jobs:
            raise SystemExit(f"{contender} did {done} of {jobs} jobs")
        rate = done / max(float(one["seconds"]) for one in said)
        self.found.setdefault(contender + note, []).append(rate)
        self.cpu_us.setdefault(contender + note, []).append(sum(one["cpu_us"] * one["jobs"] for one in said) / done)
        print(f"{contender}{note}: {rate:,.0f} jobs/s", file=sys.stderr)


def fill(bench: Bench, options: argparse.Namespace) -> list[str]:
    """Make the databases; the names of the peers that are not installed."""
    missing = []
    plain = bench.scratch / "memoryd"
    fill_state(plain, options.jobs)
    for way in WAYS:
        bench.templates[way], bench.jobs[way] = plain, options.jobs
    for name, peer in PEERS.items():
        try:
            importlib.metadata.version(peer.package)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        jobs = max(options.peer_jobs // SMALLER.get(name, 1), 1)
        folder = bench.scratch / name
        folder.mkdir()
        if peer.fill is not None:
            peer.fill(folder, jobs)
        bench.templates[name], bench.jobs[name] = folder, jobs
    return missing


def measure(bench: Bench, slow: Mapping[str, str] | None) -> None:
    """One repeat of everything."""
    for contender in bench.templates:
        bench.run(contender)
    for contender in bench.templates:
        if contender not in ("persist-queue", "dbos"):
            bench.run(contender, ", 4 processes", processes=WORKERS)
    if slow is not None:
        for contender in bench.templates:
            bench.run(contender, ", slow syncs", environment=slow)


def rows_of(bench: Bench) -> list[Row]:
    """memoryd's figures are compared with the best peer's of the same circumstances."""
    medians = {name: Row(name=name, figure=FIGURE, values=values).median for name, values in bench.found.items()}
    rows = []
    for name, values in bench.found.items():
        note = next((note for note in (", 4 processes", ", slow syncs") if name.endswith(note)), "")
        peers = [peer + note for peer in PEERS if peer + note in medians]
        best = max(peers, key=lambda peer: medians[peer], default=None)
        rows.append(Row(name=name, figure=FIGURE, values=values, peer=best if name.startswith("memoryd") else None))
    return rows + [Row(name=name, figure="CPU us/job", values=values) for name, values in bench.cpu_us.items()]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="of memoryd (default: 20000)")
    parser.add_argument("--peer-jobs", type=int, default=2_000, help="of each peer; dbos a tenth (default: 2000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is run (default: 3)")
    parser.add_argument("--slow-ms", type=float, default=2.0, help="added to each sync in the slow runs (default: 2)")
    parser.add_argument("--folder", type=Path, default=None, help="on which disk (default: the temporary folder's)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def main() -> None:
    """Measure, and print what was found."""
    options = arguments()
    scratch = Path(tempfile.mkdtemp(prefix="bench-jobs-", dir=options.folder)).resolve()
    try:
        bench = Bench(scratch=scratch)
        missing = fill(bench, options)
        slow = environment_with_slow_syncs(scratch, options.slow_ms)
        for _ in range(options.repeats):
            measure(bench, slow)
    finally:
        shutil.rmtree(scratch)
    installed = [name for name in PEERS if name not in missing]
    settings = {
        "jobs": options.jobs,
        "peer jobs": options.peer_jobs,
        "repeats": options.repeats,
        "durability of memoryd": "WAL, FULL",
        **{f"durability of {name}": PEERS[name].durability for name in installed},
        "not installed": missing,
        "slow syncs": f"+{options.slow_ms} ms" if slow else "left out: no compiler here",
        "disk": os.fspath(options.folder or tempfile.gettempdir()),
    }
    report = Report(
        question="How many jobs a second are claimed and finished, durably, by four workers?",
        settings=settings,
        rows=rows_of(bench),
        packages=["trio", "apsw", *(PEERS[name].package for name in installed)],
    )
    report.show(as_json=options.json)
    if missing and not options.json:
        print(f"not installed, so not measured: {', '.join(missing)}")


if __name__ == "__main__":
    main()
