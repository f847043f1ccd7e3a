"""The disk of the simulated machine: below every connection of a service, and worse than the real one now and then.

It is `chaos.disk`'s VFS over the real files, so locks and the index of the log are SQLite's own, also among services
that share one process. What it is asked decides when something goes wrong: the n-th write from now, the next sync. What
changes is played to a `chaos.disk` medium at once, so that a power cut may leave what a disk may.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import attrs
import trio

from chaos.disk.asked_store import small_checkpoints
from chaos.disk.faults import Effect, Operation, Part
from chaos.disk.faulty import FaultyDisk
from chaos.disk.medium import Files, Medium, Survival
from chaos.disk.power import CHECKPOINT_FRAMES
from chaos.disk.recording import Event, Recorder
from chaos.simulator.life import LIFE, Killed, Life
from chaos.simulator.turns import TURNS

if TYPE_CHECKING:
    from chaos.simulator.world import World

FAILURES: dict[str, tuple[Operation, Effect]] = {
    "write failed": (Operation.WRITE, Effect.FAIL),
    "short write": (Operation.WRITE, Effect.SHORT),
    "sync failed": (Operation.SYNC, Effect.FAIL),
    "read failed": (Operation.READ, Effect.FAIL),
    "truncation failed": (Operation.TRUNCATE, Effect.FAIL),
}
"""What an operation of a service may meet. See `chaos.disk` on reads that are short and say nothing."""


@attrs.define
class Failure:
    """Operations that will fail.

    Attributes:
      service: whose.
      left: how many operations of the kind still go well.
      times: how many fail then; None for all until it is taken back.
    """

    what: str
    service: int
    left: int
    times: int | None

    def strikes(self, service: int, operation: Operation) -> bool:
        """Count an operation; say whether it fails."""
        if service != self.service or operation is not FAILURES[self.what][0] or self.times == 0:
            return False
        if self.left > 0:
            self.left -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@attrs.define
class PowerCut:
    """A power cut to come, whoever asks the disk for something then.

    Attributes:
      left: before the how-manieth operation that changes a file.
      is_at_sync: count syncs alone, before which the most is under way.
    """

    left: int
    is_at_sync: bool
    survival: Survival
    begins: Callable[[], None]
    done: trio.Event = attrs.field(factory=trio.Event)

    def concerns(self, operation: Operation) -> bool:
        """Say whether it counts this operation."""
        return operation is Operation.SYNC if self.is_at_sync else operation is not Operation.READ


class _Player(Recorder):
    """Plays every change to a medium."""

    def __init__(self, files: Files) -> None:
        super().__init__()
        self.medium = Medium(files)

    def take(self, event: Event) -> None:
        self.medium.play(event)


class SimulatedDisk(FaultyDisk):
    """One machine's disk. Attributes: failures: what will go wrong; cut: the power cut to come."""

    def __init__(self, world: "World", seed: int) -> None:
        self.failures: list[Failure] = []
        self.cut: PowerCut | None = None
        self._world = world
        self._rng = random.Random(f"power {seed}")
        super().__init__("simulated-disk")
        self.holds(files_of(world.state_dir))

    @property
    def medium(self) -> Medium:
        """What is on the disk for certain, and what is under way."""
        assert isinstance(self.recorder, _Player)
        return self.recorder.medium

    def holds(self, files: Files) -> None:
        """Begin with these files, which are there. What is still open of earlier ones does not count any more."""
        self.recorder = _Player(files)
        self._sizes.clear()

    @property
    def is_disturbed(self) -> bool:
        """Something is wrong with it, or soon will be."""
        return self.room_bytes is not None or self.cut is not None or any(one.times != 0 for one in self.failures)

    def is_well(self) -> None:
        """Let nothing go wrong any more."""
        self.recover()
        self.failures.clear()
        self.cut = None

    def image(self, survival: Survival) -> Files:
        """What a power cut now leaves."""
        return self.medium.image(survival, self._rng)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - the name that SQLite knows
        file = super().xOpen(name, flags)
        path = Path((name.filename() if isinstance(name, apsw.URIFilename) else name) or "")
        if str(path) in self._sizes and not self.medium.knows(path.name):
            # Whoever only looks at the rows came first, and made it.
            assert self.recorder is not None
            self.recorder.created(path.name)
        return file

    def effect_on(self, operation: Operation, part: Part) -> Effect | None:
        """Say what becomes of an operation of the service whose turn it is.

        Raises:
          Killed: the power goes before it.
        """
        life = LIFE.get()
        if life is None or life.is_dead:
            return None
        # A batch with a thread of its own is beside the event loop; like every death, the cut waits for the next one.
        if self.cut is not None and self.cut.concerns(operation) and TURNS.get() is None:
            self.cut.left -= 1
            if self.cut.left <= 0:
                self._cut(self.cut, life)
                raise Killed
        for failure in self.failures:
            if failure.strikes(life.service, operation):
                self._world.goals.hit(f"disk: {failure.what}")
                self._world.story.tell(life.name, f"disk: {failure.what} ({part})")
                return FAILURES[failure.what][1]
        return None

    def _cut(self, cut: PowerCut, life: Life) -> None:
        """Cut the power in the middle of what this service does, which is nobody's doing."""
        before, life.in_sqlite = life.in_sqlite, True
        nobody = LIFE.set(None)
        try:
            self._world.cut_power(cut, life)
        except Exception as error:
            # SQLite would take it for an error of the disk.
            self._world.crash = error
            self._world.break_law("a_power_cut_can_be_judged", repr(error))
        finally:
            LIFE.reset(nobody)
            life.in_sqlite = before

    def room_for(self, path: str, end: int) -> int:
        """How far a write that ends there may go."""
        reaches = super().room_for(path, end)
        if reaches < end:
            self._world.goals.hit("disk: full")
        return reaches


def files_of(folder: Path) -> Files:
    """The database in a folder and its log; not the log's index, which is memory."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("state.sqlite*")) if path.suffix != _INDEX}


_INDEX = ".sqlite-shm"


@contextmanager
def simulated_disk(world: "World", seed: int) -> Iterator[SimulatedDisk]:
    """Have a disk below the services of a world for the block."""
    disk = SimulatedDisk(world, seed)
    try:
        with small_checkpoints(disk.name, CHECKPOINT_FRAMES):
            yield disk
    finally:
        disk.is_well()
        disk.unregister()
