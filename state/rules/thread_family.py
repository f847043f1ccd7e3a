"""Threads that came out of another one: its agents, by generations, and the forks that read on in its rollout."""

import attrs

from state.ids import Instant, ThreadId
from state.messages.thread_family import FindThreadFamily, ThreadFamily
from state.transaction import Transaction


@attrs.frozen(kw_only=True)
class _Id:
    id: ThreadId


async def find_thread_family(tx: Transaction, request: FindThreadFamily, at: Instant) -> ThreadFamily:
    """Walk down the generations; a thread that is its own ancestor, which nothing of ours wrote, ends the walk."""
    spawned = await tx.all(
        _Id,
        "WITH RECURSIVE family (id, depth) AS (SELECT :id, 0 UNION SELECT t.id, f.depth + 1 FROM family f"
        " CROSS JOIN threads t ON t.parent_thread_id = f.id WHERE f.depth < 64 AND t.id <> :id)"
        " SELECT id FROM family WHERE depth > 0 GROUP BY id ORDER BY min(depth), id",
        id=request.thread_id,
    )
    forks = await tx.count(
        "SELECT count(*) FROM threads WHERE forked_from_id = :id AND history_mode = 'paginated' AND id <> :id",
        id=request.thread_id,
    )
    return ThreadFamily(spawned=tuple(row.id for row in spawned), has_history_forks=forks > 0)
