"""Consolidation: a claimed scope's files are staged elsewhere, and the row makes them current.

Publishing is three steps, and a crash or a steal between any two of them does no harm:
  1. the owner stages a complete folder under its fencing number, which nobody else ever uses;
  2. `PublishConsolidation`, guarded by the token, makes that folder the row's generation;
  3. `PointCurrent`, which carries no generation, makes the link name whatever the row says.
Repair after a crash is step 3 again. A late owner fails at step 2, and at step 3 it can only repeat the truth.
"""

import attrs

from state.ids import Instant, ProcessUuid, Scope, ThreadId
from state.messages.consolidation import (
    HOME_SCOPE,
    ConsolidationPublished,
    ConsolidationTotals,
    ConsolidationUnchanged,
    FailConsolidation,
    GetConsolidationTotals,
    GetHomeGeneration,
    ListPublishedScopes,
    LoadScopeMemories,
    NothingPublished,
    PointCurrent,
    Pointed,
    PublishConsolidation,
    PublishedScope,
    ReportGenerationLost,
    ScopeMemory,
)
from state.messages.extraction import MemoryNote, RetryScheduled
from state.messages.leases import NotOwner
from state.rules import leases
from state.rules.backoff import backoff_ms
from state.rules.consolidation_claims import OWNED, SCOPE, ScopeRow
from state.rules.scopes import mark_scope_dirty, scope_folder, scope_link
from state.rules.selection import select_memories
from state.transaction import Transaction


@attrs.frozen(kw_only=True)
class _MemoryRow:
    thread_id: ThreadId
    rollout_path: str
    cwd: str
    git_branch: str | None
    created_at_ms: int
    source_at_ms: int
    rollout_summary: str
    rollout_slug: str | None
    raw_memory: str


async def load_scope_memories(tx: Transaction, request: LoadScopeMemories, at: Instant) -> tuple[ScopeMemory, ...]:
    """The scope's best memories, in thread id order so that the same memories give the same files."""
    used_since_ms = 0 if request.unused_ms_max is None else at.wall_ms - request.unused_ms_max
    rows = await tx.all(
        _MemoryRow,
        "SELECT m.thread_id, t.rollout_path, t.cwd, t.git_branch, t.created_at_ms, m.source_at_ms, m.rollout_summary,"
        " m.rollout_slug, m.raw_memory FROM memories m JOIN threads t ON t.id = m.thread_id"
        " WHERE m.scope_kind = :kind AND m.scope_key = :key AND m.invalidated_at_ms IS NULL"
        " AND t.memory_mode = 'enabled' AND coalesce(m.last_used_at_ms, m.source_at_ms) >= :used_since_ms"
        " ORDER BY m.usage_count DESC, coalesce(m.last_used_at_ms, m.source_at_ms) DESC, m.source_at_ms DESC,"
        " m.thread_id DESC LIMIT :limit",
        kind=request.scope.kind,
        key=request.scope.key,
        used_since_ms=used_since_ms,
        limit=request.limit,
    )
    memories = []
    for row in sorted(rows, key=lambda row: row.thread_id):
        notes = await tx.all(
            MemoryNote,
            "SELECT kind, topic, text, line, at_ms FROM memory_notes WHERE thread_id = :thread_id"
            " AND scope_kind = :kind AND scope_key = :key ORDER BY position",
            thread_id=row.thread_id,
            kind=request.scope.kind,
            key=request.scope.key,
        )
        memories.append(ScopeMemory(notes=tuple(notes), **attrs.asdict(row)))
    return tuple(memories)


@attrs.frozen(kw_only=True)
class _PublishedRow:
    scope_kind: str
    scope_key: str
    generation: int
    generation_folder: str
    source_at_ms: int

    def published(self) -> PublishedScope:
        scope = Scope(kind=self.scope_kind, key=self.scope_key)
        return PublishedScope(
            scope=scope,
            scope_folder=scope_folder(scope),
            generation=self.generation,
            generation_folder=self.generation_folder,
            source_at_ms=self.source_at_ms,
        )


async def list_published_scopes(
    tx: Transaction, request: ListPublishedScopes, at: Instant
) -> tuple[PublishedScope, ...]:
    """Every scope that has files with something in them; most recent content first."""
    rows = await tx.all(
        _PublishedRow,
        "SELECT scope_kind, scope_key, generation, generation_folder, coalesce(source_at_ms, 0) AS source_at_ms"
        " FROM scopes WHERE generation > 0 AND scope_kind <> :home AND published_memories > 0"
        " ORDER BY source_at_ms DESC, scope_kind, scope_key",
        home=HOME_SCOPE.kind,
    )
    return tuple(row.published() for row in rows)


async def get_home_generation(tx: Transaction, request: GetHomeGeneration, at: Instant) -> PublishedScope | None:
    """Which generation of the home-wide files is current."""
    row = await tx.one(
        _PublishedRow,
        "SELECT scope_kind, scope_key, generation, generation_folder, coalesce(source_at_ms, 0) AS source_at_ms"
        " FROM scopes WHERE generation > 0 AND scope_kind = :home",
        home=HOME_SCOPE.kind,
    )
    return None if row is None else row.published()


