"""Everything that is done to a disk under one seed, and the verdict."""

import tempfile
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from pathlib import Path

from chaos.disk.asked_store import less_durable
from chaos.disk.errors import Base, Trial, count_operations, every_fault, fail_everywhere, fill_everywhere
from chaos.disk.faults import ERRORS, Effect, Fault, Operation, Part
from chaos.disk.faulty import scratch_parent
from chaos.disk.openings import cut_migrations, cut_quarantine, fail_openings
from chaos.disk.power import Depth, cut_everywhere, record_failing, record_serving
from chaos.disk.processes import fail_processes
from chaos.disk.report import DiskReport, Scene
from chaos.disk.workload import Script, script
from state.folder import StateFolder

ROUNDS = 4
"""Of the script: about 36 batches, a dozen threads, several checkpoints."""

PROCESSES = 3

CONTROL_STRIDE = 5
"""Controls only have to find something, so they look at fewer points."""

RARE = frozenset({Operation.SYNC, Operation.TRUNCATE})
"""There are few of them, so each is tried, whatever the stride."""


class Chapter(StrEnum):
    """A part of the examination."""

    POWER = "power"
    """The power is cut at every moment."""
    ERRORS = "errors"
    """Operations fail."""
    FULL = "full"
    """The disk is full, at every write whatever the depth."""
    PROCESSES = "processes"
    """Several real processes on failing disks."""
    CONTROLS = "controls"
    """Stores and disks that cannot keep their promises."""


def examine_disk(
    seed: int,
    *,
    depth: Depth | None = None,
    rounds: int = ROUNDS,
    chapters: Collection[Chapter] = tuple(Chapter),
    processes: int = PROCESSES,
    on_scene: Callable[[Scene], None] | None = None,
) -> DiskReport:
    """Break a store's disk in every way, at every point, and hold the store to its answers.

    Everything happens in a temporary folder, in memory where the system has a place for it, and takes about two
    minutes at full depth.

    Args:
      seed: decides the script and which sectors survive. The same seed does the same.
      depth: how much is tried; everything unless it says less.
      chapters: what is done; everything unless it names less.
      processes: how many of them share one database. What the machine makes of these differs from run to run.
      on_scene: told of each scene when it is done.
    """
    depth = depth or Depth()
    scenes = []
    again = f"memoryd chaos disk --seed {seed} --images {depth.some} --stride {depth.stride}"
    if set(chapters) != set(Chapter):
        again += f" --only {','.join(chapters)}"
    if processes != PROCESSES:
        again += f" --processes {processes}"
    with tempfile.TemporaryDirectory(prefix="memoryd-disk-", dir=scratch_parent()) as folder:
        for scene in _scenes(seed, Path(folder), script(seed, rounds), depth, chapters, processes):
            scenes.append(scene)
            if on_scene is not None:
                on_scene(scene)
    return DiskReport(seed, tuple(scenes), again)


def _scenes(
    seed: int, root: Path, whole: Script, depth: Depth, chapters: Collection[Chapter], processes: int
) -> Iterator[Scene]:
    half = len(whole) // 2
    parts = (whole[:half], whole[half:])
    if Chapter.POWER in chapters:
        yield from _power_cuts(seed, root, whole, parts, depth)
    if Chapter.ERRORS in chapters:
        yield from _errors(root, whole, depth)
    if Chapter.FULL in chapters:
        yield from _full(_made(root / "no room"), whole)
    if Chapter.PROCESSES in chapters:
        scene = Scene(f"{processes} processes, any error")
        fail_processes(scene, _made(root / "processes"), seed=seed, processes=processes)
        yield scene
    if Chapter.CONTROLS in chapters:
        yield from _controls(seed, root, parts, Depth(some=depth.some, stride=max(depth.stride, CONTROL_STRIDE)))


def _power_cuts(seed: int, root: Path, whole: Script, parts: tuple[Script, ...], depth: Depth) -> Iterator[Scene]:
    yield _power(Scene("power cut"), root / "full", seed, parts, depth)
    yield _power_after_failed_sync(root / "synced", seed, whole[: len(whole) * 3 // 4], depth)
    scene = Scene("power cut, migrating")
    cut_migrations(scene, _made(root / "migrations"), seed=seed, depth=depth)
    yield scene
    scene = Scene("power cut, quarantine")
    cut_quarantine(scene, _made(root / "quarantine"), seed=seed)
    yield scene


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _power(
    scene: Scene,
    root: Path,
    seed: int,
    parts: tuple[Script, ...],
    depth: Depth,
    *,
    level: str | None = None,
    lies: tuple[Fault, ...] = (),
) -> Scene:
    wrap = None if level is None else lambda vfs: less_durable(level, vfs)
    recording = record_serving(StateFolder(path=_made(root) / "state"), parts, wrap=wrap, lies=lies)
    cut_everywhere(scene, recording, root, seed=seed, depth=depth)
    return scene


def _power_after_failed_sync(root: Path, seed: int, whole: Script, depth: Depth) -> Scene:
    """A sync fails, once or for good, and then the power goes: what the sync should have kept may never arrive."""
    scene = Scene("sync fails, then power cut")
    base = Base(_made(root), Trial(before=(), during=whole, after=()), is_closed=True)
    counts = count_operations(base)
    for number, fault in enumerate(every_fault(counts, Operation.SYNC, Effect.FAIL, Depth())):
        recording = record_failing(StateFolder(path=root / f"state-{number}"), whole, fault)
        cut_everywhere(scene, recording, root, seed=seed, depth=depth)
    return scene


def _errors(root: Path, whole: Script, depth: Depth) -> Iterator[Scene]:
    killed = Base(_made(root / "killed"), Trial.of(whole))
    for operation, effect in ERRORS:
        if effect is Effect.FULL:
            continue
        scene = Scene(f"{operation} {effect}")
        every = Depth() if operation in RARE else depth
        fail_everywhere(scene, killed, operation=operation, effect=effect, depth=every)
        yield scene
    scene = Scene("any error, opening")
    for operation, effect in ERRORS:
        every = Depth() if operation in RARE else depth
        fail_openings(scene, _made(root / f"{operation}-{effect}"), operation=operation, effect=effect, depth=every)
    yield scene


def _full(root: Path, whole: Script) -> Iterator[Scene]:
    """No room at any write, once and until there is some; and room for so many bytes more, until all fits."""
    scene = Scene("full at every write", is_full_disk=True)
    killed = Base(_made(root / "killed"), Trial.of(whole))
    fail_everywhere(scene, killed, operation=Operation.WRITE, effect=Effect.FULL, depth=Depth())
    yield scene
    scene = Scene("disk fills up", is_full_disk=True)
    fill_everywhere(scene, Base(_made(root / "closed"), Trial.of(whole), is_closed=True), depth=Depth())
    yield scene


def _controls(seed: int, root: Path, parts: tuple[Script, ...], depth: Depth) -> Iterator[Scene]:
    """Stores and disks that cannot keep their promises: if nothing is found here, nothing could be found above."""
    for level in ("NORMAL", "OFF"):
        scene = Scene(f"power cut, synchronous={level}", expects_loss=True)
        yield _power(scene, root / level, seed, parts, depth, level=level)
    for name, part in (("all", None), ("the log's", Part.LOG), ("the checkpoint's", Part.DATABASE)):
        lie = Fault(operation=Operation.SYNC, effect=Effect.LIE, times=None, part=part)
        scene = Scene(f"power cut, {name} syncs are lies", expects_loss=True)
        yield _power(scene, root / f"lies {name}", seed, parts, depth, lies=(lie,))
