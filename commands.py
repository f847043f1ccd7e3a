"""What the commands that end by themselves ask of the workers: once, doctor, publish, turn. Each opens its own store.

The doors know nothing of the workers, so what the workers answer is put into the doors' words here.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import structlog

import starting
from config import Paths, Settings
from config.settings import FREE_MODELS
from interfaces.service import (
    BackfillReport,
    ConsolidationReport,
    DoctorReport,
    ExtractionReport,
    FindingReport,
    KeptFile,
    OnceReport,
    ProgressView,
    PublishedState,
    PublishingReport,
    PublishReport,
    WaitingReport,
)
from state.folder import StateFolder
from state.live import Tell
from state.store import StateHandle, open_store, open_store_for_reading
from stopping import InterruptedRunError, until_stopped

log = structlog.get_logger("memoryd")


@asynccontextmanager
async def opened_store(paths: Paths, when_open: Callable[[], None] = lambda: None) -> AsyncIterator[StateHandle]:
    """Open the store of these paths for the block, and tell a person what was found there and set aside or left alone.

    Args:
      when_open: called once it is open, before anything else.

    Raises:
      StateFolderError: the folder cannot be used.
    """
    async with open_store(StateFolder(path=paths.state_dir), str(paths.codex_home)) as handle:
        starting.is_over()
        when_open()
        for remark in handle.remarks():
            log.warning(remark)
        if handle.folder.has_deletions():
            from state.thread_deleting import finish_deletions

            await finish_deletions(handle, paths.codex_home)
        yield handle


def refuse_unusable_model(settings: Settings) -> None:
    """Say that a key is missing before anything is done, and not when the first session has been read.

    Raises:
      ConfigError: the model needs a key, and there is none that may be used.
    """
    if settings.extraction.model not in FREE_MODELS:
        from workers.models.choose import provider_named

        provider_named(settings)


async def once(
    paths: Paths,
    settings: Settings,
    progress: ProgressView,
    phases: frozenset[str],
    *,
    when_open: Callable[[], None] = lambda: None,
) -> OnceReport:
    """Backfill, extract, consolidate and publish what there is, then return what was done.

    Args:
      when_open: as in `opened_store`.

    Raises:
      BackfillWaitError: another process scans for longer than the bound.
      ConfigError: the model needs a key, and there is none that may be used.
      InterruptedRunError: a signal; leases were handed back.
      StateError: the store cannot be opened or used.
    """
    from workers.once import do_once

    if "extract" in phases:
        refuse_unusable_model(settings)
    async with opened_store(paths, when_open) as handle:
        done = await until_stopped(
            lambda: do_once(handle, paths.codex_home, settings, progress, phases), settings.service.grace_seconds
        )
    if done is None:
        raise InterruptedRunError("interrupted")
    return OnceReport(
        backfill=BackfillReport(**attrs.asdict(done.backfill), seconds=done.backfill_seconds),
        extraction=ExtractionReport(**attrs.asdict(done.extraction, recurse=False)),
        consolidation=ConsolidationReport(**attrs.asdict(done.consolidation), scopes=done.scopes),
        waiting=WaitingReport(**attrs.asdict(done.waiting)),
        publishing=None if done.publishing is None else PublishingReport(**attrs.asdict(done.publishing)),
        memories_dir=handle.folder.memories_dir,
    )


async def doctor(
    paths: Paths, settings: Settings, progress: ProgressView, config_trouble: str | None, deep: bool, repair: bool
) -> DoctorReport:
    """Compare files, index and Codex's own database, look at the environment, and repair what can be, if told.

    Raises:
      InterruptedRunError: a signal; what was repaired stays repaired.
    """
    from workers.doctor import Patient, do_doctor

    patient = Patient(paths=paths, settings=settings, config_trouble=config_trouble, deep=deep)
    done = await until_stopped(lambda: do_doctor(patient, progress, repair=repair), settings.service.grace_seconds)
    if done is None:
        raise InterruptedRunError("interrupted")
    return DoctorReport(
        ok=done.ok,
        repaired=done.repaired,
        actions=done.actions,
        **attrs.asdict(done.examined),
        counts=done.counts,
        findings=tuple(
            FindingReport(**{**attrs.asdict(one), "area": one.area.value, "severity": one.severity.value})
            for one in done.findings
        ),
    )


async def turn(paths: Paths, settings: Settings, prompt: str, model: str | None, cwd: str, tell: Tell) -> None:
    """Run one turn in a thread of its own, with a store if there can be one, and tell what happens in it.

    Raises:
      InterruptedRunError: a signal; the thread was shut down.
      TurnRunError: the thread could not be started, or not be shut down. What `tell` raises is raised, too.
    """
    from workers import startup
    from workers.threads.manager import SHUTDOWN_SECONDS_MAX
    from workers.threads.runner import TurnRequest, run_turn

    request = TurnRequest(prompt=prompt, model=model, cwd=cwd)

    async def work() -> bool:
        async with startup.start(StateFolder(path=paths.state_dir), paths.codex_home, settings) as handle:
            await run_turn(
                handle, paths.codex_home, settings, request, tell, now_ms=lambda: time.time_ns() // 1_000_000
            )
        return True

    if await until_stopped(work, SHUTDOWN_SECONDS_MAX + settings.service.grace_seconds) is None:
        raise InterruptedRunError("interrupted")


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
