"""One run: start the services, feed and hurt them, let them settle, and judge what is left."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import trio

from chaos.figures import percentile
from chaos.fleet import checks
from chaos.fleet.histories import Histories, judge
from chaos.fleet.inflict import EXITS_OF_THE_DISK, Inflictor
from chaos.fleet.model import ModelServer, model_server
from chaos.fleet.operators import Operators
from chaos.fleet.place import Place, WallOffset, temporary_folder
from chaos.fleet.plan import DAY_MS, Fault, draw
from chaos.fleet.services import ROOT, FleetError, Service
from chaos.fleet.wall import Wall
from chaos.fleet.workload import Workload
from chaos.operations import Operation
from state.messages.job_control import JobFreed, JobReopened, ReleaseJob, RetryJob, StealJob
from stopping import InterruptedRunError, until_stopped

SETTLE_SECONDS_MAX = 120.0
"""How long the services may take, once nothing hurts them any more, to do all that is left to do."""

SETTLED_WALL_SHIFT_MS = 3 * DAY_MS
"""After the faults the wall clock is put ahead, so that every back-off is over: what is left must be claimable."""

CLEAN_RUN_SECONDS_MAX = 300.0

GRACE_SECONDS = 10.0
"""How long an interrupted run may take to end its services."""


@attrs.frozen(kw_only=True)
class FleetSettings:
    """What a run is: its seed, how many services, for how long, and which faults.

    Attributes:
      pace_seconds: how often the corpus changes, on average.
      keep: leave the folder of the run behind, to look into it.
    """

    seed: int
    processes: int = 3
    duration_seconds: float = 20.0
    faults: frozenset[Fault] = frozenset(Fault)
    pace_seconds: float = 0.1
    keep: bool = False


@attrs.frozen(kw_only=True)
class FleetReport:
    """What happened, and what was wrong afterwards. Seconds unless the name says otherwise.

    Attributes:
      commands_obeyed: of the operators' commands, by name: jobs that were reopened or freed.
      operations_judged: what was asked of extraction jobs, lost replies included.
      recovery_seconds: of ready_seconds, the starts after a kill.
    """

    settings: FleetSettings
    injected: dict[str, int]
    sessions: int
    lines: int
    starts: int
    refused_starts: int
    extractions_claimed: int
    extractions_finished: int
    generations_published: int
    refused_late: int
    steals: int
    commands_given: int
    commands_obeyed: dict[str, int]
    dead_letters: int
    deaths_by_poison: int
    operations_judged: int
    model_requests: int
    settle_seconds: float
    ready_seconds: tuple[float, ...]
    recovery_seconds: tuple[float, ...]
    violations: tuple[str, ...]
    folder: str

    def percentile(self, share: float) -> float:
        """How long starts after a kill took: the value that this share of them stays below."""
        return percentile(self.recovery_seconds, share)


async def conduct(settings: FleetSettings, say: Callable[[str], None]) -> FleetReport:
    """Make one run; everything that it started has ended when it returns, or when it is cancelled.

    Raises:
      FleetError: a service does not come up; nothing can be judged then.
    """
    with temporary_folder("memoryd-chaos-", keep=settings.keep) as root, model_server() as model:
        place = Place(root=root)
        place.make()
        histories = Histories(place.histories)
        services = [
            Service(number=number, place=place, histories=histories, overrides=_overrides(settings, model))
            for number in range(settings.processes)
        ]
        try:
            return await _run(settings, place, services, histories, model, say)
        finally:
            for service in services:
                service.kill()


async def conduct_until_stopped(settings: FleetSettings, say: Callable[[str], None]) -> FleetReport:
    """`conduct`, which a signal ends in good order.

    Raises:
      FleetError: a service does not come up.
      InterruptedRunError: a signal; every service was ended.
    """
    report = await until_stopped(lambda: conduct(settings, say), GRACE_SECONDS)
    if report is None:
        raise InterruptedRunError("interrupted; every service was ended")
    return report


async def _run(
    settings: FleetSettings,
    place: Place,
    services: Sequence[Service],
    histories: Histories,
    model: ModelServer,
    say: Callable[[str], None],
) -> FleetReport:
    duration_ms = round(settings.duration_seconds * 1000)
    plan = draw(settings.seed, services=settings.processes, duration_ms=duration_ms, faults=settings.faults)
    say(f"{settings.processes} services, {len(plan)} faults in {settings.duration_seconds:g} s, seed {settings.seed}")
    workload = Workload(codex_home=place.codex_home, rng=random.Random(f"{settings.seed}:workload"))
    for service in services:
        service.start()
    async with trio.open_nursery() as nursery:
        for service in services:
            nursery.start_soon(service.wait_ready)
    wall = Wall(WallOffset(place.wall_offset))
    inflictor = Inflictor(place=place, services=services, model=model, wall=wall, poison=workload.poison)
    operators = Operators(place, histories, random.Random(f"{settings.seed}:operators"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workload.run, settings.pace_seconds)
        nursery.start_soon(inflictor.keep_up)
        nursery.start_soon(operators.run)
        await inflictor.run(plan)
        nursery.cancel_scope.cancel()
    workload.finish()
    violations = [*operators.wrong, *_ended_by_themselves(services)]
    say("the faults are over: waiting until everything is done")
    wall.shift(SETTLED_WALL_SHIFT_MS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inflictor.keep_up)
        settle_seconds = await _settle(settings, place, services, violations)
        nursery.cancel_scope.cancel()
    violations += _ended_by_themselves(services)
    for service in services:
        await service.stop()
    say("comparing with a run without faults")
    await _run_clean(settings, place, model)
    database = place.state_dir / "state.sqlite"
    dead = checks.dead_letters(database)
    violations += checks.check_rows(database)
    violations += checks.check_acknowledgements(place)
    violations += checks.check_files(place.state_dir)
    violations += checks.check_poison(database, workload.poisoned)
    violations += checks.compare(database, place.clean_state_dir / "state.sqlite", dead=dead)
    operations = await trio.to_thread.run_sync(histories.operations, abandon_on_cancel=True)
    say(f"judging {len(operations):,} operations")
    violations += await trio.to_thread.run_sync(judge, operations, wall, database, abandon_on_cancel=True)
    return _report(
        settings, place, services, workload, inflictor, operators, operations, settle_seconds, dead, violations
    )


def _ended_by_themselves(services: Sequence[Service]) -> list[str]:
    return [
        f"service {one.number} ended by itself with {one.exit_code}: {one.last_words()}"
        for one in services
        if one.pid is None and one.exit_code not in EXITS_OF_THE_DISK and not one.died_of_poison
    ]


async def _settle(settings: FleetSettings, place: Place, services: Sequence[Service], violations: list[str]) -> float:
    """Let the services do what is left; answer how long that took."""
    began = time.monotonic()
    for service in services:
        if service.pid is None or Fault.MODEL in settings.faults:
            # A service pauses for up to an hour when the model is not available; a person would start it again.
            await service.stop()
            service.start()
            await service.wait_ready()
    waiting = ["everything"]
    while time.monotonic() - began < SETTLE_SECONDS_MAX:
        await trio.sleep(0.2)
        waiting = checks.unsettled(place.state_dir / "state.sqlite")
        if not waiting:
            return time.monotonic() - began
    violations += [f"not done {SETTLE_SECONDS_MAX:.0f} s after the faults: {what}" for what in waiting]
    return time.monotonic() - began


async def _run_clean(settings: FleetSettings, place: Place, model: ModelServer) -> None:
    model.mood = ""
    process, log = _start_clean(settings, place, model)
    try:
        with trio.move_on_after(CLEAN_RUN_SECONDS_MAX):
            while process.poll() is None:  # noqa: ASYNC110  # a process has no event to wait for
                await trio.sleep(0.05)
        if process.poll() != 0:
            raise FleetError(f"the run without faults failed: {log.read_text(errors='replace')[-500:]}")
    finally:
        process.kill()
        process.wait()


def _start_clean(settings: FleetSettings, place: Place, model: ModelServer) -> "tuple[subprocess.Popen[bytes], Path]":
    log = place.logs / "clean.log"
    with open(log, "wb") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "chaos.fleet.clean", str(place.root), *_overrides(settings, model)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
        )
    return process, log


def _overrides(settings: FleetSettings, model: ModelServer) -> tuple[str, ...]:
    """The settings of every service of the run."""
    common = (
        "extraction.min_rollout_idle_hours=0",
        "extraction.sources=cli",
        "backfill.rescan_seconds=1",
        "service.restart_seconds_max=1",
    )
    if Fault.MODEL not in settings.faults:
        return common
    return (
        *common,
        "extraction.model=responses",
        "extraction.max_rollouts_per_startup=1000000",
        "extraction.max_rollout_age_days=365",
        f"responses.base_url={model.url}",
        "responses.call_seconds_max=5",
        "responses.retries_max=0",
    )


def _report(
    settings: FleetSettings,
    place: Place,
    services: Sequence[Service],
    workload: Workload,
    inflictor: Inflictor,
    operators: Operators,
    operations: Sequence[Operation],
    settle_seconds: float,
    dead: set[str],
    violations: Sequence[str],
) -> FleetReport:
    told = [line for lines in checks.acknowledged(place).values() for line in lines]
    replies = [line["reply"] for line in told]
    return FleetReport(
        settings=settings,
        injected={fault.value: inflictor.counts[fault] for fault in sorted(settings.faults)},
        sessions=len(list(place.codex_home.glob("**/rollout-*.jsonl"))),
        lines=workload.lines,
        starts=sum(one.starts for one in services),
        refused_starts=inflictor.refused_starts,
        extractions_claimed=replies.count("ExtractionClaimed"),
        extractions_finished=replies.count("ExtractionFinished"),
        generations_published=replies.count("ConsolidationPublished"),
        refused_late=replies.count("NotOwner"),
        steals=_steals(told),
        commands_given=operators.given,
        commands_obeyed=_obeyed(operations),
        dead_letters=len(dead),
        deaths_by_poison=len(list(place.poisoned.iterdir())),
        operations_judged=len(operations),
        model_requests=inflictor.model.requests,
        settle_seconds=settle_seconds,
        ready_seconds=tuple(seconds for one in services for seconds in one.ready_seconds),
        recovery_seconds=tuple(seconds for one in services for seconds in one.recovery_seconds),
        violations=tuple(violations),
        folder=os.fspath(place.root) if settings.keep else "",
    )


def _steals(told: Sequence[dict[str, object]]) -> int:
    """Claims whose token never came to an end that was acknowledged: somebody else took the row over."""
    claimed = {line["token"] for line in told if line["reply"] in checks.CLAIMS}
    ended = {line["token"] for line in told if line["reply"] in checks.ENDS}
    return len(claimed - ended)


def _obeyed(operations: Sequence[Operation]) -> dict[str, int]:
    """How often a job was reopened or freed for an operator, as far as he was told."""
    names = {RetryJob: "retry", ReleaseJob: "release", StealJob: "steal"}
    obeyed = dict.fromkeys(names.values(), 0)
    for operation in operations:
        name = names.get(type(operation.request))
        if name is not None and isinstance(operation.answer, JobReopened | JobFreed):
            obeyed[name] += 1
    return obeyed
