"""Where a thread's rollout lies: what the index says, and how it follows a file that was found elsewhere or moved.

The rows of files belong to the scan. Here one is only told that its file left, or that a file is to be looked at again.
"""

import attrs

from state.ids import Instant, ThreadId
from state.messages.thread_edits import InvalidThreadId
from state.messages.thread_places import (
    FindRolloutPath,
    MarkThreadArchived,
    MarkThreadUnarchived,
    PlaceKnown,
    RepairRolloutPath,
    RolloutPathFound,
    ThreadPlace,
)
from state.messages.threads import UnknownThread
from state.rollouts.filename import thread_id_of
from state.rules.backfill import mark_vanished
from state.rules.gone_files import mark_threads_of_file
from state.transaction import Transaction


@attrs.frozen(kw_only=True)
class _Place:
    rollout_path: str
    archived: int


async def find_rollout_path(
    tx: Transaction, request: FindRolloutPath, at: Instant
) -> RolloutPathFound | UnknownThread | InvalidThreadId:
    """The row's path, if the row is in the place that was asked for."""
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    row = await _place_of(tx, thread_id)
    if row is None or request.place is (ThreadPlace.ACTIVE if row.archived else ThreadPlace.ARCHIVED):
        return UnknownThread(thread_id=thread_id)
    return RolloutPathFound(thread_id=thread_id, path=row.rollout_path, archived=bool(row.archived))


async def repair_rollout_path(
    tx: Transaction, request: RepairRolloutPath, at: Instant
) -> PlaceKnown | UnknownThread | InvalidThreadId:
    """Correct path and archived state, and nothing else.

    The folder that the thread works in is left as the rollout says it: the baseline also stores it with its links
    resolved, which would depend on the machine's links at this moment, and would not be what a reading says.
    """
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    changed = await tx.execute(
        "UPDATE threads SET rollout_path = :path,"
        " archived_at_ms = CASE WHEN :archived = 1 THEN coalesce(archived_at_ms, updated_at_ms) END"
        " WHERE id = :id AND (rollout_path <> :path OR (archived_at_ms IS NOT NULL) <> :archived)",
        id=thread_id,
        path=request.path,
        archived=int(request.archived),
    )
    if not changed and await _place_of(tx, thread_id) is None:
        return UnknownThread(thread_id=thread_id)
    await _expect_file(tx, request.path)
    await mark_threads_of_file(tx, request.path)
    return PlaceKnown(thread_id=thread_id, changed=bool(changed))


async def mark_thread_archived(
    tx: Transaction, request: MarkThreadArchived, at: Instant
) -> PlaceKnown | UnknownThread | InvalidThreadId:
    """Follow the file into the archive."""
    return await _follow(tx, request.thread_id, request.path, request.archived_at_ms, request.mtime_ms)


async def mark_thread_unarchived(
    tx: Transaction, request: MarkThreadUnarchived, at: Instant
) -> PlaceKnown | UnknownThread | InvalidThreadId:
    """Follow the file back."""
    return await _follow(tx, request.thread_id, request.path, None, request.mtime_ms)


async def _follow(
    tx: Transaction, asked: str, path: str, archived_at_ms: int | None, mtime_ms: int | None
) -> PlaceKnown | UnknownThread | InvalidThreadId:
    thread_id = thread_id_of(asked)
    if thread_id is None:
        return InvalidThreadId(asked=asked)
    before = await _place_of(tx, thread_id)
    if before is None:
        return UnknownThread(thread_id=thread_id)
    changed = await tx.execute(
        "UPDATE threads SET rollout_path = :path, archived_at_ms = :archived_at_ms,"
        " updated_at_ms = coalesce(:mtime_ms, updated_at_ms) WHERE id = :id AND (rollout_path <> :path"
        " OR archived_at_ms IS NOT :archived_at_ms OR updated_at_ms <> coalesce(:mtime_ms, updated_at_ms))",
        id=thread_id,
        path=path,
        archived_at_ms=archived_at_ms,
        mtime_ms=mtime_ms,
    )
    if before.rollout_path != path:
        # Else the row of the file that is gone would go before the one that is there.
        await mark_vanished(tx, before.rollout_path)
    await _expect_file(tx, path)
    await mark_threads_of_file(tx, path)
    return PlaceKnown(thread_id=thread_id, changed=bool(changed))


async def _place_of(tx: Transaction, thread_id: ThreadId) -> _Place | None:
    return await tx.one(
        _Place,
        "SELECT rollout_path, archived_at_ms IS NOT NULL AS archived FROM threads WHERE id = :id",
        id=thread_id,
    )


async def _expect_file(tx: Transaction, path: str) -> None:
    """Have a file looked at again that was gone and is back: its thread would be hidden until then."""
    await tx.execute(
        "UPDATE rollout_files SET status = 'pending', reason = NULL WHERE path = :path AND status = 'vanished'",
        path=path,
    )
