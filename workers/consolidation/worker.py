"""Consolidation: a dirty scope becomes a published generation of files, under a lease.

    claim -> load memories -> render -> same bytes as published? done -> stage and sync -> publish the row -> point

The row decides; the link follows (state.rules.consolidation). So a crash at any place leaves either the old files or
the new ones, and a late owner can publish nothing.
"""

import random
import shutil
from collections.abc import Mapping
from pathlib import Path

import attrs
import structlog
import trio

from config.settings import CONSOLIDATION_LEASE_MS, Settings
from state.errors import StoreError
from state.ids import OwnershipToken
from state.messages.consolidation import (
    HOME_SCOPE,
    ClaimConsolidation,
    ConsolidationClaimed,
    ConsolidationPublished,
    ConsolidationUnchanged,
    FailConsolidation,
    GetConsolidationTotals,
    ListPublishedScopes,
    LoadScopeMemories,
    NothingToConsolidate,
    PointCurrent,
    Pointed,
    PublishConsolidation,
    PublishedScope,
    ReleaseConsolidation,
    RenewConsolidation,
    ReportGenerationLost,
    SelectedMemory,
)
from state.messages.leases import ClaimTerms, NotOwner
from state.store import StateHandle
from workers.consolidation.home import ScopeSummary, render_home
from workers.consolidation.render import render_scope
from workers.consolidation.staging import digest_of, generation_folder, missing_file, remove_older_generations, stage
from workers.lease_keeper import GIVE_BACK_SECONDS_MAX, HeldLease, LeaseLostError, give_back, hold_lease
from workers.progress import NoProgress, Progress
from workers.redaction import redact

log = structlog.get_logger(__name__)

IDLE_POLL_SECONDS_MAX = 2.0


@attrs.frozen(kw_only=True)
class ConsolidationSummary:
    """What a run did, by number of projects; the home-wide files are not counted."""

    published: int = 0
    unchanged: int = 0
    failed: int = 0


@attrs.frozen(kw_only=True)
class _Rendered:
    """The files of a scope, the time of their newest content, how many memories (or projects) they hold, and which
    memories these are."""

    files: Mapping[str, str]
    source_at_ms: int
    memories: int
    selected: tuple[SelectedMemory, ...] = ()


async def serve(handle: StateHandle, codex_home: Path, settings: Settings) -> None:
    """Consolidate for ever."""
    await Consolidation(handle, codex_home, settings, NoProgress()).run(until_done=False)


