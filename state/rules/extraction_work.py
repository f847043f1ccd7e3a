"""When there is something to extract: what a reading of a rollout means for its thread's jobs.

A thread with content has a job of its own, in the scope of its working folder; `ClaimExtractionOf` may have made more,
in other scopes. New content opens them all again, a move to another folder takes the thread's own job along, and a
thread whose words turn out to be copies has nothing to extract in any scope.
"""

from collections.abc import Mapping

import attrs

from state.ids import Scope, ThreadId
from state.rules import leases
from state.rules.memory_writes import MEMORY_KEY, memory_key
from state.rules.scopes import CWD_KIND, mark_scope_dirty
from state.transaction import SqlValue, Transaction

ADD_JOB = (
    "INSERT INTO extraction_jobs (thread_id, scope_kind, scope_key, status, content_at_ms, attempts, given_back,"
    f" fencing_number, eligible_source) VALUES (:id, '{CWD_KIND}', :cwd, 'pending', :content_at_ms, 0, 0, 0,"
    # As a trigger keeps it from now on.
    " CASE WHEN :archived_at_ms IS NULL AND :memory_mode = 'enabled' THEN :source END)"
    " ON CONFLICT (thread_id, scope_kind, scope_key) DO NOTHING"
)
"""Makes sure that a thread with content has its job; parameters from `job_columns`."""


def job_columns(row: Mapping[str, SqlValue]) -> dict[str, SqlValue]:
    """Parameters of ADD_JOB, for the thread that this row is of."""
    return {
        "id": row["id"],
        "cwd": row["cwd"],
        "content_at_ms": row["content_at_ms"],
        "archived_at_ms": row["archived_at_ms"],
        "memory_mode": row["memory_mode"],
        "source": row["source"],
    }


async def add_job(tx: Transaction, row: Mapping[str, SqlValue]) -> None:
    """Make sure that a thread with content has its job. row: the thread's, as it is written."""
    await tx.execute(ADD_JOB, **job_columns(row))


async def refresh_jobs(tx: Transaction, thread_id: ThreadId, revision: int, content_at_ms: int) -> None:
    """Let the jobs of a thread that has some know of its content: what is new opens all of them again."""
    await tx.execute(
        "UPDATE extraction_jobs SET content_at_ms = :content_at_ms WHERE thread_id = :thread_id"
        " AND content_at_ms <> :content_at_ms",
        thread_id=thread_id,
        content_at_ms=content_at_ms,
    )
    await tx.execute(
        "UPDATE extraction_jobs SET status = 'pending', attempts = 0, given_back = 0, next_attempt_at_ms = NULL,"
        " reason = NULL, claimed_revision = NULL WHERE thread_id = :thread_id AND status <> 'running'"
        " AND (claimed_revision < :revision OR (claimed_revision IS NULL AND done_revision < :revision))",
        thread_id=thread_id,
        revision=revision,
    )


@attrs.frozen(kw_only=True)
class _JobKey:
    scope_kind: str
    scope_key: str


async def empty_job(tx: Transaction, thread_id: ThreadId, revision: int) -> None:
    """End the jobs of a thread whose words turned out to be copies, and forget what they made: it is another thread's.

    The jobs' numbers stay, and words of the thread's own open them again.
    """
    for job in await tx.all(
        _JobKey, "SELECT scope_kind, scope_key FROM extraction_jobs WHERE thread_id = :thread_id", thread_id=thread_id
    ):
        await _forget(tx, thread_id, Scope(kind=job.scope_kind, key=job.scope_key))
    await tx.execute(
        f"UPDATE extraction_jobs SET status = 'empty', {leases.FREE}, attempts = 0, given_back = 0,"
        " next_attempt_at_ms = NULL, reason = NULL, claimed_revision = NULL, done_revision = :revision,"
        " done_input_digest = NULL WHERE thread_id = :thread_id",
        thread_id=thread_id,
        revision=revision,
    )


async def move_job(tx: Transaction, thread_id: ThreadId, cwd_before: str, cwd: str) -> None:
    """Take a thread's own job along to another working folder; what it left in the old scope is removed there.

    A worker in the middle of the old scope's job loses its token here: what it has made belongs nowhere now.
    """
    old, new = Scope(kind=CWD_KIND, key=cwd_before), Scope(kind=CWD_KIND, key=cwd)
    await _forget(tx, thread_id, old)
    if await tx.count("SELECT count(*) FROM extraction_jobs" + MEMORY_KEY, **memory_key(thread_id, new)):
        # Somebody named the new scope before the thread came to it; that job is the thread's own from now on.
        await tx.execute("DELETE FROM extraction_jobs" + MEMORY_KEY, **memory_key(thread_id, old))
        return
    await tx.execute(
        f"UPDATE extraction_jobs SET scope_key = :cwd, status = 'pending', {leases.FREE}, attempts = 0,"
        " given_back = 0, next_attempt_at_ms = NULL, reason = NULL, claimed_revision = NULL, done_revision = NULL,"
        " done_input_digest = NULL" + MEMORY_KEY,
        **memory_key(thread_id, old),
        cwd=cwd,
    )


async def _forget(tx: Transaction, thread_id: ThreadId, scope: Scope) -> None:
    if await tx.execute("DELETE FROM memories" + MEMORY_KEY, **memory_key(thread_id, scope)):
        await mark_scope_dirty(tx, scope)
