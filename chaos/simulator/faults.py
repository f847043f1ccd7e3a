"""What goes wrong in a run: a list drawn from the seed, so that it can be shown, repeated and made shorter."""

import random
from collections.abc import Sequence

import attrs

from chaos.disk.medium import Survival
from chaos.simulator.disk import FAILURES
from chaos.simulator.faulty_sql import KINDS as SQL_KINDS
from chaos.simulator.model import MOODS
from chaos.simulator.visits import OUTLIVING, PLAYS

DAY_SECONDS = 86_400.0


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
      at_seconds: when; for a death, from when on it lies in wait.
      kind: what; see `KINDS`.
      service: whom it meets, from 1; of a visit, the number of the visitor.
      detail: of the kind: at which sort of step, which failure, which mood, what survives.
      during: for a death, a freeze, a step of the clock: what must be at work; for a disk, whether it fails once; for a
        power cut, before what.
      amount: of the kind: the how-manieth step, seconds of a freeze, of a mood, of a step of the clock, bytes of room.
      rest_seconds: how long a dead or stopped service stays away, and how long a disk is bad or full.
    """

    at_seconds: float
    kind: str
    service: int
    detail: str = ""
    during: str = "anything"
    amount: float = 0.0
    rest_seconds: float = 0.0

    def __str__(self) -> str:
        what = {
            "crash": f"s{self.service} dies at its {self.amount:.0f}. {self.detail} while at {self.during},"
            f" comes back after {self.rest_seconds:.0f} s",
            "stop": f"s{self.service} is stopped in good order, comes back after {self.rest_seconds:.0f} s",
            "freeze": f"s{self.service} is frozen for {self.amount:.0f} s while at {self.during}"
            + (", inside a transaction" if self.detail == "transaction" else ""),
            "reboot": f"the machine restarts, services come back after {self.rest_seconds:.0f} s",
            "wall": f"the wall clock is moved by {self.amount:+.0f} s while somebody is at {self.during}",
            "sql": f"s{self.service}: a statement fails ({self.detail}) after {self.amount:.0f} good ones",
            "file": f"s{self.service}: changing a file fails ({self.detail})",
            "disk": f"s{self.service}: after {self.amount:.0f} good ones {self.during} {self.detail}",
            "full disk": f"the disk has room for {self.amount:.0f} bytes more, for {self.rest_seconds:.0f} s",
            "power": f"the power is cut before the {self.amount:.0f}. {self.during}, {self.detail} of what was not"
            f" synced survives, services come back after {self.rest_seconds:.0f} s",
            "slow disk": f"s{self.service}: each batch takes {self.amount:.1f} s longer, for {self.rest_seconds:.0f} s",
            "visit": f"a visitor comes for {self.detail}",
            "model": f"the model is {self.detail} for {self.amount:.0f} s",
        }[self.kind]
        return f"from {self.at_seconds:.1f} s: {what}"


KINDS: dict[str, int] = {
    "crash": 10,
    "stop": 2,
    "freeze": 5,
    "reboot": 1,
    "wall": 3,
    "sql": 4,
    "file": 2,
    "slow disk": 1,
    "model": 4,
    "disk": 5,
    "full disk": 2,
    "power": 3,
    "visit": 0,
}
"""What there is, and how often relative to the others. Visitors come besides: what they come for, nearly all of it."""

NAP_SHARE = 0.4
"""How often a freeze comes in the middle of a transaction."""

NAP_SECONDS_MAX = 30.0
"""Then nobody can write: longer than this a machine would not be used."""

VISIT_SHARE = 0.85
"""How likely a seed has a visitor who comes for a given thing."""

SECONDS_PER_FAULT = 12.0
"""On average; a run has between half and one and a half times as many."""


def draw(seed: int, *, services: int, seconds: float, kinds: Sequence[str] = tuple(KINDS)) -> tuple[Fault, ...]:
    """The faults of this seed, in order of time. None comes in the last twentieth of the run."""
    rng = random.Random(f"faults {seed}")
    number = max(1, round(seconds / SECONDS_PER_FAULT * rng.uniform(0.5, 1.5)))
    weights = [KINDS[kind] for kind in kinds]
    drawn = [_draw_one(rng, rng.choices(kinds, weights)[0], services, seconds) for _ in range(number)]
    if "visit" in kinds:
        drawn += _visits(random.Random(f"visits {seed}"), seconds, drawn)
    return tuple(sorted(drawn, key=lambda fault: fault.at_seconds))


def _visits(rng: random.Random, seconds: float, faults: Sequence[Fault]) -> list[Fault]:
    """Visitors at any time, and one before and one after each restart of the machine."""
    plays = [play for play in PLAYS if rng.random() < VISIT_SHARE]
    rng.shuffle(plays)
    visits = []
    while plays:
        number = rng.choice((1, 1, 2, 3))
        visits.append((rng.uniform(min(8.0, seconds / 2), seconds * 0.95), plays[:number]))
        plays = plays[number:]
    for fault in faults:
        if fault.kind == "reboot":
            visits += [
                (max(fault.at_seconds - 3, 0.0), [OUTLIVING]),
                (min(fault.at_seconds + rng.uniform(0, 9), seconds * 0.95), [OUTLIVING]),
            ]
    return [
        Fault(at_seconds=round(at_seconds, 3), kind="visit", service=number, detail=", ".join(chosen))
        for number, (at_seconds, chosen) in enumerate(visits, start=1)
    ]


def _draw_one(rng: random.Random, kind: str, services: int, seconds: float) -> Fault:
    fault = Fault(
        at_seconds=round(rng.uniform(0, seconds * 0.95), 3),
        kind=kind,
        service=rng.randrange(services) + 1,
        rest_seconds=round(rng.choice((0.1, 2.0, 10.0, 60.0)) * rng.uniform(0.5, 1.5), 1),
    )
    match kind:
        case "crash":
            detail = rng.choice(("await", "statement", "statement", "file", "reply", "reply"))
            during = rng.choice(("anything", "backfill", "extraction", "extraction", "consolidation", "publishing"))
            if detail == "file":
                during = rng.choice(("anything", "publishing"))
            return attrs.evolve(fault, detail=detail, during=during, amount=rng.choice((1, 2, 3, 5, 8, 20, 40)))
        case "freeze":
            during = rng.choice(("anything", "backfill", "extraction", "extraction", "consolidation"))
            seconds = rng.choice((0.5, 5.0, 30.0, 70.0, 130.0, 170.0)) * rng.uniform(0.9, 1.2)
            if rng.random() < NAP_SHARE:
                return attrs.evolve(fault, detail="transaction", during=during, amount=min(seconds, NAP_SECONDS_MAX))
            return attrs.evolve(fault, during=during, amount=seconds)
        case "wall":
            amount = rng.choice((-DAY_SECONDS, -600.0, -5.0, 5.0, 600.0, DAY_SECONDS)) * rng.uniform(0.5, 1.0)
            return attrs.evolve(fault, during=rng.choice(("anything", "extraction")), amount=round(amount, 3))
        case "sql":
            return attrs.evolve(fault, detail=rng.choice(SQL_KINDS), amount=rng.choice((0, 0, 1, 3, 10)))
        case "file":
            return attrs.evolve(fault, detail=rng.choice(("No space left on device", "Input/output error")))
        case "slow disk":
            return attrs.evolve(fault, amount=rng.choice((0.2, 2.0, 15.0)))
        case "disk":
            detail, during = rng.choice(tuple(FAILURES)), rng.choice(("once", "once", "all"))
            return attrs.evolve(fault, detail=detail, during=during, amount=rng.choice((0, 0, 1, 3, 10, 30)))
        case "full disk":
            return attrs.evolve(fault, amount=rng.choice((0, 0, 5_000, 20_000, 60_000)))
        case "power":
            detail = rng.choice((*Survival, Survival.SOME, Survival.SOME, Survival.TORN))
            during = rng.choice(("sync", "change of a file"))
            return attrs.evolve(fault, detail=detail, during=during, amount=rng.choice((1, 2, 3, 5, 8, 20, 60)))
        case "model":
            return attrs.evolve(fault, detail=rng.choice(MOODS), amount=rng.choice((20.0, 60.0, 150.0)))
    return fault
