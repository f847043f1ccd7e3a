"""When there is something to extract: what a reading of a rollout means for its thread's job.

A thread with content has one job, in the scope of its working folder. New content opens it again, a move to another
folder takes it along, and a thread whose words turn out to be copies has none.
"""

import attrs

from state.ids import Scope, ThreadId
from state.rules import leases
from state.rules.scopes import CWD_KIND, mark_scope_dirty
from state.transaction import Transaction


async def refresh_job(tx: Transaction, thread_id: ThreadId, cwd: str, revision: int, content_at_ms: int) -> None:
    """Make sure that a thread with content has its job, and that new content opens it again.

    A thread that moved to another working folder takes its job along; what it left in the old scope is removed there.
    """
    job = await _job_of(tx, thread_id)
    if job is None:
        await tx.execute(
            "INSERT INTO extraction_jobs (thread_id, scope_kind, scope_key, status, content_at_ms, attempts,"
            " given_back, fencing_number) VALUES (:thread_id, :kind, :key, 'pending', :content_at_ms, 0, 0, 0)",
            thread_id=thread_id,
            kind=CWD_KIND,
            key=cwd,
            content_at_ms=content_at_ms,
        )
        return
    if job.scope_key != cwd:
        await _move_job(tx, thread_id, Scope(kind=CWD_KIND, key=job.scope_key), cwd)
    await tx.execute(
        "UPDATE extraction_jobs SET content_at_ms = :content_at_ms WHERE thread_id = :thread_id"
        " AND scope_kind = :kind AND content_at_ms <> :content_at_ms",
        thread_id=thread_id,
        kind=CWD_KIND,
        content_at_ms=content_at_ms,
    )
    await tx.execute(
        "UPDATE extraction_jobs SET status = 'pending', attempts = 0, given_back = 0, next_attempt_at_ms = NULL,"
        " reason = NULL, claimed_revision = NULL WHERE thread_id = :thread_id AND scope_kind = :kind"
        " AND status <> 'running'"
        " AND (claimed_revision < :revision OR (claimed_revision IS NULL AND done_revision < :revision))",
        thread_id=thread_id,
        kind=CWD_KIND,
        revision=revision,
    )


async def empty_job(tx: Transaction, thread_id: ThreadId, revision: int) -> None:
    """End the job of a thread whose words turned out to be copies, and forget what it made: they are another thread's.

    The job's numbers stay, and words of the thread's own open it again.
    """
    job = await _job_of(tx, thread_id)
    if job is None:
        return
    await _forget(tx, thread_id, Scope(kind=CWD_KIND, key=job.scope_key))
    await tx.execute(
        f"UPDATE extraction_jobs SET status = 'empty', {leases.FREE}, attempts = 0, given_back = 0,"
        " next_attempt_at_ms = NULL, reason = NULL, claimed_revision = NULL, done_revision = :revision,"
        " done_input_digest = NULL WHERE thread_id = :thread_id AND scope_kind = :kind",
        thread_id=thread_id,
        kind=CWD_KIND,
        revision=revision,
    )


@attrs.frozen(kw_only=True)
class _Job:
    scope_key: str


async def _job_of(tx: Transaction, thread_id: ThreadId) -> _Job | None:
    return await tx.one(
        _Job,
        "SELECT scope_key FROM extraction_jobs WHERE thread_id = :thread_id AND scope_kind = :kind",
        thread_id=thread_id,
        kind=CWD_KIND,
    )


async def _forget(tx: Transaction, thread_id: ThreadId, scope: Scope) -> None:
    forgotten = await tx.execute(
        "DELETE FROM memories WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key",
        thread_id=thread_id,
        kind=scope.kind,
        key=scope.key,
    )
    if forgotten:
        await mark_scope_dirty(tx, scope)


async def _move_job(tx: Transaction, thread_id: ThreadId, old: Scope, cwd: str) -> None:
    await _forget(tx, thread_id, old)
    # A worker in the middle of the old scope's job loses its token here: what it has made belongs nowhere now.
    await tx.execute(
        f"UPDATE extraction_jobs SET scope_key = :cwd, status = 'pending', {leases.FREE}, attempts = 0,"
        " given_back = 0, next_attempt_at_ms = NULL, reason = NULL, claimed_revision = NULL, done_revision = NULL,"
        " done_input_digest = NULL WHERE thread_id = :thread_id AND scope_kind = :kind",
        thread_id=thread_id,
        kind=old.kind,
        cwd=cwd,
    )
