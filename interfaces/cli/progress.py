"""Progress for people: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Self

SECONDS_BETWEEN_LINES = 5.0
"""Off a terminal a log collects what is printed; a line every few seconds tells enough."""


class ProgressBar:
    """Draws a bar for each phase while it is a context manager."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description:>14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=False,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def report(self, phase: str, done: int, total: int | None) -> None:
        """Move the phase's bar."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=total)
        self._bars.update(self._tasks[phase], completed=done, total=total)


class ProgressLines:
    """Prints a line per phase at most every few seconds; nothing for what is done sooner."""

    def __init__(self) -> None:
        self._next_at = time.monotonic() + SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def report(self, phase: str, done: int, total: int | None) -> None:
        """Print where the phase is, if it is time to."""
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + SECONDS_BETWEEN_LINES
            sys.stderr.write(f"{phase}: {done}{'' if total is None else f' of {total}'}\n")


def progress_view() -> ProgressBar | ProgressLines:
    """What fits the place where stderr goes."""
    return ProgressBar() if sys.stderr.isatty() else ProgressLines()
