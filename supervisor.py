"""memoryd's entry point: what starts in which order, what restarts and how often, and how it stops.

    open the store -> take over from dead processes -> ready -> reaper, backfill, extraction, consolidation,
                                                                publishing, retention

The store is open as long as anything may ask it. A worker's crash is that worker's: it is restarted with back-off, and
stays down, visibly, when it crashes too often. A store that cannot go on stops the service. `stopping` says what
signals do, `commands` what the other commands ask of the workers.
"""

import gc
import signal

if __name__ == "__main__":
    # Importing makes some hundred thousand objects that all stay. Looking among them for garbage hundreds of times is a
    # sixth of a start; what the service itself leaves in cycles is little.
    gc.set_threshold(50_000)
    # Until `run` and `once` watch signals themselves, Ctrl-C ends the process quietly and not with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import config.plain_structlog  # isort: skip  # noqa: F401  # before whatever logs

import collections
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import structlog
import trio

import commands
from config import Paths, Settings
from interfaces.service import OnceReport, ProgressView
from state.errors import StoreBrokenError, StoreError, first_cause
from state.folder import StateFolder
from state.log_queue import LogQueue
from state.messages.service import ReportWorker, WorkerState
from state.rules.registry import LOG_RULES, RULES
from state.store import StateHandle
from stopping import until_stopped

log = structlog.get_logger("memoryd")

EXIT_STORE_BROKEN = 4

Worker = Callable[[StateHandle, Paths, Settings], Awaitable[None]]


async def _reaper(handle: StateHandle, paths: Paths, settings: Settings) -> None:
    from workers import reaper

    await reaper.serve(handle, settings)


async def _backfill(handle: StateHandle, paths: Paths, settings: Settings) -> None:
    from workers import backfill

    await backfill.serve(handle, paths.codex_home, settings)


async def _extraction(handle: StateHandle, paths: Paths, settings: Settings) -> None:
    from workers import extraction

    await extraction.serve(handle, paths.codex_home, settings)


async def _consolidation(handle: StateHandle, paths: Paths, settings: Settings) -> None:
    from workers import consolidation

    await consolidation.serve(handle, paths.codex_home, settings)


async def _publishing(handle: StateHandle, paths: Paths, settings: Settings) -> None:
    if not settings.publish.codex:
        await trio.sleep_forever()
    from workers import publishing

    await publishing.serve(handle, paths.codex_home)


async def _retention(handle: StateHandle, paths: Paths, settings: Settings) -> None:
    from workers import retention

    await retention.serve(handle, settings)


WORKERS: tuple[tuple[str, Worker], ...] = (
    ("reaper", _reaper),
    ("backfill", _backfill),
    ("extraction", _extraction),
    ("consolidation", _consolidation),
    ("publishing", _publishing),
    ("retention", _retention),
)
"""In the order in which they start. Each imports what it needs when it starts, so that being ready does not wait."""


Opener = Callable[[], AbstractAsyncContextManager[StateHandle]]


async def run(
    paths: Paths,
    settings: Settings,
    *,
    workers: tuple[tuple[str, Worker], ...] = WORKERS,
    opened: Opener | None = None,
) -> int:
    """Serve until a signal or until the store cannot go on; answer the exit code.

    Args:
      opened: opens the store in the place of `commands.opened_store`, for whoever does something beside it.
    """
    started = time.monotonic()
    commands.refuse_unusable_model(settings)

    async with opened() if opened else commands.opened_store(paths) as handle, trio.open_nursery() as beside:

        def ready() -> None:
            _notify_systemd("READY=1")
            log.info("ready", seconds=round(time.monotonic() - started, 3), state_dir=str(paths.state_dir))
            # In a pool thread: it takes longer than the event loop may stand still.
            beside.start_soon(trio.to_thread.run_sync, _import_every_rule)

        broken = await until_stopped(
            lambda: serve(handle, paths, settings, workers=workers, ready=ready), settings.service.grace_seconds
        )
        _notify_systemd("STOPPING=1")
    if broken is not None:
        log.error("the store cannot go on", reason=str(broken), hint=broken.hint)
        return EXIT_STORE_BROKEN
    log.info("stopped")
    return 0


def _import_every_rule() -> None:
    """Import what no request has needed yet, so that upgraded files beneath a running service change nothing."""
    RULES.whole()
    LOG_RULES.whole()


async def serve(
    handle: StateHandle,
    paths: Paths,
    settings: Settings,
    *,
    workers: tuple[tuple[str, Worker], ...],
    ready: Callable[[], None],
) -> StoreError | None:
    """Run every worker for as long as the store goes on; answer why it does not. `ready` is called once, at once."""
    broken: list[StoreError] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_when_broken, handle, nursery.cancel_scope, broken)
        for name, worker in workers:
            nursery.start_soon(keep_running, handle, paths, settings, name, worker)
        ready()
    return broken[0] if broken else None