async def publish_consolidation(
    tx: Transaction, request: PublishConsolidation, at: Instant
) -> ConsolidationPublished | ConsolidationUnchanged | NotOwner:
    """Make the staged folder current, or record that the files would be the same."""
    row = await tx.one(ScopeRow, SCOPE + OWNED, token=request.token)
    if row is None:
        return NotOwner()
    await tx.execute(
        f"UPDATE scopes SET {leases.FREE}, consolidated_mark = max(consolidated_mark, claimed_mark),"
        f" claimed_mark = NULL, attempts = 0, next_attempt_at_ms = NULL, reason = NULL,"
        f" finished_at_ms = :wall_ms{OWNED}",
        token=request.token,
        wall_ms=at.wall_ms,
    )
    if not await select_memories(tx, row.scope, request.selected):
        await mark_scope_dirty(tx, row.scope)
    if not request.staged:
        await _bring_forward(tx, row.scope, request.source_at_ms)
        return ConsolidationUnchanged()
    await tx.execute(
        "UPDATE scopes SET generation = generation + 1, generation_folder = :folder, published_digest = :digest,"
        " published_at_ms = :wall_ms, source_at_ms = :source_at_ms, published_memories = :memories"
        " WHERE scope_kind = :kind AND scope_key = :key",
        folder=request.generation_folder,
        digest=request.digest,
        wall_ms=at.wall_ms,
        source_at_ms=request.source_at_ms,
        memories=request.memories,
        kind=row.scope_kind,
        key=row.scope_key,
    )
    if row.scope != HOME_SCOPE:
        await mark_scope_dirty(tx, HOME_SCOPE)
    return ConsolidationPublished(generation=row.generation + 1)


async def _bring_forward(tx: Transaction, scope: Scope, source_at_ms: int) -> None:
    """Note that the files, as they are, hold for newer content: the home-wide ones list projects by it."""
    moved = await tx.execute(
        "UPDATE scopes SET source_at_ms = :source_at_ms WHERE scope_kind = :kind AND scope_key = :key"
        " AND source_at_ms < :source_at_ms",
        source_at_ms=source_at_ms,
        kind=scope.kind,
        key=scope.key,
    )
    if moved and scope != HOME_SCOPE:
        await mark_scope_dirty(tx, HOME_SCOPE)


async def fail_consolidation(tx: Transaction, request: FailConsolidation, at: Instant) -> RetryScheduled | NotOwner:
    """Schedule another try. New work makes the scope dirtier, never due earlier."""
    row = await tx.one(ScopeRow, SCOPE + OWNED, token=request.token)
    if row is None:
        return NotOwner()
    next_attempt_at_ms = at.wall_ms + backoff_ms(row.attempts + 1, request.jitter_permille)
    await tx.execute(
        f"UPDATE scopes SET {leases.FREE}, claimed_mark = NULL, attempts = attempts + 1, reason = :reason,"
        f" next_attempt_at_ms = :next_attempt_at_ms, finished_at_ms = :wall_ms{OWNED}",
        token=request.token,
        reason=request.reason,
        next_attempt_at_ms=next_attempt_at_ms,
        wall_ms=at.wall_ms,
    )
    return RetryScheduled(next_attempt_at_ms=next_attempt_at_ms)


@attrs.frozen(kw_only=True)
class _Generation:
    generation_folder: str | None


async def point_current(tx: Transaction, request: PointCurrent, at: Instant) -> Pointed | NothingPublished:
    """Point the scope's link at the row's generation, while the write lock keeps the row from changing."""
    row = await tx.one(
        _Generation,
        "SELECT generation_folder FROM scopes WHERE scope_kind = :kind AND scope_key = :key",
        kind=request.scope.kind,
        key=request.scope.key,
    )
    if row is None or row.generation_folder is None:
        return NothingPublished()
    link = scope_link(request.scope)
    changed = await tx.point(link, row.generation_folder)
    if request.scope == HOME_SCOPE:
        # What agents read stands at the top; these two links never change again.
        for name in ("memory_summary.md", "MEMORY.md"):
            await tx.point(name, f"{link}/{name}")
    return Pointed(generation_folder=row.generation_folder, changed=changed)


async def report_generation_lost(tx: Transaction, request: ReportGenerationLost, at: Instant) -> bool:
    """Make the scope dirty with nothing to compare with, so that its files are written again."""
    changed = await tx.execute(
        "UPDATE scopes SET published_digest = NULL, inputs_mark = inputs_mark + 1"
        " WHERE scope_kind = :kind AND scope_key = :key AND generation_folder = :folder"
        " AND published_digest IS NOT NULL",
        kind=request.scope.kind,
        key=request.scope.key,
        folder=request.generation_folder,
    )
    return changed == 1


async def free_consolidations_of(tx: Transaction, process: ProcessUuid) -> int:
    """Free the scopes that a dead process held; they stay dirty."""
    return await tx.execute(
        f"UPDATE scopes SET {leases.FREE}, claimed_mark = NULL WHERE owner_process = :process",
        process=process,
    )


async def get_consolidation_totals(
    tx: Transaction, request: GetConsolidationTotals, at: Instant
) -> ConsolidationTotals:
    """Count the scopes of people's projects."""
    row = await tx.one(
        ConsolidationTotals,
        "SELECT count(*) AS scopes, coalesce(sum(inputs_mark > consolidated_mark), 0) AS dirty,"
        " coalesce(sum(ownership_token IS NOT NULL), 0) AS running, coalesce(sum(attempts > 0), 0) AS failing,"
        " coalesce(sum(generation > 0), 0) AS published FROM scopes WHERE scope_kind <> :home",
        home=HOME_SCOPE.kind,
    )
    assert row is not None, "an aggregate always answers one row"
    return row
