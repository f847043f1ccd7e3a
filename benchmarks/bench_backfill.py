"""How long until a history is indexed: the real Codex binary against memoryd, above the floor, on the same files.

The rule: all start with no index and are timed from the start of the process until the index is complete. For Codex
that is the answer to `initialize`, which it gives after its start-up backfill; for memoryd the end of
`memoryd once --only backfill`; the floor (benchmarks.floor) reads the same bytes and makes nothing of them. Repeats are
interleaved, and a run that did not index every file is an error, not a measurement. An empty home is timed in the same
way, since it shows what starting alone costs.
"""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import attrs

from benchmarks.corpus import build_corpus, build_large, genuine_templates
from benchmarks.floor import READ
from benchmarks.report import Report, Row
from benchmarks.side_by_side import Contender, Run, compare, least_peak_rss_mib, measured, reaped
from benchmarks.tree_memory import TreePeak
from config.version import VERSION
from tests.fakes.command import Memoryd
from tests.interop.codex import Codex, state_database
from tests.interop.installation import codex_binary

SECONDS_MAX = 3_600.0
"""A backfill that takes longer than this is given up."""

NO_MODEL_URL = "http://127.0.0.1:9/v1"
"""A backfill asks no model; nothing listens there."""

CORPORA = {"200k": (1_000, 200_000), "25k": (10_000, 25_000), "2gb": (1, 2_000_000_000), "2k100": (100_000, 2_000)}
"""How many rollouts of how many bytes each."""

BRIEF_BELOW_BYTES = 10_000
"""Smaller rollouts are clones of a session with nothing but what was said; a whole turn takes 17 kB."""

LARGE_FROM_BYTES = 100_000_000
"""Larger ones are one session's turns, over and over."""

WHOLE, WORK, CPU, PEAK = "seconds, whole process", "seconds, the work alone", "CPU seconds", "peak MiB, all processes"


@attrs.frozen(kw_only=True)
class Indexed(Run):
    """One run. work_seconds: without starting and stopping, where somebody tells; tree_peak_mib: with all children."""

    work_seconds: float | None
    tree_peak_mib: float


def indexed(run: Run, peak: TreePeak, work_seconds: float | None = None) -> Indexed:
    """The figures of one run together."""
    return Indexed(**attrs.asdict(run), work_seconds=work_seconds, tree_peak_mib=max(peak.mib, run.peak_rss_mib))


def run_codex(codex: Codex, threads: int) -> Indexed:
    """Time the start-up backfill of `codex app-server`, after deleting every database of the home."""
    for path in codex.home.glob("*.sqlite*"):
        path.unlink()
    began = time.perf_counter()
    with codex.app_server(codex.person) as server, TreePeak(server.process.pid) as peak:
        server.initialize(seconds_max=SECONDS_MAX)
        seconds = time.perf_counter() - began
        with closing(sqlite3.connect(f"{state_database(codex.home).as_uri()}?mode=ro", uri=True)) as database:
            (status,) = database.execute("SELECT status FROM backfill_state").fetchone()
            (count,) = database.execute("SELECT count(*) FROM threads").fetchone()
        assert server.process.stdin is not None
        server.process.stdin.close()
        usage = reaped(server.process)
    if (status, count) != ("complete", threads):
        raise SystemExit(f"Codex indexed {count} of {threads} threads and called it {status}")
    return indexed(measured(seconds, usage), peak)


def run_memoryd(memoryd: Memoryd) -> tuple[Indexed, dict[str, float]]:
    """Time `memoryd once --only backfill`; also what it says of the backfill."""
    arguments = memoryd.arguments("once", "--only", "backfill", "--json")
    run, peak, said = run_process(arguments, cwd=memoryd.person, environment=memoryd.environment())
    backfill = json.loads(said)["backfill"]
    return indexed(run, peak, backfill["seconds"]), backfill


def run_floor(program: str, home: Path) -> tuple[Indexed, int]:
    """Time one of the programs of benchmarks.floor; also how many files it met."""
    run, peak, said = run_process([sys.executable, "-I", "-S", "-c", program, str(home)])
    files, _lines, seconds = said.split()
    return indexed(run, peak, float(seconds)), int(files)


