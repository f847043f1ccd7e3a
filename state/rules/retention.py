"""Which memories stay: use keeps them, age prunes them, and what must be forgotten leaves its scope's files.

`selected_source_at_ms` says which memories the scope's current generation was made of; the consolidation sets it when
it publishes. Only what is not in files is deleted for its age.
"""

import attrs

from state.ids import Instant, Scope, ThreadId
from state.messages.retention import (
    DeleteThreadMemory,
    MarkPolluted,
    MemoriesPruned,
    Polluted,
    PruneMemories,
    RecordUsage,
    ThreadMemoryDeleted,
    UsageRecorded,
)
from state.messages.threads import UnknownThread
from state.rules.edits import edits_of, say
from state.rules.scopes import mark_scope_dirty
from state.transaction import Transaction

_IN_FILES = (
    "(m.selected_source_at_ms IS NOT NULL OR EXISTS (SELECT 1 FROM scopes f WHERE f.scope_kind = m.scope_kind"
    " AND f.scope_key = m.scope_key AND f.published_memories > 0) AND NOT EXISTS (SELECT 1 FROM memories o"
    " WHERE o.scope_kind = m.scope_kind AND o.scope_key = m.scope_key AND o.selected_source_at_ms IS NOT NULL))"
)
"""Said of memory `m`: its scope's files may hold it. Of files that an older version published nobody wrote down what
they hold, so each of the scope's memories counts as held until it is published again."""


async def record_usage(tx: Transaction, request: RecordUsage, at: Instant) -> UsageRecorded:
    """Count the use of each thread's memories once."""
    threads, unknown = 0, []
    for thread_id in dict.fromkeys(request.thread_ids):
        used = await tx.execute(
            "UPDATE memories SET usage_count = usage_count + 1, last_used_at_ms = :wall_ms"
            " WHERE thread_id = :thread_id",
            thread_id=thread_id,
            wall_ms=at.wall_ms,
        )
        if used:
            threads += 1
        else:
            unknown.append(thread_id)
    return UsageRecorded(threads=threads, unknown=tuple(unknown))


@attrs.frozen(kw_only=True)
class _ScopeKey:
    scope_kind: str
    scope_key: str

    @property
    def scope(self) -> Scope:
        return Scope(kind=self.scope_kind, key=self.scope_key)


async def prune_memories(tx: Transaction, request: PruneMemories, at: Instant) -> MemoriesPruned:
    """Delete what is too old and in no files; have files written without what is too old and in them."""
    used_since_ms = at.wall_ms - request.unused_ms
    pruned = await tx.execute(
        "DELETE FROM memories WHERE (thread_id, scope_kind, scope_key) IN ("
        "SELECT thread_id, scope_kind, scope_key FROM memories m"
        f" WHERE coalesce(last_used_at_ms, source_at_ms) < :used_since_ms AND NOT {_IN_FILES}"
        " ORDER BY coalesce(last_used_at_ms, source_at_ms), thread_id, scope_kind, scope_key LIMIT :limit)",
        used_since_ms=used_since_ms,
        limit=request.limit,
    )
    scopes = await tx.all(
        _ScopeKey,
        "SELECT DISTINCT s.scope_kind, s.scope_key FROM memories m JOIN scopes s USING (scope_kind, scope_key)"
        " WHERE s.inputs_mark = s.consolidated_mark"
        f" AND coalesce(m.last_used_at_ms, m.source_at_ms) < :used_since_ms AND {_IN_FILES}",
        used_since_ms=used_since_ms,
    )
    for row in scopes:
        await mark_scope_dirty(tx, row.scope)
    return MemoriesPruned(memories=pruned, scopes=len(scopes))


async def mark_polluted(tx: Transaction, request: MarkPolluted, at: Instant) -> Polluted | UnknownThread:
    """Set the thread's memory mode, as an edit that outlives every reading of its rollout."""
    if not await _is_known(tx, request.thread_id):
        return UnknownThread(thread_id=request.thread_id)
    changed = await tx.execute(
        "UPDATE threads SET memory_mode = 'polluted' WHERE id = :thread_id AND memory_mode <> 'polluted'",
        thread_id=request.thread_id,
    )
    dirty = await _forget_in_files(tx, request.thread_id) if changed else ()
    if (await edits_of(tx, request.thread_id)).get("memory_mode") != "polluted":
        await say(tx, request.thread_id, {"memory_mode": "polluted"}, at)
    return Polluted(changed=changed > 0, dirty=dirty)


async def delete_thread_memory(
    tx: Transaction, request: DeleteThreadMemory, at: Instant
) -> ThreadMemoryDeleted | UnknownThread:
    """Delete all that was made of a thread, in every scope."""
    if not await _is_known(tx, request.thread_id):
        return UnknownThread(thread_id=request.thread_id)
    dirty = await _forget_in_files(tx, request.thread_id)
    memories = await tx.execute("DELETE FROM memories WHERE thread_id = :thread_id", thread_id=request.thread_id)
    jobs = await tx.execute("DELETE FROM extraction_jobs WHERE thread_id = :thread_id", thread_id=request.thread_id)
    return ThreadMemoryDeleted(memories=memories, jobs=jobs, dirty=dirty)


async def _is_known(tx: Transaction, thread_id: ThreadId) -> bool:
    return await tx.count("SELECT count(*) FROM threads WHERE id = :thread_id", thread_id=thread_id) == 1


async def _forget_in_files(tx: Transaction, thread_id: ThreadId) -> tuple[Scope, ...]:
    """Make the scopes dirty whose current files were made of this thread's memories."""
    rows = await tx.all(
        _ScopeKey,
        f"SELECT scope_kind, scope_key FROM memories m WHERE thread_id = :thread_id AND {_IN_FILES}"
        " ORDER BY scope_kind, scope_key",
        thread_id=thread_id,
    )
    for row in rows:
        await mark_scope_dirty(tx, row.scope)
    return tuple(row.scope for row in rows)
