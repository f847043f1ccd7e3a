"""The wall clock of a run: shifted for everybody at once, and what it may have been when something was done."""

import math

import attrs

from chaos.fleet.place import WallOffset
from chaos.history_file import moment
from chaos.operations import Moment, Operation
from state.clock import machine_clock
from state.group_commit import BATCH_WORK_MS_MAX

BATCH_MS = BATCH_WORK_MS_MAX + 50
"""A request takes place at most so long before it was asked: it joined a batch, on a machine that is busy."""


@attrs.frozen
class _Shift:
    """In force at the earliest from `began` on, at the latest from `done` on; moments as histories order them."""

    began: float
    done: float
    offset_ms: int


class Wall:
    """Shifts the clock, and remembers when it did."""

    def __init__(self, offset: WallOffset) -> None:
        self._offset = offset
        self._shifts = [_Shift(-math.inf, -math.inf, offset.get_ms())]

    def shift(self, offset_ms: int) -> None:
        """Put the clock of everybody so far ahead of the machine's, or behind it."""
        began = moment(machine_clock).order
        self._offset.set_ms(offset_ms)
        self._shifts.append(_Shift(began, moment(machine_clock).order, offset_ms))

    def told(self, operation: Operation) -> Operation:
        """An operation that was told by the machine's clock, by the clock that its store has read meanwhile."""
        ended = operation.ended
        first = operation.asked.order - BATCH_MS * 1_000_000
        last = math.inf if ended is None else ended.order
        over = [*(shift.done for shift in self._shifts[1:]), math.inf]
        seen = [
            shift.offset_ms
            for shift, until in zip(self._shifts, over, strict=True)
            if shift.began <= last and until >= first
        ]
        return attrs.evolve(
            operation,
            asked=_ahead(operation.asked, min(seen)),
            ended=None if ended is None else _ahead(ended, max(seen)),
        )


def _ahead(when: Moment, ms: int) -> Moment:
    return attrs.evolve(when, at=attrs.evolve(when.at, wall_ms=when.at.wall_ms + ms))
