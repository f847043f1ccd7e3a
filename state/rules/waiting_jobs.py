"""Which extraction job is next, and when one will be: a few steps in an index, however many jobs wait.

Most jobs that wait are of threads that nobody may extract, or of sources that are not chosen, and wait for ever. So
`eligible_source` leads the index: a trigger keeps it at the source of the job's thread, or at NULL while the thread is
archived or not to be remembered. Each chosen source is asked for its own first job, and the first of these is next.
"""

from state.ids import Instant
from state.messages.extraction import Eligibility
from state.rules import leases
from state.rules.eligibility import stored_sources
from state.transaction import SqlValue, Transaction

_WAITING = (
    "FROM extraction_jobs INDEXED BY extraction_jobs_waiting WHERE status IN ('pending', 'retry') AND status = {status}"
    " AND eligible_source = :source_{number}"
)
_BACKING_OFF = (
    "FROM extraction_jobs INDEXED BY extraction_jobs_backing_off WHERE status IN ('pending', 'retry')"
    " AND next_attempt_at_ms IS NOT NULL AND eligible_source = :source_{number}"
)
"""Named, so that no statistics make SQLite choose the index of all statuses, and sort all that waits."""


def _sources(eligibility: Eligibility) -> dict[str, SqlValue]:
    return {f"source_{number}": source for number, source in enumerate(dict.fromkeys(stored_sources(eligibility)))}


def next_waiting(status: str, eligibility: Eligibility, at: Instant) -> tuple[str, dict[str, SqlValue]] | None:
    """SQL for the rowid of the newest eligible job of this status that is due, with its parameters; None without any
    source. A row whose fencing number cannot grow is passed by, so that it costs only itself; the doctor names it."""
    sources = _sources(eligibility)
    parameters: dict[str, SqlValue] = {
        **sources,
        "status": status,
        "wall_ms": at.wall_ms,
        "content_at_ms_max": at.wall_ms - eligibility.idle_ms,
    }
    conditions = (
        f" AND {leases.CAN_BE_FENCED} AND content_at_ms <= :content_at_ms_max"
        " AND (next_attempt_at_ms IS NULL OR next_attempt_at_ms <= :wall_ms)"
    )
    if eligibility.age_ms_max is not None:
        conditions += " AND content_at_ms >= :content_at_ms_min"
        parameters["content_at_ms_min"] = at.wall_ms - eligibility.age_ms_max
    if status == "retry":
        # One step tells that nothing is due, where the order of the claims would lead past all that is not.
        conditions += f" AND :wall_ms >= coalesce((SELECT min(next_attempt_at_ms) {_BACKING_OFF}), 0)"
    branches = [
        "SELECT rowid AS job, content_at_ms, thread_id, scope_kind, scope_key "
        + (_WAITING + conditions).format(status=":status", number=number)
        for number in range(len(sources))
    ]
    order = " ORDER BY content_at_ms DESC, thread_id DESC, scope_kind, scope_key LIMIT 1"
    return (f"SELECT job FROM ({' UNION ALL '.join(branches)}{order})", parameters) if sources else None


async def next_due_in_ms(tx: Transaction, eligibility: Eligibility, at: Instant) -> int | None:
    """When the next waiting job may be due: idle long enough, and behind its back-off. None when none waits."""
    sources = _sources(eligibility)
    if not sources:
        return None
    branches = []
    for number in range(len(sources)):
        # What is not idle yet is of now, and little. What is needs no look at its content: its back-off ends later.
        branches += [
            "SELECT min(max(coalesce(next_attempt_at_ms, 0), content_at_ms + :idle_ms)) AS due_at_ms "
            + _WAITING.format(status=f"'{status}'", number=number)
            + " AND content_at_ms > :content_at_ms_max"
            for status in ("pending", "retry")
        ]
        branches.append(
            "SELECT * FROM (SELECT next_attempt_at_ms "
            + _BACKING_OFF.format(number=number)
            + " AND next_attempt_at_ms > :wall_ms AND content_at_ms <= :content_at_ms_max"
            " ORDER BY next_attempt_at_ms LIMIT 1)"
        )
    due_at_ms = await tx.count(
        f"SELECT coalesce(min(due_at_ms), 0) FROM ({' UNION ALL '.join(branches)})",
        **sources,
        idle_ms=eligibility.idle_ms,
        wall_ms=at.wall_ms,
        content_at_ms_max=at.wall_ms - eligibility.idle_ms,
    )
    return due_at_ms - at.wall_ms if due_at_ms else None
