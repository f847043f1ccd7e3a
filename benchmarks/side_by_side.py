"""Two or more contenders on the same input, in turn, and what each took.

The rule: repeats are interleaved, every other one in the opposite order, so that a machine that grows slower meanwhile
slows everybody. Figures are those of a whole child process, as the kernel counts them when the child is waited for.
"""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

MIB = 2**20

RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1_024
"""In what getrusage counts ru_maxrss."""


@attrs.frozen(kw_only=True)
class Run:
    """One run: wall-clock seconds until the work was done; CPU seconds and peak memory of the whole process."""

    seconds: float
    cpu_seconds: float
    peak_rss_mib: float


@attrs.frozen(kw_only=True)
class Contender:
    """Somebody who can do the work. run: takes a home and the number of threads that it holds."""

    name: str
    run: Callable[[Path, int], Run]


def reaped(process: subprocess.Popen[bytes]) -> resource.struct_rusage:
    """Wait for the process to end and learn what it used; Popen is told, so that it does not wait as well."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def measured(seconds: float, usage: resource.struct_rusage) -> Run:
    """A run of `seconds` by a process that used `usage`."""
    return Run(seconds=seconds, cpu_seconds=usage.ru_utime + usage.ru_stime, peak_rss_mib=_mib(usage))


def least_peak_rss_mib() -> float:
    """Below this no child's peak can be seen: the kernel counts the starting process as the child's first memory."""
    return round(_mib(resource.getrusage(resource.RUSAGE_SELF)), 1)


def _mib(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss * RSS_UNIT_BYTES / MIB


def compare(contenders: Sequence[Contender], home: Path, *, threads: int, repeats: int) -> dict[str, list[Run]]:
    """Let every contender work on `home` `repeats` times; progress goes to stderr. Returns the runs by name."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for repeat in range(repeats):
        for contender in contenders if repeat % 2 == 0 else reversed(contenders):
            run = contender.run(home, threads)
            runs[contender.name].append(run)
            print(f"{contender.name}, {threads} threads: {run.seconds:.2f} s", file=sys.stderr)
    return runs


def spread(values: Sequence[float]) -> dict[str, float]:
    """median, min and max, rounded to thousandths."""
    chosen = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in chosen.items()}


def times_as_long(runs: Mapping[str, Sequence[Run]], slow: str, fast: str) -> float:
    """How many times as long `slow` takes as `fast`, by the medians of their seconds."""
    slow_seconds, fast_seconds = (statistics.median(run.seconds for run in runs[name]) for name in (slow, fast))
    return round(slow_seconds / fast_seconds, 2)


def summary(runs: Mapping[str, Sequence[Run]]) -> dict[str, dict[str, dict[str, float]]]:
    """By contender and figure: the spread over the repeats."""
    figures = [field.name for field in attrs.fields(Run)]
    return {
        name: {figure: spread([getattr(run, figure) for run in taken]) for figure in figures}
        for name, taken in runs.items()
    }


def table(title: str, runs: Mapping[str, Sequence[Run]]) -> str:
    """The summary for people: median seconds with their range, median CPU seconds, largest peak memory."""
    lines = [title, f"{'':10}{'median s':>10}{'min s':>10}{'max s':>10}{'CPU s':>10}{'peak RSS MiB':>15}"]
    for name, figures in summary(runs).items():
        seconds = figures["seconds"]
        lines.append(
            f"{name:10}{seconds['median']:>10.2f}{seconds['min']:>10.2f}{seconds['max']:>10.2f}"
            f"{figures['cpu_seconds']['median']:>10.2f}{figures['peak_rss_mib']['max']:>15.1f}"
        )
    return "\n".join(lines)
