"""One seed, from its first instant to its verdict."""

import contextlib
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import attrs
import trio
import trio.lowlevel

from chaos.bugs import Bug, planted
from chaos.laws import BrokenLaw
from chaos.simulator.clock import JumpingClock, Machine
from chaos.simulator.disk import simulated_disk
from chaos.simulator.faults import Fault, draw
from chaos.simulator.leash import Leash
from chaos.simulator.nemesis import Nemesis
from chaos.simulator.seams import enclosed, seeded
from chaos.simulator.settled import difference_from_a_run_without_faults, strange_tools, unpublished, unsettled
from chaos.simulator.workload import Workload
from chaos.simulator.world import Counted, World
from chaos.story import Event
from config.settings import EXTRACTION_LEASE_MS
from state.clock import machine_clock
from state.folder import StateFolder, try_lock
from state.opening import open_for_writing
from state.rules.backoff import BACKOFF_MS_MAX

MEMORY_DISK = Path("/dev/shm")
"""Where syncs cost nothing, on Linux. What a power cut may lose of SQLite's files is known to the simulated disk; all
other files lose nothing that was written."""

SETTLE_SECONDS_MAX = EXTRACTION_LEASE_MS / 1000 + BACKOFF_MS_MAX / 1000 + 300.0
"""With faults over, everything is done within the longest lease, the longest back-off, and the work itself."""

POLL_SECONDS = 5.0
PUBLISH_SECONDS_MAX = BACKOFF_MS_MAX / 1000 + 120.0
"""The publishing worker looks twice before it publishes, once a minute at what it wrote, and backs off like others."""

FOLDERS_MAX = 1_000

COLLECT_EVERY = (100_000, 50, 1_000)
"""Of Python's collector of cycles, in a run: a long one holds still some ten megabytes of them at most."""

_CODEX_CONFIG = '[features]\nmemories = true\n[memories]\nversion = "v1"\n'
"""What has memories published where the check looks for them."""


@attrs.frozen(kw_only=True)
class Scenario:
    """What is run.

    Attributes:
      seconds: simulated seconds in which things happen and go wrong; what it takes to settle comes on top.
      kept: which of the faults that the seed draws are inflicted, by their numbers from 1; None: all.
      bug: a defect to plant; None: memoryd as it is.
    """

    seed: int
    services: int = 2
    seconds: float = 120.0
    kept: tuple[int, ...] | None = None
    bug: Bug | None = None

    def faults(self) -> tuple[tuple[int, Fault], ...]:
        """The faults that are inflicted, with their numbers."""
        drawn = enumerate(draw(self.seed, services=self.services, seconds=self.seconds), start=1)
        return tuple((number, fault) for number, fault in drawn if self.kept is None or number in self.kept)


@attrs.frozen(kw_only=True)
class Verdict:
    """How a run ended.

    Attributes:
      broken: the law that did not hold, or None.
      digest: of everything that happened; equal for two runs of one scenario.
      settled_after_seconds: how long after the end of the faults everything was done.
    """

    scenario: Scenario
    broken: BrokenLaw | None
    digest: str
    goals: dict[str, int]
    counted: Counted
    settled_after_seconds: float
    last_events: tuple[Event, ...]


@contextmanager
def disk() -> Iterator[Path]:
    """A folder for simulations, removed at the end. Its name is as long, and as dull, each time.

    Where an earlier one was killed its folder is used again: the lock on it is free.
    """
    base = MEMORY_DISK if os.access(MEMORY_DISK, os.W_OK) else Path(tempfile.gettempdir())
    for number in range(FOLDERS_MAX):
        root = base / f"memoryd-simulation-{os.geteuid()}-{number:04d}"
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o700)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not try_lock(descriptor, exclusive=True):
                continue
            for leftover in root.iterdir():
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            try:
                yield root
            finally:
                shutil.rmtree(root, ignore_errors=True)
            return
        finally:
            os.close(descriptor)
    raise FileExistsError(f"{FOLDERS_MAX} simulations are at work in {base}")


