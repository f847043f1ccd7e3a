"""memoryd's entry point: what starts in which order, what restarts and how often, and how it stops.

    open the store -> take over from dead processes -> ready -> reaper, backfill, extraction, consolidation,
                                                                publishing

The store is open as long as anything may ask it. A worker's crash is that worker's: it is restarted with back-off, and
stays down, visibly, when it crashes too often. A store that cannot go on stops the service. The first SIGTERM or SIGINT
gives workers their grace period to hand leases back; a second one ends the process at once.
"""

import signal

if __name__ == "__main__":
    # Until `run` and `once` watch signals themselves, Ctrl-C ends the process quietly and not with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import collections
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import structlog
import trio

from config import Paths, Settings
from interfaces.service import (
    BackfillReport,
    ConsolidationReport,
    ExtractionReport,
    KeptFile,
    OnceReport,
    ProgressView,
    PublishedState,
    PublishingReport,
    PublishReport,
)
from state.errors import StoreBrokenError, StoreError, first_cause
from state.folder import StateFolder
from state.messages.service import ReportWorker, WorkerState
from state.store import StateHandle, open_store, open_store_for_reading

log = structlog.get_logger("memoryd")

T = TypeVar("T")

EXIT_STORE_BROKEN = 4
EXIT_STOPPED_AT_ONCE = 130

SAME_SIGNAL_SECONDS = 0.2
"""timeout(1) and terminals send one stop to a process and to its group: what comes so soon after is the same signal."""


class InterruptedRunError(Exception):
    """A signal ended `once`."""

    code = "interrupted"
    retryable = True
    hint = "what was done is kept; the next run goes on from there"


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


WORKERS: tuple[tuple[str, Worker], ...] = (
    ("reaper", _reaper),
    ("backfill", _backfill),
    ("extraction", _extraction),
    ("consolidation", _consolidation),
    ("publishing", _publishing),
)
"""In the order in which they start. Each imports what it needs when it starts, so that being ready does not wait."""


async def run(paths: Paths, settings: Settings, *, workers: tuple[tuple[str, Worker], ...] = WORKERS) -> int:
    """Serve until a signal or until the store cannot go on; answer the exit code."""
    started = time.monotonic()
    broken: list[StoreError] = []
    async with open_store(StateFolder(path=paths.state_dir), str(paths.codex_home)) as handle:

        async def serve() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_stop_when_broken, handle, nursery.cancel_scope, broken)
                for name, worker in workers:
                    nursery.start_soon(keep_running, handle, paths, settings, name, worker)
                _notify_systemd("READY=1")
                log.info("ready", seconds=round(time.monotonic() - started, 3), state_dir=str(paths.state_dir))

        await _until_stopped(serve, settings.service.grace_seconds)
        _notify_systemd("STOPPING=1")
    if broken:
        log.error("the store cannot go on", reason=str(broken[0]), hint=broken[0].hint)
        return EXIT_STORE_BROKEN
    log.info("stopped")
    return 0


async def keep_running(handle: StateHandle, paths: Paths, settings: Settings, name: str, worker: Worker) -> None:
    """Run a worker for ever: restart it when it crashes, leave it down when it crashes too often."""
    limits = settings.service
    crashes: collections.deque[float] = collections.deque()
    total = 0
    await _report(handle, name, WorkerState.RUNNING, total, None)
    while True:
        try:
            await worker(handle, paths, settings)
            raise AssertionError(f"the worker {name} ended, and workers never end")
        except Exception as error:
            cause = first_cause(error)
            if isinstance(cause, StoreBrokenError):
                return  # the service stops for it
            reason = f"{type(cause).__name__}: {cause}"
            log.exception("worker crashed", worker=name)
        total += 1
        now = trio.current_time()
        crashes.append(now)
        while crashes and crashes[0] < now - limits.restart_window_seconds:
            crashes.popleft()
        if len(crashes) > limits.restarts_max:
            log.error("worker stays down", worker=name, crashes=total, reason=reason)
            await _report(handle, name, WorkerState.DOWN, total, reason)
            return
        await _report(handle, name, WorkerState.RESTARTING, total, reason)
        await trio.sleep(min(limits.restart_seconds_min * 2 ** (len(crashes) - 1), limits.restart_seconds_max))
        await _report(handle, name, WorkerState.RUNNING, total, reason)


