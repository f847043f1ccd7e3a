"""Single memories, for programs: written under a claim or without one, and read one by one or by scope."""

import attrs

from state.ids import Instant, Scope, ThreadId
from state.messages.leases import NotOwner
from state.messages.memory_rows import GetNewestMemory, LastMemories, MemoryRow, SaveMemory, SaveMemoryUnderClaim
from state.messages.threads import UnknownThread
from state.rules.memory_writes import MEMORY_KEY, memory_key, write_memory
from state.rules.scopes import CWD_KIND
from state.transaction import Transaction


@attrs.frozen(kw_only=True)
class _Row:
    thread_id: ThreadId
    scope_kind: str
    scope_key: str
    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None
    source_at_ms: int
    generated_at_ms: int
    updated_at_ms: int
    extractor: str
    usage_count: int
    last_used_at_ms: int | None
    invalidated_at_ms: int | None
    invalid_reason: str | None

    def memory(self) -> MemoryRow:
        columns = attrs.asdict(self)
        return MemoryRow(scope=Scope(kind=columns.pop("scope_kind"), key=columns.pop("scope_key")), **columns)


_ROW = f"SELECT {', '.join(field.name for field in attrs.fields(_Row))} FROM memories"


@attrs.frozen(kw_only=True)
class _Cwd:
    cwd: str


async def _cwd_of(tx: Transaction, thread_id: ThreadId) -> str | None:
    row = await tx.one(_Cwd, "SELECT cwd FROM threads WHERE id = :thread_id", thread_id=thread_id)
    return None if row is None else row.cwd


async def _saved(tx: Transaction, thread_id: ThreadId, scope: Scope) -> MemoryRow:
    row = await tx.one(_Row, _ROW + MEMORY_KEY, **memory_key(thread_id, scope))
    assert row is not None, "it was written in this transaction"
    return row.memory()


async def save_memory(tx: Transaction, request: SaveMemory, at: Instant) -> MemoryRow | UnknownThread:
    """Write a memory without any claim to its job."""
    cwd = await _cwd_of(tx, request.thread_id)
    if cwd is None:
        return UnknownThread(thread_id=request.thread_id)
    scope = request.scope or Scope(kind=CWD_KIND, key=cwd)
    await write_memory(tx, request.thread_id, scope, request.draft, request.extractor, at, token=None)
    return await _saved(tx, request.thread_id, scope)


async def save_memory_under_claim(
    tx: Transaction, request: SaveMemoryUnderClaim, at: Instant
) -> MemoryRow | NotOwner | UnknownThread:
    """Write a memory as the owner of its job, or nothing at all."""
    if await _cwd_of(tx, request.thread_id) is None:
        return UnknownThread(thread_id=request.thread_id)
    written = await write_memory(
        tx, request.thread_id, request.scope, request.draft, request.extractor, at, token=request.token
    )
    return await _saved(tx, request.thread_id, request.scope) if written else NotOwner()


async def get_newest_memory(tx: Transaction, request: GetNewestMemory, at: Instant) -> MemoryRow | None:
    """The thread's memory that was changed last, invalidated or not."""
    row = await tx.one(
        _Row,
        _ROW + " WHERE thread_id = :thread_id ORDER BY updated_at_ms DESC, scope_kind DESC, scope_key DESC LIMIT 1",
        thread_id=request.thread_id,
    )
    return None if row is None else row.memory()


async def last_memories(tx: Transaction, request: LastMemories, at: Instant) -> tuple[MemoryRow, ...]:
    """The scope's memories that were changed last."""
    rows = await tx.all(
        _Row,
        _ROW + " WHERE scope_kind = :kind AND scope_key = :key AND invalidated_at_ms IS NULL"
        " ORDER BY updated_at_ms DESC, thread_id DESC LIMIT :count",
        kind=request.scope.kind,
        key=request.scope.key,
        count=request.count,
    )
    return tuple(row.memory() for row in rows)
