"""Reading memories, for people."""

import attrs

from state.ids import Instant, Scope, ThreadId
from state.messages.extraction import MemoryNote
from state.messages.memories import (
    GetMemories,
    ListMemories,
    MemoriesOfThread,
    Memory,
    MemoryAnchor,
    MemoryNotFound,
    MemoryPage,
)
from state.rules.prefixes import ids_with_prefix
from state.transaction import SqlValue, Transaction


@attrs.frozen(kw_only=True)
class _MemoryRow:
    thread_id: ThreadId
    scope_kind: str
    scope_key: str
    title: str
    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None
    source_at_ms: int
    generated_at_ms: int
    updated_at_ms: int
    usage_count: int
    extractor: str

    def with_notes(self, notes: tuple[MemoryNote, ...]) -> Memory:
        columns = attrs.asdict(self)
        scope = Scope(kind=columns.pop("scope_kind"), key=columns.pop("scope_key"))
        return Memory(scope=scope, notes=notes, **columns)


_MEMORY = (
    "SELECT m.thread_id, m.scope_kind, m.scope_key, t.title, m.raw_memory, m.rollout_summary, m.rollout_slug,"
    " m.source_at_ms, m.generated_at_ms, m.updated_at_ms, m.usage_count, m.extractor"
    " FROM memories m JOIN threads t ON t.id = m.thread_id"
)


async def list_memories(tx: Transaction, request: ListMemories, at: Instant) -> MemoryPage:
    """One page, last changed first."""
    where = ["m.invalidated_at_ms IS NULL"]
    parameters: dict[str, SqlValue] = {"limit": request.limit + 1}
    if request.scope is not None:
        where.append("m.scope_kind = :kind AND m.scope_key = :key")
        parameters.update(kind=request.scope.kind, key=request.scope.key)
    if request.anchor is not None:
        where.append(
            "(m.updated_at_ms, m.thread_id, m.scope_kind, m.scope_key)"
            " < (:anchor_at_ms, :anchor_id, :anchor_kind, :anchor_key)"
        )
        parameters.update(
            anchor_at_ms=request.anchor.updated_at_ms,
            anchor_id=request.anchor.thread_id,
            anchor_kind=request.anchor.scope.kind,
            anchor_key=request.anchor.scope.key,
        )
    rows = await tx.all(
        _MemoryRow,
        _MEMORY + f" WHERE {' AND '.join(where)} ORDER BY m.updated_at_ms DESC, m.thread_id DESC,"
        " m.scope_kind DESC, m.scope_key DESC LIMIT :limit",
        **parameters,
    )
    page = tuple(row.with_notes(()) for row in rows[: request.limit])
    anchor = None
    if len(rows) > request.limit and page:
        last = page[-1]
        anchor = MemoryAnchor(updated_at_ms=last.updated_at_ms, thread_id=last.thread_id, scope=last.scope)
    return MemoryPage(memories=page, next_anchor=anchor)


async def get_memories(tx: Transaction, request: GetMemories, at: Instant) -> MemoriesOfThread | MemoryNotFound:
    """All memories of one thread, with the notes that they consist of."""
    ids = await ids_with_prefix(tx, "memories", "thread_id", request.thread_id)
    if len(ids) != 1:
        return MemoryNotFound(similar=tuple(ids))
    rows = await tx.all(
        _MemoryRow,
        _MEMORY + " WHERE m.thread_id = :thread_id ORDER BY m.updated_at_ms DESC, m.scope_kind DESC, m.scope_key DESC",
        thread_id=ids[0],
    )
    memories = []
    for row in rows:
        notes = await tx.all(
            MemoryNote,
            "SELECT kind, topic, text, line, at_ms FROM memory_notes WHERE thread_id = :thread_id"
            " AND scope_kind = :kind AND scope_key = :key ORDER BY position",
            thread_id=row.thread_id,
            kind=row.scope_kind,
            key=row.scope_key,
        )
        memories.append(row.with_notes(tuple(notes)))
    return MemoriesOfThread(memories=tuple(memories))
