"""How long until what is written is in the index: `memoryd run` beside writers, heard of and looked for.

The rule: the delay of an append runs from the moment at which the file had its new size to the moment at which the
index's row shows that size, or a greater one, read. Both are polled every millisecond or so from outside. The same
writers are followed by a service that hears of changes and by one that only looks every second; an append that never
shows is an error, not a measurement. The burst is measured inside one process, where a small request can be timed.
"""

import argparse
import json
import logging
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import structlog
import trio

from benchmarks.bench_backfill import circumstances
from benchmarks.delays import Sighting, Writing, delays, figures, table
from config import Settings
from state.folder import StateFolder, prepare
from state.ids import OwnershipToken
from state.messages.backfill import GetBackfillState
from state.messages.extraction import RenewExtraction
from state.store import open_store
from tests.fakes.codex_home import CodexHome, RolloutFile
from tests.fakes.command import Memoryd, wait_for_event
from tests.fakes.model_server import Say, fake_model_server, run
from tests.interop.codex import Codex
from tests.interop.installation import codex_binary
from workers import backfill

POLL_SECONDS = 0.001
SECONDS_MAX = 600.0
"""Whatever takes longer than this is given up."""

LINE = "Please look at this again, and tell me what has changed. " * 4
FOLLOWERS = {
    "hears": ("--set", "backfill.watch=true"),
    "looks every second": ("--set", "backfill.watch=false", "--set", "backfill.rescan_seconds=1"),
}


class IndexPoller:
    """Looks at the index's rows again and again, in a thread of its own, and notes what is read of each file."""

    def __init__(self, state_dir: Path) -> None:
        self._database = state_dir / "state.sqlite"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="index poller")
        self.seen: dict[str, Sighting] = {}

    def __enter__(self) -> "IndexPoller":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=30)) as database:
            # What stood there before is not of this measurement; and of what comes only the changed rows are read.
            (since,) = database.execute("SELECT coalesce(max(read_at_ms), 0) FROM rollout_files").fetchone()
            version = None
            while not self._stop.wait(POLL_SECONDS):
                (now,) = database.execute("PRAGMA data_version").fetchone()
                if now == version:
                    continue
                version = now
                rows = database.execute(
                    "SELECT path, offset_bytes FROM rollout_files WHERE status = 'indexed' AND read_at_ms >= ?",
                    (since,),
                ).fetchall()
                at = time.perf_counter()
                for path, offset in rows:
                    self.seen.setdefault(path, Sighting()).note(offset, at)

    def wait_for(self, path: str, size: int) -> None:
        """Wait until a file has been read up to `size`."""
        give_up_at = time.monotonic() + SECONDS_MAX
        while path not in self.seen or self.seen[path].offsets[-1][0] < size:
            if time.monotonic() > give_up_at:
                raise SystemExit(f"{path} was never read up to {size} bytes")
            time.sleep(0.01)


@contextmanager
def following(
    home: CodexHome, state_dir: Path, person: Path, options: tuple[str, ...], *, is_indexed: bool
) -> Iterator[IndexPoller]:
    """A service that has indexed what there is and now follows; or that has just begun to."""
    memoryd = Memoryd(codex_home=home.path, state_dir=state_dir, person=person)
    if is_indexed:
        memoryd.ask("once", "--only", "backfill")
    # Sessions are not extracted meanwhile: they are never idle for so long.
    with memoryd.running("run", "--set", "extraction.min_rollout_idle_hours=8000", *options) as service:
        wait_for_event(service, "watching" if "backfill.watch=true" in options else "ready")
        if is_indexed:
            time.sleep(1)  # until what it looks at once at the start is done
        with IndexPoller(state_dir) as poller:
            yield poller


def with_history(folder: Path, files: int) -> CodexHome:
    """A home with so many short sessions, of the last years."""
    home = CodexHome(path=folder)
    (folder / "sessions").mkdir(parents=True)
    (folder / "archived_sessions").mkdir()
    for number in range(files):
        rollout = home.session(hours_ago=24 + number * 2)
        rollout.user(f"task {number}")
        rollout.assistant(LINE * 4)
    return home


