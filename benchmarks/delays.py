"""How long an append takes to show in the index: what was written when, what was seen when, and the figures of it."""

import math
from bisect import bisect_left
from collections.abc import Sequence

import attrs


@attrs.define
class Writing:
    """One file: (size in bytes, when it had it), growing in both."""

    sizes: list[tuple[int, float]] = attrs.field(factory=list)


@attrs.define
class Sighting:
    """One file in the index: (offset in bytes, when it was first seen), growing in both."""

    offsets: list[tuple[int, float]] = attrs.field(factory=list)

    def note(self, offset: int, at: float) -> None:
        """Take note of what is seen, if it is more than before."""
        if not self.offsets or offset > self.offsets[-1][0]:
            self.offsets.append((offset, at))


def delays(writing: Writing, sighting: Sighting) -> list[float]:
    """Seconds from each size to the first sight of that size or a greater one.

    Raises:
      LookupError: a size was never seen; a run that loses an append is no measurement.
    """
    seen = [offset for offset, _ in sighting.offsets]
    found = []
    for size, at in writing.sizes:
        index = bisect_left(seen, size)
        if index == len(seen):
            raise LookupError(f"{size} bytes were written and never seen; the index shows {seen[-1:]}")
        found.append(max(sighting.offsets[index][1] - at, 0.0))
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that `percent` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def figures(seconds: Sequence[float]) -> dict[str, float]:
    """Count, and p50, p90, p99 and max in milliseconds."""
    chosen = {f"p{percent}_ms": percentile(seconds, percent) for percent in (50, 90, 99)} | {"max_ms": max(seconds)}
    return {"count": len(seconds)} | {name: round(value * 1000, 1) for name, value in chosen.items()}


def table(title: str, rows: dict[str, dict[str, float]]) -> str:
    """The figures for people, one line each."""
    lines = [title, f"{'':34}{'count':>8}{'p50 ms':>10}{'p90 ms':>10}{'p99 ms':>10}{'max ms':>10}"]
    lines += [
        f"{name:34}{row['count']:>8}{row['p50_ms']:>10}{row['p90_ms']:>10}{row['p99_ms']:>10}{row['max_ms']:>10}"
        for name, row in rows.items()
    ]
    return "\n".join(lines)
