"""Killing a run at many points, and judging each time what the next process made of what was left."""

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from chaos.figures import percentile, two_columns
from chaos.fleet import checks
from chaos.fleet.place import Place, temporary_folder
from chaos.fleet.services import ROOT
from chaos.fleet.workload import Workload
from chaos.points.child import PHASES

STEPS = 40
"""Steps of the workload: some dozen sessions in four projects."""

RUN_SECONDS_MAX = 120.0

READY_SECONDS_WANTED = 1.0
"""What a start after a kill is to stay below. It depends on the machine, so it is counted and is no violation."""

PUBLISHED = ("memories", "memories_v2")
"""What publishing makes in a Codex home; taken away between two trials."""


class PointsError(Exception):
    """A run that nobody killed did not work; nothing can be judged then."""


@attrs.frozen(kw_only=True)
class Point:
    """Just before the number-th statement or file call of a phase, counted from 1."""

    phase: str
    number: int


@attrs.frozen(kw_only=True)
class Trial:
    """What became of one kill. ready_seconds: of the next process, from its being started to its being ready."""

    point: Point
    was_killed: bool
    ready_seconds: float
    violations: tuple[str, ...]


@attrs.frozen(kw_only=True)
class PointsReport:
    """All trials. points: how many there are in each phase of a run that nobody kills."""

    seed: int
    sessions: int
    points: dict[str, int]
    trials: tuple[Trial, ...]
    start_seconds: float
    seconds: float

    @property
    def killed(self) -> int:
        """How many runs were really killed."""
        return sum(one.was_killed for one in self.trials)

    @property
    def violations(self) -> tuple[str, ...]:
        """What was wrong, with the point at which it was killed."""
        return tuple(
            f"killed at {one.point.phase} {one.point.number}: {violation}"
            for one in self.trials
            for violation in one.violations
        )

    def ready_percentile(self, share: float) -> float:
        """How long starts after a kill took: the value that this share of them stays below."""
        return percentile([one.ready_seconds for one in self.trials], share)

    @property
    def late(self) -> int:
        """How many starts after a kill took longer than READY_SECONDS_WANTED."""
        return sum(one.ready_seconds > READY_SECONDS_WANTED for one in self.trials)


