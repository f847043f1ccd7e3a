"""How long until memoryd knows that nothing has changed, or that one file has: long histories that are indexed already.

The rule: the same home is scanned again and again by `memoryd once --only backfill`, with the index that it has; the
floor is one walk over the home with a `stat` of every file. An append must cost the bytes that were appended and no
others, or the run is an error.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench_backfill import CPU, NO_MODEL_URL, PEAK, WHOLE, WORK, Indexed, fill, run_floor, run_memoryd
from benchmarks.floor import STAT
from benchmarks.report import Report, Row, growth
from tests.fakes.command import Memoryd
from tests.interop.codex import Codex
from tests.interop.installation import codex_binary

LINE = (
    b'{"timestamp":"2026-01-01T00:00:00.000Z","type":"event_msg","payload":{"type":"agent_message","message":"ok"}}\n'
)


def rescans(home: Path, scratch: Path, *, files: int, repeats: int) -> dict[str, list[Indexed]]:
    """Index the home, then time each way to scan it again, in turn."""
    memoryd = Memoryd(codex_home=home, state_dir=scratch / "state", person=scratch / "person")
    first, said = run_memoryd(memoryd)
    _expect(said["indexed"], files, "indexed at first")
    appended = next(iter(sorted(home.glob("sessions/**/rollout-*.jsonl"))))

    def unchanged() -> Indexed:
        run, said = run_memoryd(memoryd)
        _expect(said["unchanged"], files, "unchanged")
        return run

    def one_append() -> Indexed:
        with open(appended, "ab") as file:
            file.write(LINE)
        run, said = run_memoryd(memoryd)
        _expect(said["indexed"], 1, "indexed after the append")
        _expect(said["bytes"], len(LINE), "bytes read")
        return run

    def floor() -> Indexed:
        run, met = run_floor(STAT, home)
        _expect(met, files, "met by the floor")
        return run

    ways: dict[str, Callable[[], Indexed]] = {"unchanged": unchanged, "one append": one_append, "floor": floor}
    runs: dict[str, list[Indexed]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name in list(ways) if repeat % 2 == 0 else reversed(list(ways)):
            runs[name].append(ways[name]())
    return {"first time": [first]} | runs


def _expect(found: float, wanted: float, what: str) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found} instead of {wanted}")


def rows(runs: dict[str, list[Indexed]], files: int) -> list[Row]:
    """The figures of one home, beside the floor's."""
    found = []
    for figure, value in (
        (WHOLE, lambda run: run.seconds),
        (WORK, lambda run: run.work_seconds),
        (CPU, lambda run: run.cpu_seconds),
        (PEAK, lambda run: run.tree_peak_mib),
    ):
        for name, taken in runs.items():
            peer = None if name == "floor" else f"{files:,} files: floor"
            found.append(Row(name=f"{files:,} files: {name}", figure=figure, values=list(map(value, taken)), peer=peer))
    return found


def main() -> None:
    """Build a home of each size, scan it again, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_rescan", description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000], help="how many (10000 100000)")
    parser.add_argument("--bytes", type=int, default=2_000, help="how large each is (default: 2000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="which corpus (default: 1)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    options = parser.parse_args()
    binary = codex_binary()
    found: list[Row] = []
    for files in options.files:
        with tempfile.TemporaryDirectory(prefix="bench-rescan-") as folder:
            scratch = Path(folder).resolve()
            home = Codex.settle(binary, scratch / "home", NO_MODEL_URL).home
            fill(binary, scratch, home, files=files, bytes_each=options.bytes, seed=options.seed)
            (scratch / "person").mkdir()
            found += rows(rescans(home, scratch, files=files, repeats=options.repeats), files)
    medians = {
        files: next(row.median for row in found if (row.name, row.figure) == (f"{files:,} files: unchanged", WORK))
        for files in options.files
    }
    Report(
        question="How long until it is known that nothing has changed, or one file has?",
        settings={"files": options.files, "bytes": options.bytes, "repeats": options.repeats, "seed": options.seed},
        rows=found,
        growth=[growth("unchanged", WORK, medians)] if len(medians) > 1 else [],
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
