"""Messages about one stored thread for whoever answers clients: its row with that of its file, and one edit of it."""

import attrs

from state.ids import ThreadId
from state.messages.backfill import KnownRollout
from state.messages.base import Request, SmallRead
from state.messages.thread_edits import InvalidThreadId, PatchThreadGit, SetThreadMemoryMode
from state.messages.thread_rows import ApplyRolloutItems
from state.messages.threads import Thread, UnknownThread
from state.rollouts.model import Checkpoint


@attrs.frozen(kw_only=True)
class StoredThread:
    """One thread's row, and what its rollout was like when the row was last brought in step with it.

    Attributes:
      file: None when the file that the row names was never read as this thread's, or is to be read again.
      checkpoint: where its last reading stopped.
    """

    thread: Thread
    file: KnownRollout | None
    checkpoint: Checkpoint | None


@attrs.frozen(kw_only=True)
class GetStoredThread(SmallRead[StoredThread | UnknownThread]):
    """A thread by its whole id. If the file is still what it was, the row says what the file says."""

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class EditStoredThread(Request[Thread | UnknownThread | InvalidThreadId]):
    """What one edit asks, answered by the row as it is then. Asking again is as safe as the edit is.

    Attributes:
      applied: what the rollout says with the line that was appended for this edit. It is stored first, so that the row
        is in step with the file when the edit is.
    """

    edit: PatchThreadGit | SetThreadMemoryMode
    applied: ApplyRolloutItems | None = None
