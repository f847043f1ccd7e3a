"""Which extraction job is next, and when one will be: a few steps in an index, however many jobs wait.

Most jobs that wait are of threads that nobody may extract, or of sources that are not chosen, and wait for ever. So
`eligible_source` leads the index: it is kept at the source of the job's thread, or at NULL while the thread is
archived or not to be remembered. Each chosen source is asked for its own first job, and the first of these is next.
"""

from state.ids import Instant
from state.messages.extraction import Eligibility
from state.rules import leases
from state.rules.eligibility import stored_sources
from state.transaction import SqlValue, Transaction

_WAITING = (
    "FROM extraction_jobs w INDEXED BY extraction_jobs_waiting WHERE w.status IN ('pending', 'retry')"
    " AND w.status = {status} AND w.eligible_source = s.column1"
)
_BACKING_OFF = (
    "FROM extraction_jobs w INDEXED BY extraction_jobs_backing_off WHERE w.status IN ('pending', 'retry')"
    " AND w.next_attempt_at_ms IS NOT NULL AND w.eligible_source = s.column1"
)
"""Named, so that no statistics make SQLite choose the index of all statuses, and sort all that waits."""


def _chosen(eligibility: Eligibility) -> tuple[str, dict[str, SqlValue]]:
    """The chosen sources as a table `s` of one column, and their parameters; an empty text without any."""
    parameters: dict[str, SqlValue] = {
        f"source_{number}": source for number, source in enumerate(dict.fromkeys(stored_sources(eligibility)))
    }
    return f"(VALUES {', '.join(f'(:{name})' for name in parameters)}) s" if parameters else "", parameters


def next_waiting(status: str, eligibility: Eligibility, at: Instant) -> tuple[str, dict[str, SqlValue]] | None:
    """SQL for the rowids of each source's newest eligible job of this status that is due, with its parameters; None
    without any source. A row whose fencing number cannot grow is passed by, so that it costs only itself; the doctor
    names it."""
    sources, parameters = _chosen(eligibility)
    if not sources:
        return None
    conditions, more = due_conditions(eligibility, at)
    parameters |= {"status": status} | more
    if status == "retry":
        # One step tells that nothing is due, where the order of the claims would lead past all that is not.
        conditions += f" AND :wall_ms >= coalesce((SELECT min(w.next_attempt_at_ms) {_BACKING_OFF}), 0)"
    return (
        f"SELECT (SELECT w.rowid {_WAITING.format(status=':status')}{conditions}{NEWEST_FIRST} LIMIT 1) FROM {sources}",
        parameters,
    )


NEWEST_FIRST = " ORDER BY w.content_at_ms DESC, w.thread_id DESC, w.scope_kind, w.scope_key"
"""The order of the claims: that of the index, among the jobs of one status and one source."""


def due_conditions(eligibility: Eligibility, at: Instant) -> tuple[str, dict[str, SqlValue]]:
    """What must hold of a waiting job `w` of a chosen source for it to be claimed now, and the parameters."""
    text = (
        f" AND w.{leases.CAN_BE_FENCED} AND w.content_at_ms <= :content_at_ms_max"
        " AND (w.next_attempt_at_ms IS NULL OR w.next_attempt_at_ms <= :wall_ms)"
    )
    parameters: dict[str, SqlValue] = {
        "wall_ms": at.wall_ms,
        "content_at_ms_max": at.wall_ms - eligibility.idle_ms,
    }
    if eligibility.age_ms_max is not None:
        text += " AND w.content_at_ms >= :content_at_ms_min"
        parameters["content_at_ms_min"] = at.wall_ms - eligibility.age_ms_max
    return text, parameters


async def next_due_in_ms(tx: Transaction, eligibility: Eligibility, at: Instant) -> int | None:
    """When the next waiting job may be due: idle long enough, and behind its back-off. None when none waits."""
    sources, parameters = _chosen(eligibility)
    if not sources:
        return None
    # What is not idle yet is of now, and little. What is needs no look at its content: its back-off ends later.
    not_idle = [
        "SELECT (SELECT min(max(coalesce(w.next_attempt_at_ms, 0), w.content_at_ms + :idle_ms))"
        f" {_WAITING.format(status=repr(status))} AND w.content_at_ms > :content_at_ms_max) AS due_at_ms FROM {sources}"
        for status in ("pending", "retry")
    ]
    idle = (
        f"SELECT (SELECT w.next_attempt_at_ms {_BACKING_OFF} AND w.next_attempt_at_ms > :wall_ms"
        f" AND w.content_at_ms <= :content_at_ms_max ORDER BY w.next_attempt_at_ms LIMIT 1) FROM {sources}"
    )
    due_at_ms = await tx.count(
        f"SELECT coalesce(min(due_at_ms), 0) FROM ({' UNION ALL '.join((*not_idle, idle))})",
        **parameters,
        idle_ms=eligibility.idle_ms,
        wall_ms=at.wall_ms,
        content_at_ms_max=at.wall_ms - eligibility.idle_ms,
    )
    return due_at_ms - at.wall_ms if due_at_ms else None
