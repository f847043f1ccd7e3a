"""One life of a simulated service: from its start to its orderly stop or to the instruction at which it dies.

A dead service runs no clean-up that counts: its tasks are cancelled, and whatever they still try to ask, to write or to
lock raises `Killed`. What the operating system does for a dead process is done at once: its locks are free, its
database connections are gone and whatever they had not committed with them, and its files stay as they are.
"""

import contextlib
import fcntl
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
import attrs
import trio

import supervisor
from chaos.operations import Moment
from chaos.simulator.faulty_sql import SqlFault
from chaos.simulator.turns import TURNS
from state.actor import Actor, Server
from state.connection import close_untouched
from state.errors import StateFolderError
from state.folder import StateFolder
from state.ids import Instant, ProcessUuid
from state.store import StateHandle, open_store

if TYPE_CHECKING:
    from chaos.simulator.store import SimulatedActor
    from chaos.simulator.world import World

LIFE: "ContextVar[Life | None]" = ContextVar("LIFE", default=None)
"""Whose task is running; a task inherits it from the one that starts it. None: the simulation's own."""

BUSY_DEADLINE_MS = 40
"""How long a simulated store waits for a lock that a living one holds in the middle of a transaction."""


_flock = fcntl.flock
"""The operating system's own; what is called by that name while a simulation runs asks the service first."""


class Killed(BaseException):
    """The service is dead. No `except Exception` of the program may see it."""


@attrs.define
class Doom:
    """A death to come: at the `left`-th step of a kind, counted while the service is at a work.

    Attributes:
      point: "await" (a task goes on), "statement" (before one of SQL), "file" (before a change of a file), "reply"
        (committed, and not yet answered).
      during: "anything", or what must be at work: "backfill", "extraction", "consolidation", "publishing".
    """

    point: str
    left: int
    during: str = "anything"


@attrs.define
class Nap:
    """A freeze to come in the middle of a transaction that writes: before its `left`-th statement from then on."""

    left: int
    began: trio.Event = attrs.field(factory=trio.Event)