def choose(points: dict[str, int], wanted: int) -> list[Point]:
    """So many points, evenly over each phase, at least one of each; all of them where there are fewer."""
    chosen: list[Point] = []
    for phase, count in points.items():
        share = min(count, max(1, math.ceil(wanted / len(points))))
        chosen += [Point(phase=phase, number=1 + index * count // share) for index in range(share)]
    return chosen


def conduct(*, seed: int, wanted: int, workers: int, say: Callable[[str], None], steps: int = STEPS) -> PointsReport:
    """Kill at `wanted` points; everything that was started has ended when this returns.

    Raises:
      PointsError: a run without a kill failed.
    """
    began = time.monotonic()
    with temporary_folder("memoryd-points-") as root:
        places = [_prepare(root / f"worker-{number}", seed, steps) for number in range(workers)]
        clean = [_run(place, Point(phase="-", number=0)) for place in places]
        if any(one.words is None for one in clean):
            raise PointsError("a run that nobody killed did not end well")
        for place in places:
            os.rename(place.state_dir, place.clean_state_dir)
            _take_away_published(place)
        assert clean[0].words is not None
        points: dict[str, int] = clean[0].words["points"]
        todo = choose(points, wanted)
        say(f"{sum(points.values())} points, killing at {len(todo)} of them")
        trials = _in_parallel(places, todo, say)
        sessions = len(list(places[0].codex_home.glob("**/rollout-*.jsonl")))
        return PointsReport(
            seed=seed,
            sessions=sessions,
            points=points,
            trials=tuple(trials),
            start_seconds=min(one.ready_seconds for one in clean),
            seconds=time.monotonic() - began,
        )


def _prepare(root: Path, seed: int, steps: int) -> Place:
    place = Place(root=root)
    place.make()
    at_ms = 1_790_000_000_000
    clock = iter(range(at_ms, at_ms + 1_000_000_000, 977))
    workload = Workload(
        codex_home=place.codex_home, rng=random.Random(seed), now_ms=lambda: next(clock), stamps_files=True
    )
    for _ in range(steps):
        workload.step()
    workload.finish()
    return place


def _in_parallel(places: Sequence[Place], todo: Sequence[Point], say: Callable[[str], None]) -> list[Trial]:
    free = list(places)
    lock = threading.Lock()
    done = 0

    def one(point: Point) -> Trial:
        nonlocal done
        with lock:
            place = free.pop()
        try:
            return _trial(place, point)
        finally:
            with lock:
                free.append(place)
                done += 1
                if done % 50 == 0:
                    say(f"{done} of {len(todo)}")

    with ThreadPoolExecutor(len(places), thread_name_prefix="points") as pool:
        return list(pool.map(one, todo))


def _trial(place: Place, point: Point) -> Trial:
    killed = _run(place, point)
    after = _run(place, Point(phase="-", number=0))
    violations = []
    if after.words is None:
        violations.append(f"the next process ended with {after.code}: {after.error}")
    else:
        database = place.state_dir / "state.sqlite"
        violations += checks.check_rows(database)
        violations += checks.check_files(place.state_dir)
        violations += checks.unsettled(database)
        violations += checks.compare(database, place.clean_state_dir / "state.sqlite", dead=set())
        violations += _published_differently(place)
    trial = Trial(
        point=point,
        was_killed=killed.code == -signal.SIGKILL,
        ready_seconds=after.ready_seconds,
        violations=tuple(violations),
    )
    shutil.rmtree(place.state_dir)
    _take_away_published(place)
    return trial


def _published_differently(place: Place) -> list[str]:
    """What the home was given is what the state folder has: no half file, nothing left over."""
    violations = []
    for name in PUBLISHED:
        folder = place.codex_home / name
        if not folder.is_dir():
            continue
        summary = folder / "memory_summary.md"
        ours = place.state_dir / "memories" / "memory_summary.md"
        if not summary.is_file() or summary.read_bytes() != ours.read_bytes():
            violations.append(f"{summary} is not what was published")
        violations += [f"{path} was left over" for path in folder.rglob(".*") if path.is_file()]
    if not any((place.codex_home / name).is_dir() for name in PUBLISHED):
        violations.append("nothing was published into the home")
    return violations


def _take_away_published(place: Place) -> None:
    for name in PUBLISHED:
        shutil.rmtree(place.codex_home / name, ignore_errors=True)


@attrs.frozen(kw_only=True)
class _Ended:
    code: int
    words: "dict[str, dict[str, int]] | None"
    ready_seconds: float
    error: str


def _run(place: Place, point: Point) -> _Ended:
    started_at = time.monotonic()
    # The child ends when its stdin does, so that it does not outlive this process.
    reading, writing = os.pipe()
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "chaos.points.child", str(place.root), point.phase, str(point.number)],
            cwd=ROOT,
            stdin=reading,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS_MAX,
            check=False,
        )
    finally:
        os.close(reading)
        os.close(writing)
    words = json.loads(ended.stdout) if ended.returncode == 0 else None
    ready_seconds = words["ready_at"] - started_at if words is not None else math.inf
    error = ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else ""
    return _Ended(code=ended.returncode, words=words, ready_seconds=ready_seconds, error=error)


def as_table(report: PointsReport) -> str:
    """The report as lines for a terminal."""
    points = ", ".join(f"{count} of {phase}" for phase, count in report.points.items())
    by_phase = {phase: sum(one.was_killed for one in report.trials if one.point.phase == phase) for phase in PHASES}
    rows = [
        ("sessions", str(report.sessions)),
        ("points of a whole run", points),
        ("killed at", ", ".join(f"{count} of {phase}" for phase, count in by_phase.items()) + f": {report.killed}"),
        ("ready after a kill, p50, p99, max", ", ".join(f"{report.ready_percentile(x):.2f} s" for x in (0.5, 0.99, 1))),
        (f"of these later than {READY_SECONDS_WANTED:g} s", f"{report.late} of {len(report.trials)}"),
        ("ready without one", f"{report.start_seconds:.2f} s"),
        ("whole run", f"{report.seconds:.0f} s"),
        ("end states that differ", str(len(set(report.violations)))),
    ]
    return "\n".join([*two_columns(rows), *(f"VIOLATION: {violation}" for violation in report.violations)])
