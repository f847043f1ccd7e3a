"""Contenders take turns, and their runs are summed up by medians."""

import subprocess
import sys
from pathlib import Path

from benchmarks.side_by_side import Contender, Run, compare, measured, reaped, spread, summary, table, times_as_long


def _run(seconds: float, peak_rss_mib: float = 50.0) -> Run:
    return Run(seconds=seconds, cpu_seconds=seconds / 2, peak_rss_mib=peak_rss_mib)


def test_every_other_repeat_is_in_the_opposite_order(tmp_path: Path) -> None:
    turns = []

    def contender(name: str) -> Contender:
        def run(home: Path, threads: int) -> Run:
            turns.append((name, home, threads))
            return _run(1.0)

        return Contender(name=name, run=run)

    runs = compare([contender("a"), contender("b")], tmp_path, threads=5, repeats=3)

    assert turns == [(name, tmp_path, 5) for name in "abbaab"]
    assert {name: len(taken) for name, taken in runs.items()} == {"a": 3, "b": 3}


def test_spread_is_median_min_and_max() -> None:
    assert spread([3.0, 1.0, 2.5]) == {"median": 2.5, "min": 1.0, "max": 3.0}


def test_ratio_is_that_of_the_medians() -> None:
    runs = {"slow": [_run(10.0), _run(8.0), _run(90.0)], "fast": [_run(2.0), _run(0.1), _run(4.0)]}

    assert times_as_long(runs, slow="slow", fast="fast") == 5.0


def test_summary_has_every_figure_of_every_contender() -> None:
    assert summary({"a": [_run(2.0)]})["a"]["cpu_seconds"] == {"median": 1.0, "min": 1.0, "max": 1.0}


def test_table_shows_the_largest_peak_memory() -> None:
    shown = table("Title", {"a": [_run(1.0, peak_rss_mib=40.0), _run(1.0, peak_rss_mib=70.0)]})

    assert shown.splitlines()[0] == "Title"
    assert shown.splitlines()[-1].split()[-1] == "70.0"


def test_reaped_process_is_known_to_popen_and_its_memory_is_measured() -> None:
    program = "held = bytearray(200 * 2**20); raise SystemExit(3)"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        run = measured(1.5, reaped(process))

    assert process.returncode == 3
    assert run.seconds == 1.5
    assert run.peak_rss_mib > 200