def append_at_a_rate(home: CodexHome, poller: IndexPoller, *, files: int, rate: float, seconds: float) -> list[float]:
    """Append lines to several files in turn, `rate` of them a second; answer the delay of each."""
    rollouts: list[RolloutFile] = [home.session(hours_ago=number / 60) for number in range(files)]
    writings = [Writing() for _ in rollouts]
    began = time.perf_counter()
    for number in range(round(rate * seconds)):
        time.sleep(max(began + number / rate - time.perf_counter(), 0))
        rollout = rollouts[number % files]
        rollout.user(LINE)
        size = rollout.path.stat().st_size
        writings[number % files].sizes.append((size, time.perf_counter()))
    found: list[float] = []
    for rollout, writing in zip(rollouts, writings, strict=True):
        path = str(rollout.path.relative_to(home.path))
        poller.wait_for(path, writing.sizes[-1][0])
        found += delays(writing, poller.seen[path])
    return found


def run_codex(codex: Codex, poller: IndexPoller, prompt: str) -> list[float]:
    """Let the real binary do one turn of many steps, and watch the size of its rollout; answer the delays."""
    before = set(codex.home.glob("sessions/*/*/*/rollout-*.jsonl"))
    writing = Writing()
    rollout: Path | None = None
    folder = codex.home / "sessions" / time.strftime("%Y/%m/%d", time.gmtime())
    with subprocess.Popen(
        [codex.binary, "exec", "--json", "--skip-git-repo-check", prompt],
        cwd=codex.person,
        env=codex.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as turn:
        try:
            is_over = False
            while not is_over:
                is_over = turn.poll() is not None  # and then once more, for what it wrote last
                if rollout is None:
                    rollout = next(iter(set(folder.glob("rollout-*.jsonl")) - before), None)
                elif (size := rollout.stat().st_size) > (writing.sizes[-1][0] if writing.sizes else 0):
                    writing.sizes.append((size, time.perf_counter()))
                time.sleep(POLL_SECONDS)
        finally:
            turn.kill()
    if turn.returncode != 0 or rollout is None:
        raise SystemExit(f"codex exec ended with {turn.returncode}")
    path = str(rollout.relative_to(codex.home))
    poller.wait_for(path, writing.sizes[-1][0])
    return delays(writing, poller.seen[path])


@attrs.frozen(kw_only=True)
class Burst:
    """Seconds from the first file until all are indexed, and how long a small request took before and meanwhile."""

    created_seconds: float
    indexed_seconds: float
    quiet: list[float]
    meanwhile: list[float]


async def burst_of(files: int, history: int, scratch: Path) -> Burst:
    """Have another process put many files into the home at once; the service's worker runs in this process."""
    home = with_history(scratch / "burst-home", history)
    staged = with_history(scratch / "burst-files", files)
    folder = StateFolder(path=scratch / "burst-state")
    prepare(folder)
    settings = attrs.evolve(Settings(), backfill=attrs.evolve(Settings().backfill, rescan_seconds=3_600))
    times: list[float] = []
    async with open_store(folder, str(home.path)) as handle, trio.open_nursery() as nursery:

        async def ask_small_requests() -> None:
            nobody = RenewExtraction(token=OwnershipToken("nobody's"), lease_ms=1)
            while True:
                asked_at = time.perf_counter()
                await handle.ask(nobody)
                times.append(time.perf_counter() - asked_at)
                await trio.sleep(0.002)

        async def until_indexed(count: int) -> None:
            with trio.fail_after(SECONDS_MAX):
                while True:
                    state = await handle.ask(GetBackfillState())
                    if state.owner is None and state.files_by_status.get("indexed", 0) == count:
                        return
                    await trio.sleep(0.01)

        nursery.start_soon(backfill.serve, handle, home.path, settings)
        await until_indexed(history)
        await trio.sleep(2)
        nursery.start_soon(ask_small_requests)
        await trio.sleep(3)
        quiet = times.copy()
        times.clear()
        began = time.perf_counter()
        await trio.run_process(["cp", "-R", f"{staged.path}/sessions", str(home.path / "sessions" / "burst")])
        created_seconds = time.perf_counter() - began
        await until_indexed(history + files)
        burst = Burst(
            created_seconds=created_seconds,
            indexed_seconds=time.perf_counter() - began,
            quiet=quiet,
            meanwhile=times.copy(),
        )
        nursery.cancel_scope.cancel()
    return burst


@attrs.frozen(kw_only=True)
class Follower:
    """A service with some settings, and the folder in which everything of it is kept."""

    settings: tuple[str, ...]
    place: Path

    def delays_of(
        self,
        label: str,
        history: int,
        work: Callable[[CodexHome, IndexPoller], list[float]],
        *,
        is_indexed: bool = True,
    ) -> list[float]:
        """Let a writer work in a home of its own while it is followed; answer the delays."""
        root = self.place / label.replace(" ", "-").replace(",", "")
        home = with_history(root / "codex-home", history)
        with following(home, root / "state", self.place / "person", self.settings, is_indexed=is_indexed) as poller:
            return work(home, poller)


def measure(follower: Follower, options: argparse.Namespace, binary: Path) -> dict[str, list[float]]:
    """By writer: the delays."""

    def appender(home: CodexHome, poller: IndexPoller) -> list[float]:
        return append_at_a_rate(home, poller, files=options.files, rate=options.rate, seconds=options.seconds)

    found = {}
    for history in sorted({0, options.history}):
        label = f"appender, history of {history}"
        found[label] = follower.delays_of(label, history, appender)
    # About two thousand are indexed a second, so the appender ends before the history does.
    label = f"appender, while {options.backlog} are indexed"
    found[label] = follower.delays_of(
        label,
        options.backlog,
        lambda home, poller: append_at_a_rate(
            home, poller, files=options.files, rate=options.rate, seconds=options.backlog / 4_000
        ),
        is_indexed=False,
    )
    with fake_model_server() as model:
        steps = [run(f"echo {number}; sleep 0.05") for number in range(options.steps)]
        prompt = model.script("Count to the end", *steps, Say("Counted."))

        def turn(home: CodexHome, poller: IndexPoller) -> list[float]:
            codex = Codex(binary=binary, home=home.path, person=follower.place / "person")
            codex.configure(model.url)
            return run_codex(codex, poller, prompt)

        found["codex exec"] = follower.delays_of("codex exec", 0, turn)
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_follow", description=__doc__)
    parser.add_argument("--steps", type=int, default=60, help="steps of the turn of codex exec (default: 60)")
    parser.add_argument("--files", type=int, default=4, help="files that are appended to in turn (default: 4)")
    parser.add_argument("--rate", type=float, default=20, help="appends a second, over all of them (default: 20)")
    parser.add_argument("--seconds", type=float, default=20, help="how long the appender writes (default: 20)")
    parser.add_argument("--history", type=int, default=5_000, help="sessions that are there before (default: 5000)")
    parser.add_argument("--backlog", type=int, default=20_000, help="sessions of a first indexing (default: 20000)")
    parser.add_argument("--burst", type=int, default=5_000, help="files that appear at once (default: 5000)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def main() -> None:
    """Measure, and print what was found."""
    options = arguments()
    binary = codex_binary()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    scratch = Path(tempfile.mkdtemp(prefix="bench-follow-")).resolve()
    try:
        measured = [
            measure(Follower(settings=settings, place=scratch / name.replace(" ", "-")), options, binary)
            for name, settings in FOLLOWERS.items()
        ]
        burst = trio.run(burst_of, options.burst, options.history, scratch)
    finally:
        shutil.rmtree(scratch)
    hears, looks = ({label: figures(found) for label, found in writers.items()} for writers in measured)
    ratios = {
        label: {name: round(looks[label][name] / hears[label][name], 1) for name in ("p50_ms", "p99_ms")}
        for label in hears
    }
    requests = {"quiet": figures(burst.quiet), "during the burst": figures(burst.meanwhile)}
    if options.json:
        document = circumstances(binary) | {
            "options": vars(options),
            "hears": hears,
            "looks_every_second": looks,
            "looking_times_as_long": ratios,
            "burst": {
                "files": options.burst,
                "created_seconds": round(burst.created_seconds, 3),
                "indexed_seconds": round(burst.indexed_seconds, 3),
                "small_requests": requests,
            },
        }
        print(json.dumps(document, indent=2))
        return
    print(table("From an append to its row: the service hears of changes", hears), end="\n\n")
    print(table("The same writers: the service looks every second", looks), end="\n\n")
    for label, ratio in ratios.items():
        print(f"{label}: looking takes {ratio['p50_ms']} times as long at the median, {ratio['p99_ms']} at p99")
    print(
        f"\n{options.burst:,} files at once beside {options.history:,}: created in {burst.created_seconds:.2f} s,"
        f" all indexed after {burst.indexed_seconds:.2f} s"
    )
    print(table("A small request to the store (a renewal that is refused)", requests))


if __name__ == "__main__":
    main()