def simulate(scenario: Scenario, root: Path, *, events_per_service: int = 25) -> Verdict:
    """Run a scenario in a folder from `disk`, whose earlier contents are lost.

    The same scenario gives the same verdict. Not beside another one in the same process.
    """
    machine = Machine(JumpingClock())
    _clear(root)
    _make_database(root)
    with seeded(scenario.seed), planted(scenario.bug), _seldom_collected():
        return trio.run(_run, scenario, root, machine, events_per_service, clock=machine.clock, instruments=[Leash()])


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let Python look for cycles now and then only: a run leaves few, and each search costs time."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _run(scenario: Scenario, root: Path, machine: Machine, events_per_service: int) -> Verdict:
    world = World(root, scenario.seed, machine)
    faults = [fault for _, fault in scenario.faults()]
    with simulated_disk(world, scenario.seed) as world.disk, enclosed(world):
        world.begin()
        try:
            settled_after = await _until_over(world, scenario, faults)
        finally:
            world.reader.close()
    return Verdict(
        scenario=scenario,
        broken=world.broken,
        digest=world.story.digest(),
        goals=dict(world.goals.counts),
        counted=Counted(
            steps=world.steps,
            steps_under_faults=world.steps_under_faults,
            commits_judged=world.commits_judged,
            active_seconds=world.active_seconds,
            simulated_seconds=machine.clock.current_time() * scenario.services,
            calls=len(world.history.calls),
        ),
        settled_after_seconds=settled_after,
        last_events=world.story.last(events_per_service),
    )


async def _until_over(world: World, scenario: Scenario, faults: Sequence[Fault]) -> float:
    settled_after = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_when_over, world, nursery.cancel_scope)
        nemesis = Nemesis(world)
        async with trio.open_nursery() as trouble:
            for service in range(1, scenario.services + 1):
                nursery.start_soon(nemesis.keep, service, nursery)
            await trio.lowlevel.checkpoint()
            for fault in faults:
                trouble.start_soon(nemesis.inflict, fault)
            workload = Workload(world.codex_home, world.machine, world.story, scenario.seed)
            await workload.run(scenario.seconds)
            # A freeze is left to its end: what wakes up after its lease is what it is for.
            await nemesis.until_thawed()
            await nemesis.until_visitors_left()
            trouble.cancel_scope.cancel()
        nemesis.make_peace()
        workload.finish()
        settled_after = await _settle(world)
        if world.broken is None:
            await _compare(world)
        # The judge of histories knows no clock that somebody moves, and no job that moves with its thread.
        if world.broken is None and not workload.has_moved and not any(fault.kind == "wall" for fault in faults):
            impossible = world.history.answers.judge(world.rows())
            if impossible is not None:
                world.break_law("what_was_answered_makes_sense", impossible)
        for life in world.lives.values():
            if world.broken is None and not life.ended.is_set():
                await nemesis.stop(life)
        for life in world.lives.values():
            life.die("the end")
        nursery.cancel_scope.cancel()
    return settled_after


async def _cancel_when_over(world: World, scope: trio.CancelScope) -> None:
    await world.over.wait()
    for life in world.lives.values():
        life.die("the end")
    scope.cancel()


async def _settle(world: World) -> float:
    began = trio.current_time()
    while (left := unsettled(world)) is not None:
        passed = trio.current_time() - began
        if passed > SETTLE_SECONDS_MAX:
            world.break_law("everything_settles", f"{passed:.0f} s after the last fault {left}")
            await trio.sleep_forever()
        await trio.sleep(POLL_SECONDS)
    return trio.current_time() - began


async def _compare(world: World) -> None:
    found = await difference_from_a_run_without_faults(world)
    give_up_at = trio.current_time() + PUBLISH_SECONDS_MAX
    while found is None and (late := unpublished(world)) is not None:
        if trio.current_time() >= give_up_at:
            found = late
        await trio.sleep(POLL_SECONDS)
    if found is not None:
        world.break_law("it_ends_as_without_faults", found)
    elif (strange := strange_tools(world)) is not None:
        world.break_law("a_thread_has_its_files_tools", strange)


def _clear(root: Path) -> None:
    for name in ("codex", "state", "without-faults", "after-power-cut"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "codex" / "sessions").mkdir(parents=True)
    (root / "codex" / "config.toml").write_text(_CODEX_CONFIG, encoding="utf-8")


def _make_database(root: Path) -> None:
    """Put an empty, migrated database in its place; made once, and copied then."""
    template = root / "template.sqlite"
    folder = StateFolder(path=root / "state")
    if not template.exists():
        opened = open_for_writing(folder, str(root / "codex"), machine_clock)
        opened.long_reads.close()
        opened.group_commit.close()
        opened.locks.close()
        connection = apsw.Connection(str(folder.database))
        connection.execute("DELETE FROM processes")
        connection.close()
        shutil.copyfile(folder.database, template)
        shutil.rmtree(folder.path)
    folder.path.mkdir(mode=0o700)
    shutil.copyfile(template, folder.database)