def run_process(
    arguments: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Run, TreePeak, bytes]:
    """Run a process to its end: its figures, its memory, and what it said.

    Raises:
      SystemExit: it failed.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        arguments, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, TreePeak(process.pid) as peak:
        try:
            said, complained = process.stdout.read(), process.stderr.read()
            usage = reaped(process)
        finally:
            if process.poll() is None:
                process.kill()
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit(
            f"{arguments[0]} ended with {process.returncode}: {complained.decode(errors='replace')[-500:]}"
        )
    return measured(seconds, usage), peak, said


Runs = dict[str, list[Indexed]]


def contenders(names: Sequence[str], binary: Path, scratch: Path, runs: Runs) -> list[Contender]:
    """Those with these names, in bare environments with `scratch/person` as the home folder; `runs` gets their runs."""
    person = scratch / "person"
    person.mkdir(exist_ok=True)

    def codex(home: Path, threads: int) -> Indexed:
        return run_codex(Codex(binary=binary, home=home, person=person), threads)

    def memoryd(home: Path, threads: int) -> Indexed:
        with tempfile.TemporaryDirectory(dir=scratch) as state:
            run, said = run_memoryd(Memoryd(codex_home=home, state_dir=Path(state) / "state", person=person))
        if said["indexed"] != threads:
            raise SystemExit(f"memoryd indexed {said['indexed']} of {threads} threads")
        return run

    def floor(home: Path, threads: int) -> Indexed:
        run, files = run_floor(READ, home)
        if files != threads:
            raise SystemExit(f"the floor met {files} of {threads} files")
        return run

    def kept(name: str, run: Callable[[Path, int], Indexed]) -> Callable[[Path, int], Run]:
        def run_and_keep(home: Path, threads: int) -> Run:
            one = run(home, threads)
            runs.setdefault(name, []).append(one)
            return one

        return run_and_keep

    known = {"codex": codex, "memoryd": memoryd, "floor": floor}
    return [Contender(name=name, run=kept(name, known[name])) for name in names]


def rows(runs: Runs, prefix: str = "") -> list[Row]:
    """The figures: memoryd's beside those of Codex, and its work beside the floor."""

    def row(name: str, figure: str, values: list[float], peer: str) -> Row:
        has_peer = name == "memoryd" and peer in runs
        return Row(name=prefix + name, figure=figure, values=values, peer=prefix + peer if has_peer else None)

    found = [row(name, WHOLE, [run.seconds for run in taken], "codex") for name, taken in runs.items()]
    found += [
        row(name, WORK, [run.work_seconds for run in taken if run.work_seconds is not None], "floor")
        for name, taken in runs.items()
        if name != "codex"
    ]
    found += [row(name, CPU, [run.cpu_seconds for run in taken], "codex") for name, taken in runs.items()]
    found += [row(name, PEAK, [run.tree_peak_mib for run in taken], "codex") for name, taken in runs.items()]
    return found


def circumstances(binary: Path) -> dict[str, object]:
    """The machine and the versions that the figures are of."""
    return {
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {
            "codex": codex_version(binary),
            "memoryd": VERSION,
            "python": platform.python_version(),
        },
    }


def codex_version(binary: Path) -> str:
    """What the binary calls itself."""
    return subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_backfill", description=__doc__)
    parser.add_argument(
        "--corpus", choices=CORPORA, default="200k", help="how many rollouts, how large (default: 200k)"
    )
    parser.add_argument("--files", type=int, help="how many rollouts, instead of the corpus's own number")
    parser.add_argument("--bytes", type=int, help="how large each is, instead of the corpus's own size")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="which corpus (default: 1)")
    parser.add_argument(
        "--only", nargs="+", choices=("codex", "memoryd", "floor"), default=("codex", "memoryd", "floor")
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def fill(binary: Path, scratch: Path, home: Path, *, files: int, bytes_each: int, seed: int) -> int:
    """Write the corpus into `home`; answer how many bytes it has."""
    templates = genuine_templates(binary, scratch / "genuine")
    if bytes_each >= LARGE_FROM_BYTES:
        if files != 1:
            raise SystemExit("of rollouts that large there is only one in a corpus")
        return build_large(templates[0], home, bytes_wanted=bytes_each, seed=seed)
    if bytes_each < BRIEF_BELOW_BYTES:
        templates = (templates[0].brief(), templates[1].brief())
    return build_corpus(templates, home, files=files, bytes_each=bytes_each, seed=seed)


def main() -> None:
    """Build the homes, time the contenders on each, and print what was found."""
    options = arguments()
    files, bytes_each = CORPORA[options.corpus]
    files, bytes_each = options.files or files, options.bytes or bytes_each
    binary = codex_binary()
    started: Runs = {}
    filled: Runs = {}
    with tempfile.TemporaryDirectory(prefix="bench-backfill-") as folder:
        scratch = Path(folder).resolve()
        full = Codex.settle(binary, scratch / "full", NO_MODEL_URL).home
        empty = Codex.settle(binary, scratch / "empty", NO_MODEL_URL).home
        corpus_bytes = fill(binary, scratch, full, files=files, bytes_each=bytes_each, seed=options.seed)
        compare(contenders(options.only, binary, scratch, started), empty, threads=0, repeats=options.repeats)
        compare(contenders(options.only, binary, scratch, filled), full, threads=files, repeats=options.repeats)
    Report(
        question=f"How long until {files:,} rollouts of {corpus_bytes / 1e6:,.0f} MB are indexed?",
        settings={
            "files": files,
            "bytes": corpus_bytes,
            "repeats": options.repeats,
            "seed": options.seed,
            "least_peak_mib_of_one_process": least_peak_rss_mib(),
        },
        rows=[*rows(filled), *rows(started, "empty home: ")],
        versions={"codex": codex_version(binary)},
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