class Consolidation:
    """The slots of one process. `run` serves until nothing is left or for ever."""

    def __init__(self, handle: StateHandle, codex_home: Path, settings: Settings, progress: Progress) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._settings = settings.consolidation
        self._progress = progress
        self._memories_dir = handle.folder.memories_dir
        self._total: int | None = None
        self.summary = ConsolidationSummary()

    async def run(self, *, until_done: bool) -> None:
        """Repair what a crash may have left, then consolidate; return when no scope can be claimed (until_done)."""
        await self._point_all()
        if until_done:
            self._total = (await self._handle.ask(GetConsolidationTotals())).dirty
        async with trio.open_nursery() as nursery:
            for slot in range(self._settings.workers):
                nursery.start_soon(self._serve, f"consolidation-{slot}", until_done)

    async def _point_all(self) -> None:
        """Let every link name what its row says, and have folders that somebody removed written again."""
        scopes = [one.scope for one in await self._handle.ask(ListPublishedScopes())]
        for scope in (*scopes, HOME_SCOPE):
            pointed = await self._handle.ask(PointCurrent(scope=scope))
            if not isinstance(pointed, Pointed):
                continue
            if pointed.changed:
                log.info("repaired a link to published memories", scope=scope.key)
            folder = self._memories_dir / pointed.generation_folder
            missing = await trio.to_thread.run_sync(missing_file, folder)
            if missing is not None:
                log.warning("published memories are gone from disk, writing them again", missing=str(missing))
                lost = ReportGenerationLost(scope=scope, generation_folder=pointed.generation_folder)
                await self._handle.ask(lost)

    async def _serve(self, worker: str, until_done: bool) -> None:
        while True:
            token = self._handle.mint_token()
            terms = ClaimTerms(token=token, owner=self._handle.owner(worker), lease_ms=CONSOLIDATION_LEASE_MS)
            claimed_boot_ms = self._handle.clock().boot_ms
            claimed = await self._handle.ask(ClaimConsolidation(terms=terms, cooldown_ms=self._settings.cooldown_ms()))
            if isinstance(claimed, NothingToConsolidate):
                if until_done:
                    return
                due_seconds = (claimed.next_due_in_ms or 0) / 1000 or IDLE_POLL_SECONDS_MAX
                await trio.sleep(min(due_seconds, IDLE_POLL_SECONDS_MAX))
                continue
            await self._work(claimed, token, claimed_boot_ms)

    async def _work(self, job: ConsolidationClaimed, token: OwnershipToken, claimed_boot_ms: int) -> None:
        renewal = RenewConsolidation(token=token, lease_ms=CONSOLIDATION_LEASE_MS)
        try:
            async with hold_lease(
                self._handle, renewal, lease_ms=CONSOLIDATION_LEASE_MS, claimed_boot_ms=claimed_boot_ms
            ) as held:
                await self._consolidate(job, token, held)
        except LeaseLostError as lost:
            log.warning("consolidation abandoned", scope=job.scope.key, reason=str(lost))
        except trio.Cancelled:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
                await give_back(self._handle, ReleaseConsolidation(token=token))
            raise
        except StoreError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, OSError):
                reason = f"{error.filename or self._memories_dir}: {(error.strerror or str(error)).lower()}"
            log.warning("consolidation failed", scope=job.scope.key, reason=redact(reason))
            await self._fail(job, token, redact(reason))

    async def _consolidate(self, job: ConsolidationClaimed, token: OwnershipToken, held: HeldLease) -> None:
        rendered = await (self._render_home() if job.scope == HOME_SCOPE else self._render(job))
        digest = digest_of(rendered.files)
        folder = generation_folder(job.scope_folder, job.fencing_number, token)
        staged = digest != job.published_digest
        await held.confirm()
        if staged:
            # Not abandoned on cancel: what is half written would be left behind. It takes milliseconds.
            await trio.to_thread.run_sync(stage, self._memories_dir, folder, rendered.files)
        try:
            await held.confirm()  # a disk may have been slow, or the machine asleep
            reply = await self._handle.ask(
                PublishConsolidation(
                    token=token,
                    generation_folder=folder,
                    digest=digest,
                    source_at_ms=rendered.source_at_ms,
                    memories=rendered.memories,
                    staged=staged,
                    selected=rendered.selected,
                )
            )
            if isinstance(reply, NotOwner):
                raise LeaseLostError("the scope was taken over by somebody else")
        except (LeaseLostError, trio.Cancelled):
            # Nothing was published: a request that is cancelled was withdrawn. Nobody else ever looks into the folder.
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
                await trio.to_thread.run_sync(shutil.rmtree, self._memories_dir / folder, True)
            raise
        match reply:
            case ConsolidationPublished(generation=generation):
                log.info("published memories", scope=job.scope.key, generation=generation)
                self._count(job, "published")
                await self._point(job)
            case ConsolidationUnchanged():
                self._count(job, "unchanged")

    async def _point(self, job: ConsolidationClaimed) -> None:
        pointed = await self._handle.ask(PointCurrent(scope=job.scope))
        if isinstance(pointed, Pointed):
            await trio.to_thread.run_sync(remove_older_generations, self._memories_dir, pointed.generation_folder)

    async def _render(self, job: ConsolidationClaimed) -> _Rendered:
        memories = await self._handle.ask(
            LoadScopeMemories(
                scope=job.scope,
                limit=self._settings.max_raw_memories_for_consolidation,
                unused_ms_max=self._settings.unused_ms_max(),
            )
        )
        files = await trio.to_thread.run_sync(
            lambda: _redacted(render_scope(job.scope, memories, codex_home=str(self._codex_home)))
        )
        return _Rendered(
            files=files,
            source_at_ms=max((memory.source_at_ms for memory in memories), default=0),
            memories=len(memories),
            selected=tuple(
                SelectedMemory(thread_id=memory.thread_id, source_at_ms=memory.source_at_ms) for memory in memories
            ),
        )

    async def _render_home(self) -> _Rendered:
        scopes = await self._handle.ask(ListPublishedScopes())
        files = await trio.to_thread.run_sync(lambda: render_home(self._read_summaries(scopes)))
        return _Rendered(
            files=files,
            source_at_ms=max((scope.source_at_ms for scope in scopes), default=0),
            memories=len(scopes),
        )

    def _read_summaries(self, scopes: tuple[PublishedScope, ...]) -> tuple[ScopeSummary, ...]:
        return tuple(
            ScopeSummary(
                scope=scope,
                text=(self._memories_dir / scope.generation_folder / "memory_summary.md").read_text(encoding="utf-8"),
            )
            for scope in scopes
        )

    async def _fail(self, job: ConsolidationClaimed, token: OwnershipToken, reason: str) -> None:
        await self._handle.ask(FailConsolidation(token=token, reason=reason, jitter_permille=random.randint(0, 1000)))
        self._count(job, "failed")

    def _count(self, job: ConsolidationClaimed, what: str) -> None:
        if job.scope != HOME_SCOPE:
            self.summary = attrs.evolve(self.summary, **{what: getattr(self.summary, what) + 1})
        done = self.summary.published + self.summary.unchanged + self.summary.failed
        self._progress.report("consolidation", done, self._total)


def _redacted(files: Mapping[str, str]) -> dict[str, str]:
    """Every byte that is published, redacted once more: what is apart in two notes may meet in a file."""
    return {name: redact(text) for name, text in files.items()}