async def keep_running(handle: StateHandle, paths: Paths, settings: Settings, name: str, worker: Worker) -> None:
    """Run a worker for ever: restart it when it crashes, leave it down when it crashes too often.

    A full disk or a locked database is no fault of the worker's: it goes on when that is over, however long it takes.
    """
    limits = settings.service
    recent: collections.deque[tuple[float, bool]] = collections.deque()  # when it crashed, and was that its own fault
    total = 0
    await _report(handle, name, WorkerState.RUNNING, total, None)
    while True:
        try:
            await worker(handle, paths, settings)
            raise AssertionError(f"the worker {name} ended, and workers never end")
        except (Exception, BaseExceptionGroup) as error:
            cancelled, failure = _apart(error)
            if cancelled is not None:
                if failure is not None:
                    log.warning(
                        "worker failed while it was being stopped", worker=name, reason=str(first_cause(failure))
                    )
                raise cancelled from None
            cause = first_cause(error)
            if isinstance(cause, StoreBrokenError):
                return  # the service stops for it
            reason = _redacted(f"{type(cause).__name__}: {cause}")
            is_its_own = not (isinstance(cause, StoreError) and cause.retryable)
            if is_its_own:
                log.exception("worker crashed", worker=name)
            else:
                log.warning("worker stopped by the store, trying again", worker=name, reason=str(cause))
        total += 1
        now = trio.current_time()
        recent.append((now, is_its_own))
        while recent[0][0] < now - limits.restart_window_seconds:
            recent.popleft()
        if sum(own for _, own in recent) > limits.restarts_max:
            log.error("worker stays down", worker=name, crashes=total, reason=reason)
            await _report(handle, name, WorkerState.DOWN, total, reason)
            return
        await _report(handle, name, WorkerState.RESTARTING, total, reason)
        await trio.sleep(min(limits.restart_seconds_min * 2 ** min(len(recent) - 1, 30), limits.restart_seconds_max))
        await _report(handle, name, WorkerState.RUNNING, total, reason)


def _apart(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """What a stop made of a worker, and what failed beside it; None for what there is not.

    Trio puts both into one group where a worker with several tasks fails in the moment in which it is cancelled.
    """
    return error.split(trio.Cancelled) if isinstance(error, BaseExceptionGroup) else (None, error)


def _redacted(text: str) -> str:
    """What a crash says may hold a piece of a transcript, and it is kept in a row."""
    from workers.redaction import redact

    return redact(text)


async def _stop_when_broken(handle: StateHandle, workers: trio.CancelScope, broken: list[StoreError]) -> None:
    broken.append(await handle.wait_broken())
    workers.cancel()


async def _report(handle: StateHandle, name: str, state: WorkerState, crashes: int, reason: str | None) -> None:
    """Record a worker's state for `memoryd status`; a store that cannot take it is watched by others."""
    try:
        await handle.ask(ReportWorker(process=handle.process, worker=name, state=state, crashes=crashes, reason=reason))
    except StoreError as error:
        log.warning("worker state not recorded", worker=name, state=state, reason=str(error))


def _notify_systemd(message: str) -> None:
    """Tell systemd how the service does, where it started us. See sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(message.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError as error:
            log.warning("systemd could not be told", reason=str(error))


class _Memoryd:
    """The service that the command line is given."""

    doctor = staticmethod(commands.doctor)
    publish = staticmethod(commands.publish)
    published = staticmethod(commands.published)
    turn = staticmethod(commands.turn)

    def __init__(self) -> None:
        self.log_queue = LogQueue()

    async def once(
        self, paths: Paths, settings: Settings, progress: ProgressView, phases: frozenset[str]
    ) -> OnceReport:
        from workers.reading.spare import helper_beforehand

        folder = StateFolder(path=paths.state_dir)
        with helper_beforehand(paths.codex_home, folder.database) if "backfill" in phases else nullcontext():
            from workers.log_writer import keeping_logs

            async with keeping_logs(self.log_queue, folder) as logs:
                return await commands.once(paths, settings, progress, phases, when_open=logs.begin)

    async def run(self, paths: Paths, settings: Settings) -> int:
        from workers.log_writer import keeping_logs

        # Around everything else, so that the last words are stored too.
        async with keeping_logs(self.log_queue, StateFolder(path=paths.state_dir)) as logs:
            return await run(paths, settings, opened=lambda: commands.opened_store(paths, logs.begin))

    async def serve(self, paths: Paths, settings: Settings, socket: Path | None) -> int:
        import serving

        return await serving.serve(paths, settings, socket)

    redact = staticmethod(_redacted)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; answer the exit code."""
    # Whatever this process writes is for its user alone.
    os.umask(0o077)
    from interfaces.cli.app import run_command_line

    return run_command_line(_Memoryd(), sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    code = main()
    # Python looks through everything several times while it ends. What is frozen it leaves alone.
    gc.freeze()
    sys.exit(code)
