"""Many seeds, one after the other, until one breaks a law; then the shortest run that does, and how to repeat it."""

import collections
import contextlib
import time
from collections.abc import Callable

import attrs

from chaos.bugs import Bug
from chaos.goals import never_met
from chaos.laws import BrokenLaw
from chaos.simulator.faults import Fault
from chaos.simulator.processes import verdicts
from chaos.simulator.run import Scenario, Verdict, disk, simulate
from chaos.simulator.shrink import shortest
from chaos.story import Event

OnSeed = Callable[[Verdict], None]


@attrs.frozen(kw_only=True)
class Failure:
    """A seed that broke a law, at its shortest.

    Attributes:
      faults: those that are left, with their numbers in the list that the seed draws.
      drawn: how many there were.
      story: the last events of each service and of the world.
      replay: the command line that does it again.
    """

    seed: int
    broken: BrokenLaw
    faults: tuple[tuple[int, Fault], ...]
    drawn: int
    story: tuple[Event, ...]
    replay: str


@attrs.frozen(kw_only=True)
class Report:
    """What a campaign did.

    Attributes:
      seconds: of real time, without the shortening.
      active_hours: simulated service-hours without the seconds in which a service only waited.
      settled_seconds_max: the longest time from the last fault until everything was done.
    """

    first_seed: int
    seeds: int
    services: int
    hours: float
    seconds: float
    steps: int
    steps_under_faults: int
    commits_judged: int
    simulated_hours: float
    active_hours: float
    settled_seconds_max: float
    goals: dict[str, int]
    never_met: tuple[str, ...]
    failure: Failure | None

    @property
    def passed(self) -> bool:
        """No law was broken."""
        return self.failure is None

    def per_second(self, number: float) -> float:
        """A rate over the real time that the seeds took."""
        return number / max(self.seconds, 1e-9)


def run_campaign(
    first_seed: int,
    seeds: int,
    *,
    services: int,
    hours: float,
    bug: Bug | None = None,
    kept: tuple[int, ...] | None = None,
    jobs: int = 1,
    on_seed: OnSeed = lambda _verdict: None,
    on_shrink: Callable[[int], None] = lambda _faults: None,
) -> Report:
    """Run seeds until one fails or all are done.

    Args:
      kept: inflict only these faults of each seed, by their numbers.
      jobs: how many processes share the seeds.
      on_seed: told of each verdict.
      on_shrink: told how many faults are left while a failure is made shorter.
    """
    goals: collections.Counter[str] = collections.Counter()
    done: list[Verdict] = []
    failure = None
    began = time.perf_counter()
    scenarios = (
        Scenario(seed=seed, services=services, seconds=hours * 3600, kept=kept, bug=bug)
        for seed in range(first_seed, first_seed + seeds)
    )
    with contextlib.closing(verdicts(scenarios, jobs)) as coming:
        for verdict in coming:
            done.append(verdict)
            goals.update(verdict.goals)
            on_seed(verdict)
            if verdict.broken is not None:
                break
        seconds = time.perf_counter() - began
    if done and done[-1].broken is not None:
        with disk() as root:

            def again(scenario: Scenario) -> Verdict:
                on_shrink(len(scenario.faults()))
                return simulate(scenario, root)

            failure = _shortened(done[-1], again)
    counted = [verdict.counted for verdict in done]
    return Report(
        first_seed=first_seed,
        seeds=len(done),
        services=services,
        hours=hours,
        seconds=seconds,
        steps=sum(one.steps for one in counted),
        steps_under_faults=sum(one.steps_under_faults for one in counted),
        commits_judged=sum(one.commits_judged for one in counted),
        simulated_hours=sum(one.simulated_seconds for one in counted) / 3600,
        active_hours=sum(one.active_seconds for one in counted) / 3600,
        settled_seconds_max=max((verdict.settled_after_seconds for verdict in done), default=0.0),
        goals=dict(goals),
        never_met=never_met(goals),
        failure=failure,
    )


def _shortened(verdict: Verdict, again: Callable[[Scenario], Verdict]) -> Failure:
    assert verdict.broken is not None, "only a failure is shortened"
    law = verdict.broken.law
    best = verdict

    def still_fails(numbers: tuple[int, ...]) -> bool:
        nonlocal best
        tried = again(attrs.evolve(verdict.scenario, kept=numbers))
        if tried.broken is None or tried.broken.law != law:
            return False
        best = tried
        return True

    drawn = [number for number, _ in verdict.scenario.faults()]
    shortest(drawn, still_fails)
    assert best.broken is not None, "only failures replace it"
    return Failure(
        seed=best.scenario.seed,
        broken=best.broken,
        faults=best.scenario.faults(),
        drawn=len(drawn),
        story=best.last_events,
        replay=replay_line(best.scenario),
    )


def replay_line(scenario: Scenario) -> str:
    """The command that runs exactly this scenario."""
    words = ["memoryd chaos simulate", f"--seed {scenario.seed} --seeds 1"]
    default = Scenario(seed=0)
    if scenario.services != default.services:
        words.append(f"--services {scenario.services}")
    if scenario.seconds != default.seconds:
        words.append(f"--hours {scenario.seconds / 3600:g}")
    if scenario.kept is not None:
        words.append(f"--only-faults {','.join(map(str, scenario.kept)) or 'none'}")
    if scenario.bug is not None:
        words.append(f"--bug {scenario.bug}")
    return " ".join(words)
