"""`memoryd once`: each worker's job, one after the other, until nothing is left to do."""

import time
from contextlib import aclosing
from pathlib import Path

import attrs
import structlog

from config import Settings
from state.messages.consolidation import GetConsolidationTotals
from state.messages.extraction import NO_TOKENS, Eligibility, GetExtractionTotals, TokenUsage
from state.messages.jobs import NO_BACK_OFFS, BackOffs, GetBackOffs
from state.store import StateHandle
from workers.backfill import BackfillSummary
from workers.progress import Progress
from workers.reaper import reap
from workers.redaction import redact
from workers.retention import prune
from workers.startup import scan_or_wait

log = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class ExtractionDone:
    """By number of sessions. unchanged: have a memory, or nothing to remember, and were not worked on.

    Attributes:
      tokens: what it cost.
      stopped_because, stopped_hint: why the model was not available, if it was not; the rest was then left for later.
    """

    claimed: int = 0
    succeeded: int = 0
    empty: int = 0
    unchanged: int = 0
    retrying: int = 0
    failed: int = 0
    tokens: TokenUsage = NO_TOKENS
    stopped_because: str | None = None
    stopped_hint: str = ""


@attrs.frozen(kw_only=True)
class ConsolidationDone:
    """By number of projects. unchanged: published before, and not different now."""

    published: int = 0
    unchanged: int = 0
    failed: int = 0


@attrs.frozen(kw_only=True)
class PublishingDone:
    """By number of files in the Codex home. problem: why nothing could be published; None when it worked."""

    written: int = 0
    restored: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: int = 0
    problem: str | None = None


@attrs.frozen(kw_only=True)
class Done:
    """What was done; parts that were not asked for are zeros. scopes: projects with memories. waiting: what failed, now
    or earlier, and is tried again later. publishing: None where it is not switched on."""

    backfill: BackfillSummary = attrs.field(factory=BackfillSummary)
    backfill_seconds: float = 0.0
    extraction: ExtractionDone = ExtractionDone()
    consolidation: ConsolidationDone = ConsolidationDone()
    scopes: int = 0
    waiting: BackOffs = NO_BACK_OFFS
    publishing: PublishingDone | None = None


async def do_once(
    handle: StateHandle, codex_home: Path, settings: Settings, progress: Progress, phases: frozenset[str]
) -> Done:
    """Do the phases that are asked for, of "backfill", "extract" and "consolidate", in this order.

    Raises:
      BackfillWaitError: another process scans for longer than the bound.
      StoreError: the store could not answer.
    """
    done = Done()
    # What a killed process held is taken over before anything else, so that nothing waits for its leases.
    await reap(handle)
    if "backfill" in phases:
        started = time.monotonic()
        summary = await scan_or_wait(handle, codex_home, settings, progress)
        done = attrs.evolve(done, backfill=summary, backfill_seconds=round(time.monotonic() - started, 3))
    if "extract" in phases:
        done = attrs.evolve(done, extraction=await _extract(handle, codex_home, settings, progress))
    if "consolidate" in phases:
        # After the extraction, which renews what it finds worth remembering again, and before files are written.
        await prune(handle, settings)
        consolidation, scopes = await _consolidate(handle, codex_home, settings, progress)
        done = attrs.evolve(done, consolidation=consolidation, scopes=scopes)
        if settings.publish.codex:
            done = attrs.evolve(done, publishing=await _publish(handle, codex_home))
    return attrs.evolve(done, waiting=await handle.ask(GetBackOffs()))


async def _extract(handle: StateHandle, codex_home: Path, settings: Settings, progress: Progress) -> ExtractionDone:
    # Imported here: `--only backfill` needs no model.
    from workers.extraction import Extraction
    from workers.models.choose import provider_named

    async with aclosing(provider_named(settings)) as provider:
        extraction = Extraction(handle, codex_home, settings, provider, progress)
        await extraction.run(until_done=True)
    stopped = extraction.unavailable
    done = extraction.summary
    totals = await handle.ask(GetExtractionTotals(eligibility=Eligibility.from_settings(settings.extraction)))
    settled = totals.jobs_by_status.get("succeeded", 0) + totals.jobs_by_status.get("empty", 0)
    return ExtractionDone(
        claimed=done.claimed,
        succeeded=done.succeeded,
        empty=done.empty,
        unchanged=max(settled - done.succeeded - done.empty, 0),
        retrying=done.retrying,
        failed=done.failed,
        tokens=done.tokens,
        stopped_because=redact(str(stopped)) if stopped is not None else None,
        stopped_hint=stopped.hint if stopped is not None else "",
    )


async def _consolidate(
    handle: StateHandle, codex_home: Path, settings: Settings, progress: Progress
) -> tuple[ConsolidationDone, int]:
    from workers.consolidation import Consolidation

    consolidation = Consolidation(handle, codex_home, settings, progress)
    await consolidation.run(until_done=True)
    scopes = (await handle.ask(GetConsolidationTotals())).scopes
    published, failed = consolidation.summary.published, consolidation.summary.failed
    unchanged = max(scopes - published - failed, 0)
    return ConsolidationDone(published=published, unchanged=unchanged, failed=failed), scopes


async def _publish(handle: StateHandle, codex_home: Path) -> PublishingDone:
    from workers.publishing import PublishError, publish

    try:
        outcome = await publish(handle, codex_home)
    except PublishError as error:
        log.warning("publishing failed", reason=str(error), hint=error.hint)
        return PublishingDone(problem=str(error))
    for note in outcome.notes:
        log.warning("published all the same", reason=note)
    return PublishingDone(
        written=len(outcome.written),
        restored=len(outcome.restored),
        removed=len(outcome.removed),
        unchanged=outcome.unchanged,
        kept=len(outcome.kept),
    )
