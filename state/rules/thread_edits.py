"""Saying something of a thread beside its rollout: one column each, or the three of git, and nothing else."""

import attrs

from state.ids import Instant, ThreadId
from state.messages.thread_edits import (
    InvalidThreadId,
    Keep,
    PatchThreadGit,
    SetThreadMemoryMode,
    SetThreadName,
    SetThreadTitle,
    ThreadEdited,
)
from state.messages.threads import UnknownThread
from state.rollouts.filename import thread_id_of
from state.rules.edits import Values, mark_mode_change, say
from state.transaction import Transaction

Outcome = ThreadEdited | UnknownThread | InvalidThreadId


async def set_thread_title(
    tx: Transaction, request: SetThreadTitle, at: Instant
) -> ThreadEdited | UnknownThread | InvalidThreadId:
    """Write the title."""
    return await _edit(tx, request.thread_id, {"title": request.title}, at)


async def set_thread_name(
    tx: Transaction, request: SetThreadName, at: Instant
) -> ThreadEdited | UnknownThread | InvalidThreadId:
    """Write or clear the name."""
    return await _edit(tx, request.thread_id, {"name": request.name}, at)


@attrs.frozen(kw_only=True)
class _Mode:
    memory_mode: str
    cwd: str


async def set_thread_memory_mode(
    tx: Transaction, request: SetThreadMemoryMode, at: Instant
) -> ThreadEdited | UnknownThread | InvalidThreadId:
    """Write the mode; what may be remembered of the thread, in whatever scope, changes with it."""
    thread_id = thread_id_of(request.thread_id)
    before = await tx.one(_Mode, "SELECT memory_mode, cwd FROM threads WHERE id = :id", id=thread_id)
    if thread_id is not None and before is not None:
        await mark_mode_change(tx, ThreadId(thread_id), before.memory_mode, request.mode.value, before.cwd)
    return await _edit(tx, request.thread_id, {"memory_mode": request.mode.value}, at)


async def patch_thread_git(
    tx: Transaction, request: PatchThreadGit, at: Instant
) -> ThreadEdited | UnknownThread | InvalidThreadId:
    """Keep, clear or set each column; one that is kept is no edit."""
    said = {"git_sha": request.sha, "git_branch": request.branch, "git_origin_url": request.origin_url}
    return await _edit(
        tx, request.thread_id, {field: value for field, value in said.items() if not isinstance(value, Keep)}, at
    )


async def _edit(tx: Transaction, asked: str, values: Values, at: Instant) -> Outcome:
    thread_id = thread_id_of(asked)
    if thread_id is None:
        return InvalidThreadId(asked=asked)
    # A column that is set to itself makes a patch of nothing one UPDATE, too, that tells whether there is a row.
    columns = ", ".join(f"{field} = :{field}" for field in values) or "title = title"
    if not await tx.execute(f"UPDATE threads SET {columns} WHERE id = :id", id=thread_id, **values):
        return UnknownThread(thread_id=ThreadId(thread_id))
    await say(tx, thread_id, values, at)
    return ThreadEdited(thread_id=thread_id)
