"""Which faults befall the fleet, and when: a list drawn from the seed, before anything starts."""

import random
from collections.abc import Iterator
from enum import StrEnum

import attrs

DAY_MS = 86_400_000


class Fault(StrEnum):
    """A kind of fault. The name is what `--faults` takes."""

    KILL = "kill"
    """SIGKILL; the process is started again a moment later."""
    FREEZE = "freeze"
    """SIGSTOP, often for longer than a lease, then SIGCONT: the owner wakes up late."""
    CLOCK = "clock"
    """The wall clock of all services jumps by up to a day, in either direction."""
    DISK = "disk"
    """Files of one service may not grow any more for a while (RLIMIT_FSIZE): every write beyond fails."""
    BUSY = "busy"
    """Another program holds SQLite's write lock."""
    MODEL = "model"
    """The model's server refuses, lies, hangs up or keeps silent."""
    POISON = "poison"
    """A session comes that kills the process of whoever extracts it, by SIGKILL, each time anew."""


GAP_MS = {
    Fault.KILL: 900,
    Fault.FREEZE: 1_700,
    Fault.CLOCK: 2_500,
    Fault.DISK: 2_500,
    Fault.BUSY: 2_200,
    Fault.MODEL: 1_500,
    Fault.POISON: 15_000,
}
"""How long, on average, until the next fault of that kind."""

LASTS_MS = {
    Fault.KILL: (50, 800),
    Fault.FREEZE: (300, 5_000),
    Fault.CLOCK: (500, 3_000),
    Fault.DISK: (300, 1_500),
    Fault.BUSY: (100, 2_500),
    Fault.MODEL: (500, 3_000),
    Fault.POISON: (0, 0),
}
"""How long one lasts, at least and at most. Of a kill it is the time until the process is started again."""

MODEL_MOODS = ("slow", "refuse", "busy", "cut", "lie", "silent")
"""What the model's server does during a fault: see `model`."""


@attrs.frozen(kw_only=True)
class Injection:
    """One fault: at `at_ms` from the start, on service number `service`, for `lasts_ms`.

    Attributes:
      wall_shift_ms: of a clock fault.
      mood: of a model fault.
    """

    at_ms: int
    fault: Fault
    service: int
    lasts_ms: int
    wall_shift_ms: int = 0
    mood: str = ""


def draw(seed: int, *, services: int, duration_ms: int, faults: frozenset[Fault]) -> tuple[Injection, ...]:
    """The plan of a run, in order of time. The same arguments give the same plan.

    A fault never lasts beyond duration_ms, so that what follows shows what is left when there are none.
    """
    drawn: list[Injection] = []
    for fault in sorted(faults):
        drawn += _of_kind(random.Random(f"{seed}:{fault}"), fault, services, duration_ms)
    return tuple(sorted(drawn, key=lambda one: (one.at_ms, one.fault)))


def _of_kind(rng: random.Random, fault: Fault, services: int, duration_ms: int) -> Iterator[Injection]:
    at_ms = 0
    while True:
        at_ms += round(rng.expovariate(1 / GAP_MS[fault])) + 1
        lasts_ms = rng.randint(*LASTS_MS[fault])
        if at_ms + lasts_ms > duration_ms:
            return
        yield Injection(
            at_ms=at_ms,
            fault=fault,
            service=rng.randrange(services),
            lasts_ms=lasts_ms,
            wall_shift_ms=rng.randint(-DAY_MS, DAY_MS) if fault is Fault.CLOCK else 0,
            mood=rng.choice(MODEL_MOODS) if fault is Fault.MODEL else "",
        )
        if fault in (Fault.CLOCK, Fault.MODEL):
            at_ms += lasts_ms  # there is one clock and one server: the next fault waits for the end of this one
