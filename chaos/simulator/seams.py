"""Everything that would let the world outside into a simulation, and what stands in its place for as long as it runs.

    Trio's order of tasks                     drawn from the seed
    Trio's clock                              jumps (chaos.simulator.clock)
    Trio's looks at sockets                   now and then, where it would not wait: a signal is heard a little later
    trio.sleep, sleep_until                   the same waits, on that clock alone
    trio.to_thread.run_sync                   the same work in the event loop, between two simulated waits
    time.monotonic, time, time_ns, sleep      the simulated machine's clocks; no wait
    secrets.token_hex, uuid.uuid4, random     drawn from the seed
    os calls that change files                themselves, after a chance to die or to fail
    os.scandir, os.listdir                    themselves, sorted
    fcntl.flock, os.close                     themselves; who holds a lock is remembered
    SQL statements                            themselves, after a chance to die or to fail
    the disk below SQLite                     the real files, below a VFS that may fail and lose power
    structured logs                           go into the story
    how often idle workers look for work      less often: looking in vain finds nothing, and costs real time

It replaces attributes of modules, so one simulation at a time runs in a process, and nothing else beside it.
"""

import contextlib
import fcntl
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import apsw
import outcome
import structlog
import trio
import trio._core._run as trio_run
import trio._path

import workers.consolidation.worker
import workers.extraction.worker
import workers.lease_keeper
import workers.publishing.worker
from chaos.simulator.faulty_sql import fail_if_due, is_writing
from chaos.simulator.life import LIFE
from chaos.simulator.world import World

_SLOWER = (
    (workers.extraction.worker, "IDLE_POLL_SECONDS_MAX", 6.0),
    (workers.consolidation.worker, "IDLE_POLL_SECONDS_MAX", 6.0),
    (workers.publishing.worker, "POLL_SECONDS", 8.0),
    (workers.lease_keeper, "WAKE_SECONDS_MAX", 10.0),
)
"""How often somebody looks who mostly looks in vain."""

LOOK_EVERY = 64
"""Of so many rounds that do not wait, one looks at sockets: for Ctrl-C, which wakes Trio by one."""

_FILE_CHANGES = (
    "fsync",
    "link",
    "mkdir",
    "remove",
    "rename",
    "replace",
    "rmdir",
    "symlink",
    "unlink",
    "chmod",
    "ftruncate",
)

_NAME_CHANGES = frozenset({"link", "remove", "rename", "replace", "rmdir", "symlink", "unlink"})


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let the seed decide whatever is left to chance in this process; what was before is put back."""
    ids = random.Random(f"ids {seed}")

    def token_hex(nbytes: int = 32) -> str:
        return ids.randbytes(nbytes).hex()

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=ids.getrandbits(128), version=4)

    before_random, before_trio = random.getstate(), trio_run._r.getstate()
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True))
        patches.enter_context(mock.patch.object(secrets, "token_hex", token_hex))
        patches.enter_context(mock.patch.object(uuid, "uuid4", uuid4))
        random.seed(f"jitter {seed}")
        trio_run._r.seed(f"order {seed}")
        try:
            yield
        finally:
            random.setstate(before_random)
            trio_run._r.setstate(before_trio)


@contextmanager
def enclosed(world: World) -> Iterator[None]:
    """Let the services of this world see no other one."""
    machine = world.machine
    with ExitStack() as patches:

        def replace(owner: Any, name: str, stand_in: Any) -> None:
            patches.enter_context(mock.patch.object(owner, name, stand_in))

        replace(time, "monotonic", machine.monotonic)
        replace(time, "sleep", machine.sleep)
        replace(time, "time", lambda: machine.instant().wall_ms / 1000)
        replace(time, "time_ns", lambda: machine.instant().wall_ms * 1_000_000)
        runner = trio_run.GLOBAL_RUN_CONTEXT.runner
        replace(runner, "io_manager", _SeldomAsked(runner.io_manager))
        replace(trio, "sleep", machine.clock.sleep)
        replace(trio, "sleep_until", machine.clock.sleep_until)
        run_sync = _run_sync_in(world)
        replace(trio.to_thread, "run_sync", run_sync)
        replace(trio._path, "run_sync", run_sync)
        for name in _FILE_CHANGES:
            replace(os, name, _changing(world, name, getattr(os, name)))
        replace(os, "open", _opening(os.open))
        replace(os, "close", _closing(world, os.close))
        replace(os, "listdir", _sorted_names(os.listdir))
        replace(os, "scandir", _SortedScan.of(os.scandir))
        replace(fcntl, "flock", _locking(world, fcntl.flock))
        hooks = apsw.connection_hooks
        hooks.append(_watched)
        patches.callback(hooks.remove, _watched)
        for module, name, seconds in _SLOWER:
            replace(module, name, seconds)
        patches.enter_context(_logs_into(world))
        yield


class _SeldomAsked:
    """What Trio asks of the operating system: there are no sockets but the one by which it wakes itself."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._passed_over = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_events(self, timeout: float) -> Any:
        """Look, if Trio would wait for it, and every so many times otherwise."""
        self._passed_over += 1
        if timeout > 0 or self._passed_over >= LOOK_EVERY:
            self._passed_over = 0
            return self._inner.get_events(timeout)
        return ()


