"""How long until a history is indexed: the real Codex binary against memoryd, on the same files.

The rule: both start with no index and are timed from the start of the process until the index is complete. For Codex
that is the answer to `initialize`, which it gives after its start-up backfill; for memoryd the end of
`memoryd once --only backfill`. Repeats are interleaved, and a run that did not index every file is an error, not a
measurement. An empty home is timed in the same way, since it shows what starting alone costs.
"""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.corpus import build_corpus, genuine_templates
from benchmarks.side_by_side import (
    Contender,
    Run,
    compare,
    least_peak_rss_mib,
    measured,
    reaped,
    summary,
    table,
    times_as_long,
)
from config.version import VERSION
from tests.fakes.command import Memoryd
from tests.interop.codex import Codex, state_database
from tests.interop.installation import codex_binary

SECONDS_MAX = 3_600.0
"""A backfill that takes longer than this is given up."""

NO_MODEL_URL = "http://127.0.0.1:9/v1"
"""A backfill asks no model; nothing listens there."""


def run_codex(codex: Codex, threads: int) -> Run:
    """Time the start-up backfill of `codex app-server`, after deleting every database of the home."""
    for path in codex.home.glob("*.sqlite*"):
        path.unlink()
    began = time.perf_counter()
    with codex.app_server(codex.person) as server:
        server.initialize(seconds_max=SECONDS_MAX)
        seconds = time.perf_counter() - began
        with closing(sqlite3.connect(f"{state_database(codex.home).as_uri()}?mode=ro", uri=True)) as database:
            (status,) = database.execute("SELECT status FROM backfill_state").fetchone()
            (indexed,) = database.execute("SELECT count(*) FROM threads").fetchone()
        assert server.process.stdin is not None
        server.process.stdin.close()
        usage = reaped(server.process)
    if (status, indexed) != ("complete", threads):
        raise SystemExit(f"Codex indexed {indexed} of {threads} threads and called it {status}")
    return measured(seconds, usage)


def run_memoryd(memoryd: Memoryd, threads: int) -> Run:
    """Time `memoryd once --only backfill` with a state folder that does not exist yet."""
    began = time.perf_counter()
    process = subprocess.Popen(
        memoryd.arguments("once", "--only", "backfill", "--json"),
        cwd=memoryd.person,
        env=memoryd.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process:
        try:
            said = process.stdout.read()
            usage = reaped(process)
        finally:
            if process.poll() is None:
                process.kill()
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit(f"memoryd ended with {process.returncode}")
    indexed = json.loads(said)["backfill"]["indexed"]
    if indexed != threads:
        raise SystemExit(f"memoryd indexed {indexed} of {threads} threads")
    return measured(seconds, usage)


def contenders(binary: Path, scratch: Path) -> list[Contender]:
    """The two, both in bare environments with `scratch/person` as the home folder."""
    person = scratch / "person"
    person.mkdir()

    def codex(home: Path, threads: int) -> Run:
        return run_codex(Codex(binary=binary, home=home, person=person), threads)

    def memoryd(home: Path, threads: int) -> Run:
        with tempfile.TemporaryDirectory(dir=scratch) as state:
            return run_memoryd(Memoryd(codex_home=home, state_dir=Path(state) / "state", person=person), threads)

    return [Contender(name="codex", run=codex), Contender(name="memoryd", run=memoryd)]


def circumstances(binary: Path) -> dict[str, object]:
    """The machine and the versions that the figures are of."""
    codex = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    return {
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {
            "codex": codex.stdout.strip(),
            "memoryd": VERSION,
            "python": platform.python_version(),
        },
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_backfill", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000, help="how many rollouts (default: 1000)")
    parser.add_argument("--bytes", type=int, default=200_000, help="how large each is (default: 200000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed (default: 3)")
    parser.add_argument("--seed", type=int, default=1, help="which corpus (default: 1)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def main() -> None:
    """Build the homes, time both contenders on each, and print what was found."""
    options = arguments()
    binary = codex_binary()
    with tempfile.TemporaryDirectory(prefix="bench-backfill-") as folder:
        scratch = Path(folder).resolve()
        templates = genuine_templates(binary, scratch / "genuine")
        full = Codex.settle(binary, scratch / "full", NO_MODEL_URL).home
        empty = Codex.settle(binary, scratch / "empty", NO_MODEL_URL).home
        corpus_bytes = build_corpus(templates, full, files=options.files, bytes_each=options.bytes, seed=options.seed)
        both = contenders(binary, scratch)
        started = compare(both, empty, threads=0, repeats=options.repeats)
        filled = compare(both, full, threads=options.files, repeats=options.repeats)
    ratio = times_as_long(filled, slow="codex", fast="memoryd")
    if options.json:
        document = circumstances(binary) | {
            "corpus": {"files": options.files, "bytes": corpus_bytes, "seed": options.seed},
            "repeats": options.repeats,
            "empty_home": summary(started),
            "backfill": summary(filled),
            "codex_times_as_long": ratio,
            "least_peak_rss_mib": least_peak_rss_mib(),
        }
        print(json.dumps(document, indent=2))
    else:
        print(table("Start on an empty home", started), end="\n\n")
        print(table(f"Backfill of {options.files:,} rollouts, {corpus_bytes / 1e6:.0f} MB", filled))
        print(f"Codex takes {ratio} times as long as memoryd.")


if __name__ == "__main__":
    main()
