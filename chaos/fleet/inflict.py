"""Doing what the plan says, and undoing it when its time is over."""

import collections
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import trio

from chaos.fleet.model import ModelServer
from chaos.fleet.place import Place
from chaos.fleet.plan import Fault, Injection
from chaos.fleet.services import ROOT, Service
from chaos.fleet.wall import Wall
from interfaces.cli.errors import EXIT_STATE_FOLDER, EXIT_STORE

RESTART_SECONDS = 0.2

EXITS_OF_THE_DISK = (EXIT_STATE_FOLDER, EXIT_STORE)
"""How a service may end by itself here: the database was locked or full when it started, or the disk failed so that
nobody can tell what is on it. It says so and ends, and is whole after the next start."""

FILE_BYTES_MAX = 32 * 1024
"""Smaller than the database from its first moment on: no file of the state can grow any more."""


@attrs.define
class Inflictor:
    """Inflicts faults on the services. `counts` says how many of each kind really happened."""

    place: Place
    services: Sequence[Service]
    model: ModelServer
    wall: Wall
    poison: Callable[[], None]
    counts: collections.Counter[Fault] = attrs.field(factory=collections.Counter)
    refused_starts: int = 0

    async def keep_up(self) -> None:
        """Start again, as a service manager does, what ended because the state could not be opened or written, and
        what a poisoned session has killed."""
        while True:
            for service in self.services:
                if service.exit_code in EXITS_OF_THE_DISK:
                    self.refused_starts += 1
                    service.start()
                elif service.died_of_poison:
                    service.start()
            await trio.sleep(RESTART_SECONDS)

    async def run(self, plan: Sequence[Injection]) -> None:
        """Inflict the whole plan; returns when the last fault is over."""
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for one in plan:
                await trio.sleep_until(began + one.at_ms / 1000)
                nursery.start_soon(self._inflict, one)

    async def _inflict(self, one: Injection) -> None:
        service = self.services[one.service]
        seconds = one.lasts_ms / 1000
        match one.fault:
            case Fault.KILL:
                self._count(one, service.kill())
                await trio.sleep(seconds)
                if service.pid is None:
                    service.start()
                    await service.wait_ready()
            case Fault.FREEZE:
                if self._count(one, service.freeze()):
                    try:
                        await trio.sleep(seconds)
                    finally:
                        service.thaw()
            case Fault.CLOCK:
                await self._shift(one, seconds)
            case Fault.DISK:
                if self._count(one, service.limit_files(FILE_BYTES_MAX)):
                    try:
                        await trio.sleep(seconds)
                    finally:
                        service.limit_files(None)
            case Fault.BUSY:
                await self._lock(one, seconds)
            case Fault.MODEL:
                self._count(one, True)
                self.model.mood = one.mood
                await trio.sleep(seconds)
                self.model.mood = ""
            case Fault.POISON:
                self._count(one, True)
                self.poison()

    def _count(self, one: Injection, happened: bool) -> bool:
        self.counts[one.fault] += happened
        return happened

    async def _shift(self, one: Injection, seconds: float) -> None:
        self.wall.shift(one.wall_shift_ms)
        self._count(one, True)
        await trio.sleep(seconds)
        self.wall.shift(0)

    async def _lock(self, one: Injection, seconds: float) -> None:
        database = self.place.state_dir / "state.sqlite"
        if not database.exists():
            return
        holder = _lock_holder(database)
        try:
            assert holder.stdout is not None
            word = await trio.to_thread.run_sync(holder.stdout.readline, abandon_on_cancel=True)
            if self._count(one, word == b"locked\n"):
                await trio.sleep(seconds)
        finally:
            holder.kill()
            holder.wait()


def _lock_holder(database: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "chaos.fleet.lock_holder", str(database)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
