"""What a run must meet sometimes, or it has proven little: counted, and shown with what was never met."""

import collections
from collections.abc import Mapping

GOALS: tuple[str, ...] = (
    "stolen while the owner lived",
    "a token was refused",
    "leases of a dead process were returned",
    "died in backfill",
    "died in extraction",
    "died in consolidation",
    "died in publishing",
    "died at an await",
    "died at a statement",
    "died at a file",
    "died at a reply",
    "died by a restart of the machine",
    "frozen past its lease",
    "frozen inside a transaction",
    "somebody else had the write lock",
    "sql: busy",
    "sql: refused",
    "sql: void",
    "sql: full",
    "sql: commit lost",
    "sql: commit kept",
    "disk: write failed",
    "disk: short write",
    "disk: sync failed",
    "disk: read failed",
    "disk: truncation failed",
    "disk: full",
    "power cut",
    "power cut with unsynced pages lost",
    "power cut with a torn write",
    "power cut that kept what was under way",
    "a file could not be changed",
    "a batch of several requests",
    "the wall clock went back",
    "the wall clock went ahead",
    "stopped in good order while at work",
    "the model failed",
    "the model was not available",
    "a dead letter",
    "a visitor came",
)
"""Each is something that goes wrong, or a way in which memoryd answers it."""


class Goals:
    """Counts what was met."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()

    def hit(self, goal: str) -> None:
        """It happened once more."""
        self.counts[goal] += 1


def never_met(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The goals that were not met, in their order."""
    return tuple(goal for goal in GOALS if not counts.get(goal))
