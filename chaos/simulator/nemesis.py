"""Inflicts faults on a world, and ends them all when there is to be peace."""

import errno
from collections.abc import Iterable

import trio

from chaos.disk.medium import Survival
from chaos.simulator.disk import Failure, PowerCut
from chaos.simulator.faults import Fault
from chaos.simulator.faulty_sql import SqlFault
from chaos.simulator.life import Doom, Life, Nap
from chaos.simulator.visits import visit
from chaos.simulator.world import GRACE_SECONDS, World
from chaos.step import LEASE_MS

_ERRNO = {"No space left on device": errno.ENOSPC, "Input/output error": errno.EIO}

_OF_THE_MACHINE = ("wall", "model", "reboot", "disk", "full disk", "power")
"""What strikes whether a service is there or not."""

REST_SECONDS = 3.0
"""How soon a service that ended by itself is started again."""


WAIT_SECONDS_MAX = 40.0
"""How long a fault lies in wait for somebody to be at work."""


class Nemesis:
    """What goes wrong, and who starts again what has ended."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rest: dict[int, float] = {}
        self._awaited: set[int] = set()
        self.is_peace = False
        self._visitors = 0
        self._nobody_visits = trio.Event()
        self._nobody_visits.set()

    async def keep(self, service: int, nursery: trio.Nursery) -> None:
        """Start a service, and again whenever it has ended."""
        world = self._world
        number = 0
        while True:
            number += 1
            life = world.lives[service] = Life(world, service, number)
            world.story.tell(life.name, "starts")
            nursery.start_soon(self._live, life)
            await life.ended.wait()
            rest = self._rest.pop(service, REST_SECONDS)
            await trio.sleep(0.1 if self.is_peace else rest)

    async def _live(self, life: Life) -> None:
        try:
            await life.run()
        except Exception as error:
            self._world.crash = error
            self._world.break_law("a_service_ends_only_when_it_is_told_to", f"{life.name} ended with {error!r}")

    async def inflict(self, fault: Fault) -> None:
        """Do what a fault says, when its time has come. Returns when it is over, if it takes its time."""
        await trio.sleep_until(fault.at_seconds)
        world = self._world
        if fault.kind == "visit":
            world.story.tell("fault", str(fault))
            await self._visit(fault)
            return
        life = world.lives[fault.service]
        if fault.kind not in _OF_THE_MACHINE and (life.is_dead or life.ended.is_set()):
            world.story.tell("fault", f"s{fault.service} is not there: {fault.kind} is left out")
            return
        if fault.kind in ("freeze", "wall") and fault.during != "anything":
            await self._until_at_work([life] if fault.kind == "freeze" else world.lives.values(), fault.during)
            if life.is_dead or life.ended.is_set():
                return
        world.story.tell("fault", str(fault))
        match fault.kind:
            case "crash":
                self._rest[fault.service] = fault.rest_seconds
                life.doom = Doom(fault.detail, int(fault.amount), fault.during)
            case "stop":
                self._rest[fault.service] = fault.rest_seconds
                await self.stop(life)
            case "freeze":
                if fault.detail == "transaction":
                    await self._until_in_a_transaction(life, Nap(left=int(fault.rest_seconds) % 7 + 1))
                    if life.is_dead or life.ended.is_set():
                        return
                await self._freeze(life, fault.amount)
            case "reboot":
                self._reboot(fault.rest_seconds)
            case "wall":
                world.machine.wall_shift_ms += round(fault.amount * 1000)
                world.goals.hit("the wall clock went ahead" if fault.amount > 0 else "the wall clock went back")
            case "sql":
                life.sql_faults.append(SqlFault(fault.detail, int(fault.amount)))
            case "file":
                life.file_faults.append(OSError(_ERRNO[fault.detail], fault.detail))
            case "disk":
                await self._fail_disk(fault)
            case "full disk":
                world.disk.room_bytes = world.disk.used_bytes + int(fault.amount)
                await trio.sleep(fault.rest_seconds)
                world.disk.room_bytes = None
            case "power":
                await self._cut_power(fault)
            case "slow disk":
                life.store_seconds, life.is_disturbed = fault.amount, True
                # A batch that began at the very end of it still takes so much longer.
                life.slow_until = trio.current_time() + fault.rest_seconds + fault.amount
                await trio.sleep(fault.rest_seconds)
                life.store_seconds, life.is_disturbed = 0.0, False
            case "model":
                world.model.mood = fault.detail
                await trio.sleep(fault.amount)
                world.model.mood = ""

    async def _until_at_work(self, lives: Iterable[Life], what: str) -> None:
        """Lie in wait until one of them is at this work; not for ever."""
        with trio.move_on_after(WAIT_SECONDS_MAX):
            while not any(what in life.at_work and not life.is_dead for life in lives):
                await self._world.claimed.wait()

    async def stop(self, life: Life) -> None:
        """Stop a service as a signal does: in good order, or at once when it takes too long."""
        world = self._world
        if life.claims:
            world.goals.hit("stopped in good order while at work")
        life.stop_scope.cancel()
        was_disturbed = life.is_frozen or trio.current_time() < life.slow_until or self._is_excused(life)
        with trio.move_on_after(GRACE_SECONDS):
            await life.ended.wait()
        if life.is_dead:
            return
        excused = was_disturbed or self._is_excused(life)
        if not life.ended.is_set():
            if not excused:
                world.break_law("a_stop_is_in_time", f"{life.name} did not stop within {GRACE_SECONDS:.0f} s")
            life.die("did not stop in time")
            return
        held = [key for key, lease in world.rows().leases.items() if lease.process == life.process]
        if held and not excused:
            world.break_law("a_stop_leaves_no_lease", f"{life.name} has stopped and still holds {held}")

    def _is_excused(self, life: Life) -> bool:
        """Whether something is wrong now that may keep a service from stopping in good order."""
        return bool(life.sql_faults or self._world.is_locked or self._world.disk.is_disturbed)

    async def _until_in_a_transaction(self, life: Life, nap: Nap) -> None:
        """Lie in wait until a service is frozen in the middle of one; not for ever."""
        life.nap = nap
        with trio.move_on_after(WAIT_SECONDS_MAX):
            await nap.began.wait()
        life.nap = None

    async def _freeze(self, life: Life, seconds: float) -> None:
        world = self._world
        life.freeze()
        await trio.sleep(seconds)
        if life.is_dead or not life.is_frozen:
            return
        if any(seconds * 1000 > LEASE_MS[kind] for kind in life.claims.values()):
            world.goals.hit("frozen past its lease")
        world.story.tell(life.name, f"is thawed after {seconds:.0f} s")
        life.thaw()

    async def _visit(self, fault: Fault) -> None:
        self._visitors += 1
        if self._visitors == 1:
            self._nobody_visits = trio.Event()
        try:
            await visit(self._world, fault.service, tuple(fault.detail.split(", ")))
        except Exception as error:
            self._world.crash = error
            self._world.break_law("a_visitor_is_answered", f"visitor {fault.service} ended with {error!r}")
        finally:
            self._visitors -= 1
            if not self._visitors:
                self._nobody_visits.set()

    async def until_visitors_left(self) -> None:
        """Wait until whoever came to visit is gone."""
        await self._nobody_visits.wait()

    async def until_thawed(self) -> None:
        """Wait until nobody is frozen any more."""
        for life in list(self._world.lives.values()):
            await life.thawed.wait()

    async def _fail_disk(self, fault: Fault) -> None:
        """Let operations of a service fail: one, or all for a while, whichever life asks."""
        is_once = fault.during == "once"
        failure = Failure(fault.detail, fault.service, int(fault.amount), 1 if is_once else None)
        self._world.disk.failures.append(failure)
        if not is_once:
            await trio.sleep(fault.rest_seconds)
            failure.times = 0

    async def _cut_power(self, fault: Fault) -> None:
        """Cut the power at an operation of the disk; when nobody uses it for long, between two."""
        world = self._world

        def begins() -> None:
            self._rest.update(dict.fromkeys(world.lives, fault.rest_seconds))

        cut = world.disk.cut = PowerCut(int(fault.amount), fault.during == "sync", Survival(fault.detail), begins)
        with trio.move_on_after(WAIT_SECONDS_MAX):
            await cut.done.wait()
        if not cut.done.is_set():
            world.cut_power(cut, None)

    def _reboot(self, rest_seconds: float) -> None:
        world = self._world
        for service, life in world.lives.items():
            self._rest[service] = rest_seconds
            if not life.is_dead and not life.ended.is_set():
                world.goals.hit("died by a restart of the machine")
                life.die("the machine restarts")
        world.machine.reboot()

    def make_peace(self) -> None:
        """End every fault: what is frozen goes on, what is dead comes back, clocks are right, and the model is well."""
        self.is_peace = True
        world = self._world
        world.story.tell("fault", "peace: from now on nothing goes wrong")
        world.machine.wall_shift_ms = 0
        world.model.mood, world.model.is_calm = "", True
        world.disk.is_well()
        for life in world.lives.values():
            life.doom = life.nap = None
            life.sql_faults.clear()
            life.file_faults.clear()
            life.store_seconds, life.is_disturbed = 0.0, False
            if life.is_frozen:
                life.thaw()