async def once(paths: Paths, settings: Settings, progress: ProgressView, phases: frozenset[str]) -> OnceReport:
    """Backfill, extract, consolidate and publish what there is, then return what was done.

    Raises:
      BackfillWaitError: another process scans for longer than the bound.
      InterruptedRunError: a signal; leases were handed back.
      StateError: the store cannot be opened or used.
    """
    from workers.once import do_once

    async with open_store(StateFolder(path=paths.state_dir), str(paths.codex_home)) as handle:
        done = await _until_stopped(
            lambda: do_once(handle, paths.codex_home, settings, progress, phases), settings.service.grace_seconds
        )
    if done is None:
        raise InterruptedRunError("interrupted")
    return OnceReport(
        backfill=BackfillReport(**attrs.asdict(done.backfill), seconds=done.backfill_seconds),
        extraction=ExtractionReport(**attrs.asdict(done.extraction)),
        consolidation=ConsolidationReport(**attrs.asdict(done.consolidation), scopes=done.scopes),
        publishing=None if done.publishing is None else PublishingReport(**attrs.asdict(done.publishing)),
        memories_dir=handle.folder.memories_dir,
    )


async def publish(paths: Paths, *, dry_run: bool, undo: bool) -> PublishReport:
    """Write the memories into the Codex home, say what that would do, or take them out again.

    Raises:
      PublishError: why it did not work.
      StateError: the store cannot be opened or read.
    """
    from workers import publishing

    folder = StateFolder(path=paths.state_dir)
    if undo:
        outcome = await publishing.undo(folder, paths.codex_home, dry_run=dry_run)
    else:
        async with open_store_for_reading(folder, str(paths.codex_home)) as handle:
            if handle is None:
                raise publishing.PublishError(
                    f"nothing of {paths.codex_home} is indexed yet", hint="run `memoryd once` first"
                )
            do = publishing.survey if dry_run else publishing.publish
            outcome = await do(handle, paths.codex_home)
    return PublishReport(
        codex_home=paths.codex_home,
        folder=outcome.folder,
        dry_run=dry_run,
        undone=undo,
        written=outcome.written,
        restored=outcome.restored,
        removed=outcome.removed,
        unchanged=outcome.unchanged,
        kept=tuple(KeptFile(path=one.path, reason=one.reason, hint=one.hint) for one in outcome.kept),
        notes=outcome.notes,
    )


def published(paths: Paths) -> PublishedState | None:
    """What memoryd has in the Codex home, by its own list; None when it has nothing there."""
    folder = StateFolder(path=paths.state_dir)
    if not folder.publish_dir.exists():
        return None
    from workers import publishing

    try:
        manifest = publishing.last_outcome(folder, paths.codex_home)
    except publishing.PublishError as error:
        return PublishedState(problem=str(error))
    if manifest is None:
        return None
    return PublishedState(
        folder=manifest.folder,
        files=len(manifest.files),
        published_at_ms=manifest.published_at_ms,
        kept=tuple(KeptFile(path=one.path, reason=one.reason, hint=one.hint) for one in manifest.kept),
        problem=manifest.problem,
    )


async def _until_stopped(work: Callable[[], Awaitable[T]], grace_seconds: float) -> T | None:
    """Do the work; the first signal cancels it, and then the answer is None."""
    results: list[T] = []
    failures: list[Exception] = []
    scope = trio.CancelScope()
    async with trio.open_nursery() as watchers:
        with scope:
            # Started, not start_soon: signals are watched before the work says that it is ready.
            await watchers.start(_stop_on_signal, scope, grace_seconds)
            try:
                results.append(await work())
            except Exception as error:
                failures.append(error)
        watchers.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return results[0] if results else None


async def _stop_on_signal(
    work: trio.CancelScope, grace_seconds: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """First signal: cancel the work, which gives its leases back. A second one, or work that does not end within the
    grace period, ends the process at once; that is safe at any instruction."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            work.cancel()
            same_until = trio.current_time() + SAME_SIGNAL_SECONDS
            break
        with trio.move_on_after(grace_seconds):
            async for number in signals:
                if trio.current_time() < same_until:
                    continue
                log.warning("stopped at once by a second signal", signal=signal.Signals(number).name)
                os._exit(EXIT_STOPPED_AT_ONCE)
    log.warning("stopped at once: the workers did not end in time", grace_seconds=grace_seconds)
    os._exit(EXIT_STOPPED_AT_ONCE)


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

    once = staticmethod(once)
    run = staticmethod(run)
    publish = staticmethod(publish)
    published = staticmethod(published)

    @staticmethod
    def redact(text: str) -> str:
        from workers.redaction import redact

        return redact(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; answer the exit code."""
    # Whatever this process writes is for its user alone.
    os.umask(0o077)
    from interfaces.cli.app import run_command_line

    return run_command_line(_Memoryd(), sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
