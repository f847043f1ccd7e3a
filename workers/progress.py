"""How workers say how far they are. The command line draws it; a service logs it; tests collect it."""

from typing import Protocol


class Progress(Protocol):
    """Told from the event loop's thread, often; must return at once."""

    def report(self, phase: str, done: int, total: int | None) -> None:
        """Say that `done` of `total` (None: unknown) of `phase` are done, e.g. ("backfill", 120, 1000)."""
        ...


class NoProgress:
    """For callers that do not look."""

    def report(self, phase: str, done: int, total: int | None) -> None:
        """Do nothing."""
