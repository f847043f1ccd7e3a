"""What can go wrong with a disk, as data: a plan is a list of faults, and the same plan does the same every time.

A fault names an operation by its number, counted from 1 since the plan was taken up. So "the n-th write fails" can be
tried for every n that a run has, one run an n.
"""

from collections.abc import Mapping
from enum import StrEnum

import attrs


class Operation(StrEnum):
    """What SQLite asks of a file."""

    READ = "read"
    WRITE = "write"
    SYNC = "sync"
    TRUNCATE = "truncate"


class Part(StrEnum):
    """Which of a database's files. Its index of the log (-shm) is memory, and never fails here."""

    DATABASE = "database"
    LOG = "log"
    JOURNAL = "journal"


class Effect(StrEnum):
    """What becomes of the operation."""

    FAIL = "fail"
    """An input/output error; nothing was done."""
    FULL = "full"
    """There is no room; nothing was done."""
    SHORT = "short"
    """Half of it was done. A read gives half of the bytes and no error; a write leaves half and says: no room."""
    LIE = "lie"
    """It is said to be done, and was not."""


POSSIBLE: Mapping[Operation, frozenset[Effect]] = {
    Operation.READ: frozenset({Effect.FAIL, Effect.SHORT}),
    Operation.WRITE: frozenset({Effect.FAIL, Effect.FULL, Effect.SHORT, Effect.LIE}),
    Operation.SYNC: frozenset({Effect.FAIL, Effect.LIE}),
    Operation.TRUNCATE: frozenset({Effect.FAIL, Effect.LIE}),
}
"""Which effects an operation can have."""

ERRORS = (
    (Operation.WRITE, Effect.FAIL),
    (Operation.WRITE, Effect.FULL),
    (Operation.WRITE, Effect.SHORT),
    (Operation.SYNC, Effect.FAIL),
    (Operation.TRUNCATE, Effect.FAIL),
    (Operation.READ, Effect.FAIL),
)
"""What a store must stand. A read that is short and says nothing is not among them: SQLite takes the rest for zeros."""


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
      number: the first operation that it strikes, counted from 1.
      times: how many it strikes, one after the other; None for all from then on.
      part: strike, and count, only operations on this file; None for all files.
    """

    operation: Operation
    effect: Effect
    number: int = 1
    times: int | None = 1
    part: Part | None = None

    def __attrs_post_init__(self) -> None:
        if self.effect not in POSSIBLE[self.operation]:
            raise ValueError(f"a {self.operation} cannot {self.effect}")

    def strikes(self, count: int) -> bool:
        """Say whether the operation with this number is struck."""
        return count >= self.number and (self.times is None or count < self.number + self.times)

    def __str__(self) -> str:
        what = f"{self.part} {self.operation}" if self.part else str(self.operation)
        length = "from then on" if self.times is None else "once" if self.times == 1 else f"{self.times} times"
        return f"{what} {self.number} {self.effect} {length}"
