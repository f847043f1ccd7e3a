"""Which memories a scope's current generation was made of, so that what is in files is told from what is not."""

from state.ids import Scope
from state.messages.consolidation import SelectedMemory
from state.transaction import Transaction

_SCOPE = " WHERE scope_kind = :kind AND scope_key = :key"


async def select_memories(tx: Transaction, scope: Scope, selected: tuple[SelectedMemory, ...]) -> bool:
    """Record what the scope's generation was made of, in the place of what was recorded before.

    A memory whose content has changed since it was loaded is not recorded: its writer has made the scope dirty.

    Returns:
      False when one of them went while the files were written: it is deleted, invalidated, or of a thread that nobody
      wants remembered any more. The files hold it all the same, so the scope has to be dirty.
    """
    key = {"kind": scope.kind, "key": scope.key}
    await tx.execute(
        "UPDATE memories SET selected_source_at_ms = NULL" + _SCOPE + " AND selected_source_at_ms IS NOT NULL", **key
    )
    all_there = True
    for memory in selected:
        await tx.execute(
            "UPDATE memories SET selected_source_at_ms = source_at_ms"
            + _SCOPE
            + " AND thread_id = :thread_id AND source_at_ms = :source_at_ms",
            **key,
            thread_id=memory.thread_id,
            source_at_ms=memory.source_at_ms,
        )
        is_there = await tx.count(
            "SELECT count(*) FROM memories m JOIN threads t ON t.id = m.thread_id"
            " WHERE m.scope_kind = :kind AND m.scope_key = :key AND m.thread_id = :thread_id"
            " AND m.invalidated_at_ms IS NULL AND t.memory_mode = 'enabled'",
            **key,
            thread_id=memory.thread_id,
        )
        all_there = all_there and is_there == 1
    return all_there
