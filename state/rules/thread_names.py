"""The names in Codex's own list, and who goes first when a thread was named here too: whoever named it last.

A naming that Codex's list gives no time for never goes before one that was said here; nor does one of the same moment.
"""

from state.ids import Instant, ThreadId
from state.messages.backfill import CompareThreadNames, NameDrift, RecordThreadNames
from state.transaction import SqlValue, Transaction

_DIFFERS = (
    "id = :id AND name IS NOT :name AND NOT EXISTS (SELECT 1 FROM thread_edits e WHERE e.thread_id = threads.id"
    " AND e.field = 'name' AND (:named_at_ms IS NULL OR e.edited_at_ms >= :named_at_ms))"
)


async def record_thread_names(tx: Transaction, request: RecordThreadNames, at: Instant) -> int:
    """Write the names that people gave; threads without a row are passed over."""
    changed = 0
    for thread_id in request.names:
        changed += await tx.execute(f"UPDATE threads SET name = :name WHERE {_DIFFERS}", **_naming(request, thread_id))
    return changed


async def compare_thread_names(tx: Transaction, request: CompareThreadNames, at: Instant) -> tuple[NameDrift, ...]:
    """The rows that recording these names would change."""
    found = []
    for thread_id in request.names:
        drift = await tx.one(
            NameDrift,
            f"SELECT id AS thread_id, name AS stored, :name AS given FROM threads WHERE {_DIFFERS}",
            **_naming(request, thread_id),
        )
        if drift is not None:
            found.append(drift)
    return tuple(found)


def _naming(request: RecordThreadNames | CompareThreadNames, thread_id: ThreadId) -> dict[str, SqlValue]:
    return {
        "id": thread_id,
        "name": request.names[thread_id],
        "named_at_ms": request.named_at_ms.get(thread_id),
    }