def _run_sync_in(world: World) -> Callable[..., Any]:
    async def run_sync(
        work: Callable[..., Any],
        *args: Any,
        thread_name: str | None = None,  # noqa: ARG001 - the signature is Trio's
        abandon_on_cancel: bool = False,
        limiter: Any = None,  # noqa: ARG001
    ) -> Any:
        life = LIFE.get()
        if life is None:
            return work(*args)
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=not abandon_on_cancel):
            await world.machine.clock.pause(world.delays.in_thread(life))
            life.step("thread")
            is_staging = getattr(work, "__name__", "") == "stage"
            life.publishing = life.publishing or is_staging
            result = outcome.capture(work, *args)
            if not abandon_on_cancel:
                # What may be abandoned only reads.
                if not life.is_dead:
                    world.observe_files(life)
                await world.machine.clock.pause(world.delays.in_thread(life))
        if is_staging and isinstance(result, outcome.Error):
            life.publishing = False
        life.step("thread")
        return result.unwrap()

    return run_sync


def _changing(world: World, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    is_of_names = name in _NAME_CHANGES

    def change(*args: Any, **options: Any) -> Any:
        life = LIFE.get()
        if life is not None:
            life.on_file(name)
        world.name_changes += is_of_names
        return real(*args, **options)

    return change


def _opening(real: Callable[..., int]) -> Callable[..., int]:
    def open_file(path: Any, flags: int, *args: Any, **options: Any) -> int:
        life = LIFE.get()
        if life is not None and flags & os.O_CREAT:
            life.on_file("open")
        return real(path, flags, *args, **options)

    return open_file


def _closing(world: World, real: Callable[[int], None]) -> Callable[[int], None]:
    def close(descriptor: int) -> None:
        world.forget_lock(descriptor)
        real(descriptor)

    return close


def _locking(world: World, real: Callable[[int, int], None]) -> Callable[[int, int], None]:
    def flock(descriptor: int, operation: int) -> None:
        life = LIFE.get()
        if life is not None:
            life.step("lock")
        real(descriptor, operation)
        if life is not None:
            world.remember_lock(life, descriptor)

    return flock


def _sorted_names(real: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def listdir(*args: Any, **options: Any) -> list[Any]:
        return sorted(real(*args, **options))

    return listdir


class _SortedScan(contextlib.AbstractContextManager["_SortedScan"]):
    """A listing of a folder in order of names."""

    def __init__(self, entries: Iterator[Any]) -> None:
        self._entries = entries

    @classmethod
    def of(cls, real: Callable[..., Any]) -> Callable[..., "_SortedScan"]:
        def scandir(*args: Any, **options: Any) -> _SortedScan:
            with real(*args, **options) as listing:
                return cls(iter(sorted(listing, key=lambda entry: entry.name)))

        return scandir

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""


def _watched(connection: apsw.Connection) -> None:
    """Called by APSW for each new connection: those of a service are watched."""
    life = LIFE.get()
    if life is None:
        return
    life.connections.append(connection)
    is_busy = False

    def on_statement(_cursor: Any, sql: str, _bindings: Any) -> bool:
        nonlocal is_busy
        if is_busy or (life.is_dead and not life.in_sqlite):
            return True
        is_busy = True
        before, life.in_sqlite = life.in_sqlite, True
        try:
            life.step("statement")
            if is_writing(connection):
                life.on_written_statement()
            fail_if_due(life.sql_faults, connection, sql, life.world.goals.hit)
        finally:
            life.in_sqlite = before
            is_busy = False
        return True

    def on_row(_kind: int, _database: str, table: str, _row: int) -> None:
        life.changed.add(table)

    connection.set_exec_trace(on_statement)
    connection.set_update_hook(on_row)


@contextmanager
def _logs_into(world: World) -> Iterator[None]:
    def keep(_logger: Any, level: str, entry: Any) -> Any:
        life = LIFE.get()
        if level not in ("debug", "info"):
            entry = {key: value for key, value in entry.items() if key != "exc_info"}
            event = entry.pop("event", "")
            details = ", ".join(f"{key}={str(value)[:160]}" for key, value in entry.items())
            world.story.tell(life.name if life else "world", f"log {level}: {event} ({details})")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
