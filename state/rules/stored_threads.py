"""One stored thread for whoever answers clients: what would be two or three messages in one."""

import attrs

from state.ids import Instant, ThreadId
from state.messages.backfill import KnownRollout
from state.messages.stored_threads import EditStoredThread, GetStoredThread, StoredThread
from state.messages.thread_edits import InvalidThreadId, PatchThreadGit, ThreadEdited
from state.messages.threads import Thread, UnknownThread
from state.rollouts.model import Checkpoint
from state.rules.applying import apply_rollout_items
from state.rules.thread_edits import patch_thread_git, set_thread_memory_mode
from state.rules.threads import COLUMNS
from state.transaction import Transaction

_THREAD = f"SELECT {COLUMNS} FROM threads WHERE id = :id"

_FILE = (
    "SELECT path, size_bytes, mtime_ns, inode, status, next_attempt_at_ms,"
    " offset_bytes, head_digest, tail_digest, fold_state FROM rollout_files"
    " WHERE path = :path AND status = 'indexed' AND thread_id = :thread_id"
)


@attrs.frozen(kw_only=True)
class _File(KnownRollout):
    offset_bytes: int
    head_digest: str | None
    tail_digest: str | None
    fold_state: bytes | None

    def checkpoint(self) -> Checkpoint | None:
        """Where its reading stopped."""
        if self.head_digest is None or self.tail_digest is None or self.fold_state is None:
            return None
        return Checkpoint(
            offset_bytes=self.offset_bytes,
            head_digest=self.head_digest,
            tail_digest=self.tail_digest,
            fold=self.fold_state,
        )


async def get_stored_thread(tx: Transaction, request: GetStoredThread, at: Instant) -> StoredThread | UnknownThread:
    """Both rows by their keys."""
    thread = await tx.one(Thread, _THREAD, id=request.thread_id)
    if thread is None:
        return UnknownThread(thread_id=request.thread_id)
    file = await tx.one(_File, _FILE, path=thread.rollout_path, thread_id=thread.id)
    return StoredThread(thread=thread, file=file, checkpoint=None if file is None else file.checkpoint())


async def edit_stored_thread(
    tx: Transaction, request: EditStoredThread, at: Instant
) -> Thread | UnknownThread | InvalidThreadId:
    """The reading and the edit by their own rules, then the row."""
    if request.applied is not None:
        # One that is out of date says only that somebody has read more of the file.
        await apply_rollout_items(tx, request.applied, at)
    edit = request.edit
    edited = await (
        patch_thread_git(tx, edit, at) if isinstance(edit, PatchThreadGit) else set_thread_memory_mode(tx, edit, at)
    )
    if not isinstance(edited, ThreadEdited):
        return edited
    thread = await tx.one(Thread, _THREAD, id=edited.thread_id)
    return UnknownThread(thread_id=ThreadId(edited.thread_id)) if thread is None else thread
