"""What every benchmark prints: a table for people, or one JSON document with the machine and the versions.

The rule: a figure is nothing without its peer from the same run. Each row names what was measured, keeps every repeat,
and may name the row that it is compared with; the report computes median, spread and ratio, and nobody else does.
"""

import json
import math
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

import apsw
import attrs

from config.version import VERSION


@attrs.frozen(kw_only=True)
class Row:
    """One figure of one contender.

    Attributes:
      name: who, and at what size.
      figure: what was measured, with its unit: "requests/s", "p99 ms", "seconds", "peak MiB".
      values: one a repeat.
      peer: the name of the row with the same figure that this one is compared with; None: with nobody.
    """

    name: str
    figure: str
    values: Sequence[float]
    peer: str | None = None

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return statistics.median(self.values)


@attrs.frozen(kw_only=True)
class Growth:
    """How a cost grows with a size.

    Attributes:
      exponent: of the power of the size that fits best: 0 is flat, 1 is proportional.
    """

    name: str
    figure: str
    sizes: tuple[int, ...]
    medians: tuple[float, ...]
    exponent: float


@attrs.frozen(kw_only=True)
class Report:
    """Everything that a run found out.

    Attributes:
      question: what the benchmark answers, in one line.
      settings: what was run, by the names of the command line.
      versions: of the peers that are no Python packages.
    """

    question: str
    settings: Mapping[str, object]
    rows: Sequence[Row]
    growth: Sequence[Growth] = ()
    packages: Sequence[str] = ()
    versions: Mapping[str, str] = attrs.field(factory=dict)

    def ratio(self, row: Row) -> float | None:
        """The row's median by that of its peer; None without a peer."""
        if row.peer is None:
            return None
        (peer,) = (other for other in self.rows if (other.name, other.figure) == (row.peer, row.figure))
        return row.median / peer.median if peer.median else math.inf

    def document(self) -> dict[str, object]:
        """All of it, for machines."""
        return {
            "question": self.question,
            "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
            "versions": self._versions(),
            "settings": dict(self.settings),
            "rows": [
                attrs.asdict(row)
                | {
                    "values": list(row.values),
                    "median": row.median,
                    "min": min(row.values),
                    "max": max(row.values),
                    "ratio": self.ratio(row),
                }
                for row in self.rows
            ],
            "growth": [attrs.asdict(one) for one in self.growth],
        }

    def text(self) -> str:
        """All of it, for people."""
        width = max((len(row.name) for row in self.rows), default=4) + 2
        lines = [self.question, ""]
        for figure in dict.fromkeys(row.figure for row in self.rows):
            lines.append(f"{figure:{width}}{'median':>12}{'min':>12}{'max':>12}   compared")
            for row in self.rows:
                if row.figure == figure:
                    ratio = self.ratio(row)
                    compared = "" if ratio is None else f"   {ratio:.2f} x {row.peer}"
                    lines.append(
                        f"{row.name:{width}}{_short(row.median):>12}{_short(min(row.values)):>12}"
                        f"{_short(max(row.values)):>12}{compared}"
                    )
            lines.append("")
        for one in self.growth:
            sizes = ", ".join(
                f"{size:,}: {_short(median)}" for size, median in zip(one.sizes, one.medians, strict=True)
            )
            lines.append(f"{one.name} ({one.figure}) grows with size^{one.exponent:.2f}  ({sizes})")
        versions = ", ".join(f"{name} {version}" for name, version in self._versions().items())
        return "\n".join([*lines, f"{os.cpu_count()} cores, {platform.platform()}; {versions}"])

    def show(self, *, as_json: bool) -> None:
        """Print it."""
        print(json.dumps(self.document(), indent=2) if as_json else self.text())

    def _versions(self) -> dict[str, str]:
        ours = {"memoryd": VERSION, "python": platform.python_version(), "sqlite": apsw.sqlite_lib_version()}
        return ours | {name: metadata.version(name) for name in self.packages} | dict(self.versions)


def growth(name: str, figure: str, medians: Mapping[int, float]) -> Growth:
    """Fit medians by size to a power of the size, by least squares of their logarithms.

    Raises:
      ValueError: fewer than two sizes, or a size or median that is not positive.
    """
    if len(medians) < 2 or min(medians) <= 0 or min(medians.values()) <= 0:
        raise ValueError(f"{name}: growth needs two or more positive sizes and medians")
    slope = statistics.linear_regression(
        [math.log(size) for size in medians], [math.log(value) for value in medians.values()]
    ).slope
    return Growth(
        name=name, figure=figure, sizes=tuple(medians), medians=tuple(medians.values()), exponent=round(slope, 3)
    )


def interleaved(contenders: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Call every contender `repeats` times in turn, every other time in the opposite order; what each answered."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats):
        for name in list(contenders) if repeat % 2 == 0 else reversed(list(contenders)):
            values[name].append(contenders[name]())
    return values


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