class Life:
    """One simulated process. `run` is its whole life.

    Attributes:
      at_work: what it holds or does now, by kind: of backfill, extraction, consolidation, publishing.
      changed: tables that it wrote since somebody looked.
      is_disturbed: a fault is at work on it, so that it may be slower than it has to be.
      is_calm: it stands for a run without faults; nobody watches it.
      is_prompt: its requests are served and answered at once.
      has_lost_power: it died with the machine; what that left is judged for all services at once.
    """

    def __init__(
        self, world: "World", service: int, number: int, *, state_dir: Path | None = None, is_calm: bool = False
    ) -> None:
        self.world = world
        self.state_dir = state_dir or world.state_dir
        self.is_calm = is_calm
        self.is_prompt = False
        self.batch_began: Moment | None = None
        self.thawed = trio.Event()
        self.thawed.set()
        self.service = service
        self.name = f"s{service}.{number}"
        self.process = ProcessUuid("")
        self.is_frozen = False
        self.is_dead = False
        self.has_lost_power = False
        self.is_disturbed = False
        self.doom: Doom | None = None
        self.nap: Nap | None = None
        self.sql_faults: list[SqlFault] = []
        self.file_faults: list[OSError] = []
        self.store_seconds = self.slow_until = 0.0
        self.claims: dict[str, str] = {}
        self.publishing = False
        self.changed: set[str] = set()
        self.connections: list[apsw.Connection] = []
        self.locks: set[int] = set()
        self.actors: list[SimulatedActor] = []
        self.active_second = -1
        self.in_sqlite = False
        self._parked: list[trio.lowlevel.Task] = []
        self._scope = trio.CancelScope()
        self.stop_scope = trio.CancelScope()
        self.nursery: trio.Nursery
        self.ended = trio.Event()

    @property
    def at_work(self) -> set[str]:
        return set(self.claims.values()) | ({"publishing"} if self.publishing else set())

    def clock(self) -> Instant:
        """The machine's clocks, as this service reads them."""
        return self.world.service_clock()

    # --- its steps ------------------------------------------------------------------------------------------------

    def on_await(self) -> None:
        """One of its tasks goes on."""
        if not self.is_dead:
            self.step("await")

    def step(self, point: str) -> None:
        """Take one step, which may be its last; raises `Killed` from then on."""
        if self.is_dead:
            raise Killed
        self.world.on_step(self)
        # Whoever dies must do so in the event loop, so nobody does within work that takes turns with it.
        doom = self.doom if TURNS.get() is None else None
        if doom is None or doom.point != point or (doom.during != "anything" and doom.during not in self.at_work):
            return
        doom.left -= 1
        if doom.left <= 0:
            self.world.goals.hit(f"died at {'an' if point == 'await' else 'a'} {point}")
            self.die("crash")
            if point != "await":
                raise Killed

    def on_written_statement(self) -> None:
        """It is about to run a statement of a transaction that writes; here it may be frozen, or find itself dead."""
        turns = TURNS.get()
        if turns is None or self.nap is None:
            return
        self.nap.left -= 1
        if self.nap.left > 0:
            return
        turns.rest()
        if self.is_dead:
            raise Killed

    def on_file(self, what: str) -> None:
        """It is about to change a file."""
        self.step("file")
        if self.file_faults:
            error = self.file_faults.pop(0)
            self.world.goals.hit("a file could not be changed")
            self.world.story.tell(self.name, f"{what} fails: {error.strerror}")
            raise error

    # --- freezing and dying ---------------------------------------------------------------------------------------

    def park(self, task: trio.lowlevel.Task) -> None:
        """Keep a task that wanted to go on until the service is thawed."""
        self._parked.append(task)

    def freeze(self) -> None:
        """Let none of its tasks go on."""
        if not self.is_frozen:
            self.is_frozen = True
            self.thawed = trio.Event()

    def thaw(self) -> None:
        """Let its tasks go on where they were."""
        self.is_frozen = False
        self.thawed.set()
        parked, self._parked = self._parked, []
        for task in parked:
            trio.lowlevel.reschedule(task)

    def die(self, how: str) -> None:
        """End it at this instruction."""
        if self.is_dead or self.ended.is_set():
            return
        self.world.story.tell(self.name, f"dies ({how}) while at {', '.join(sorted(self.at_work)) or 'nothing'}")
        for work in sorted(self.at_work) or ["nothing"]:
            self.world.goals.hit(f"died in {work}")
        self.is_dead = True
        self.world.history.died(self)
        self.world.free_locks(self)
        if not self.in_sqlite:
            self.close_connections()
            self.world.observe(self, crashed=True)
        for actor in self.actors:
            actor.sever(Killed())
        self._scope.cancel()
        self.thaw()

    def close_connections(self) -> None:
        """Drop its connections as the end of a process does: nothing is moved out of the log, nothing is committed."""
        connections, self.connections = self.connections, []
        for connection in connections:
            with contextlib.suppress(apsw.Error):
                close_untouched(connection)

    # --- its life -------------------------------------------------------------------------------------------------

    def start_actor(self, server: Server, name: str) -> Actor:
        """Start one of its two stores' tasks."""
        from chaos.simulator.store import SimulatedActor

        actor = SimulatedActor(server, name, self)
        self.actors.append(actor)
        self.nursery.start_soon(actor.run)
        return actor

    async def run(self, serve: Callable[[StateHandle], Any] | None = None) -> None:
        """Live until it dies or is stopped in good order.

        Args:
          serve: what it does with its store; None: what the service does.
        """
        LIFE.set(self)
        with _Ending(self), self._scope:
            async with trio.open_nursery() as self.nursery:
                with self.stop_scope:
                    await self._live(serve or self._serve)
                self.nursery.cancel_scope.cancel()

    def has_ended(self, error: BaseException | None) -> bool:
        """Leave nothing behind; say whether what it raised last means nothing, because it was dead."""
        if not self.is_dead:
            self.world.story.tell(self.name, "has stopped")
        self.close_connections()
        self.world.free_locks(self)
        self.ended.set()
        if self.is_dead:
            self.world.observe(self, crashed=True)
        return error is not None and self.is_dead and not _holds(error, KeyboardInterrupt)

    async def _live(self, serve: Callable[[StateHandle], Any]) -> None:
        world = self.world
        folder = StateFolder(path=self.state_dir)
        try:
            async with open_store(
                folder,
                str(world.codex_home),
                clock=self.clock,
                inline=True,
                busy_deadline_ms=BUSY_DEADLINE_MS,
                start=self.start_actor,
                vfs=None if self.is_calm else world.disk.name,
            ) as handle:
                self.process = handle.process
                await serve(handle)
        except StateFolderError as error:
            # It may be busy or broken on purpose: a person would start it again.
            world.story.tell(self.name, f"could not open its store: {error}")
            world.goals.hit("a store could not be opened")

    async def _serve(self, handle: StateHandle) -> None:
        world = self.world
        broken = await supervisor.serve(
            handle,
            world.paths,
            world.settings,
            workers=world.workers,
            ready=lambda: world.story.tell(self.name, "ready"),
        )
        if broken is not None:
            world.story.tell(self.name, f"ends: the store cannot go on: {broken}")
            world.goals.hit("a store that broke ended its service")


class _Ending:
    """Around a whole life."""

    def __init__(self, life: Life) -> None:
        self._life = life

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        return self._life.has_ended(error)


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(kind)[0] is not None
    return isinstance(error, kind)


def unlock(descriptor: int) -> None:
    """Let go of a lock as the end of its process does; its descriptor stays open, since its owner may close it yet."""
    with contextlib.suppress(OSError):
        _flock(descriptor, fcntl.LOCK_UN)
