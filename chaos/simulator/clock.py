"""The time of a simulation: one clock that jumps to the next thing to happen, and a machine with two clocks on it."""

import heapq
import math
from typing import Any

import attrs
import trio

from state.ids import Instant

START_WALL_MS = 1_790_000_000_000
START_BOOT_MS = 1_000_000


LOOKS_MAX = 20
LOOK_SECONDS = 0.05
"""How often, and how long in real time, Trio waits for itself before a simulation counts as stuck."""


_sleep_until = trio.sleep_until
"""Trio's own; what is called by that name while a simulation runs is the clock's."""


class NothingHappensError(Exception):
    """Every task waits for another one, and no clock will wake any of them."""


class JumpingClock(trio.abc.Clock):
    """Goes on only when every task waits, and then at once to the next deadline.

    Threads and sockets are not waited for: there are none.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._stands_still = 0
        self._waiting: list[tuple[float, int, list[trio.lowlevel.Task]]] = []
        self._waited = 0

    def start_clock(self) -> None:
        """Begin at zero."""

    def current_time(self) -> float:
        """Simulated seconds since the beginning."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Asked by Trio when nothing can run: jump instead of sleeping."""
        if self._wake_next(deadline):
            return 0.0
        if deadline == math.inf:
            # At its very end Trio wakes itself through a socket, which it is given a moment to look at.
            self._stands_still += 1
            if self._stands_still > LOOKS_MAX:
                raise NothingHappensError("the simulation stands still")
            return LOOK_SECONDS
        self._stands_still = 0
        self._now = max(self._now, deadline)
        return 0.0

    def _wake_next(self, deadline: float) -> bool:
        """Jump to the first pause that ends until then, and wake all that end at that very time; say if any does."""
        waiting = self._waiting
        is_found = False
        while waiting and waiting[0][0] <= (self._now if is_found else deadline):
            when, _, waiter = heapq.heappop(waiting)
            if waiter:
                is_found, self._now = True, max(self._now, when)
                trio.lowlevel.reschedule(waiter.pop())
        return is_found

    async def pause(self, seconds: float) -> None:
        """Wait so long, as `trio.sleep` does, at a fraction of its real cost."""
        await self.pause_until(self._now + seconds)

    async def pause_until(self, when: float) -> None:
        """Wait until then, as `trio.sleep_until` does; also where that is now, others go first."""
        waiter = [trio.lowlevel.current_task()]
        self._waited += 1
        heapq.heappush(self._waiting, (when, self._waited, waiter))

        def abort(_raise_cancel: Any) -> trio.lowlevel.Abort:
            waiter.clear()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def sleep(self, seconds: float) -> None:
        """Stands for `trio.sleep`, which makes a cancel scope for each wait."""
        if seconds < 0:
            raise ValueError("`seconds` must be non-negative")
        await self.sleep_until(self._now + seconds)

    async def sleep_until(self, deadline: float) -> None:
        """Stands for `trio.sleep_until`."""
        if self._now < deadline < math.inf:
            await self.pause_until(deadline)
        else:
            await _sleep_until(deadline)


@attrs.define
class Machine:
    """The machine that the services run on: they share its clocks and its boots.

    Attributes:
      wall_shift_ms: how far somebody moved the wall clock.
      lag_seconds: what blocking code slept; it makes the clocks that code reads go on, but no task waits for it.
    """

    clock: JumpingClock
    wall_shift_ms: int = 0
    boots: int = 1
    booted_at: float = 0.0
    lag_seconds: float = 0.0
    _read: tuple[float, int, int] | None = None
    _instant: Instant | None = None

    def now_ms(self) -> int:
        """Simulated milliseconds since the beginning."""
        return round(self.clock.current_time() * 1000)

    def true_wall_ms(self) -> int:
        """What the wall clock says when nobody moves it."""
        return START_WALL_MS + self.now_ms()

    def instant(self) -> Instant:
        """Both clocks of the machine, as a service reads them."""
        read = (self.clock.current_time(), self.wall_shift_ms, self.boots)
        if read != self._read or self._instant is None:
            # Read several times at most moments.
            boot_ms = START_BOOT_MS + self.now_ms() - round(self.booted_at * 1000)
            self._read = read
            self._instant = Instant(
                wall_ms=self.true_wall_ms() + self.wall_shift_ms,
                boot_ms=boot_ms,
                boot_id=f"simulated-boot-{self.boots}",
            )
        return self._instant

    def reboot(self) -> None:
        """Begin another boot now; the caller ends the services."""
        self.boots += 1
        self.booted_at = self.clock.current_time()

    def sleep(self, seconds: float) -> None:
        """Stands for `time.sleep` in blocking code."""
        self.lag_seconds += max(seconds, 0.0)

    def monotonic(self) -> float:
        """Stands for `time.monotonic`."""
        return self.clock.current_time() + self.lag_seconds
