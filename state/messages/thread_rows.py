"""Messages that write or delete whole thread rows, for callers that know a thread before or better than its file."""

import attrs

from state.ids import ThreadId
from state.messages.backfill import FileStatus, RolloutRead
from state.messages.base import Request
from state.messages.thread_edits import InvalidThreadId, MemoryMode
from state.messages.threads import UnknownThread
from state.rollouts.fold_state import DEFAULT_APPROVAL, DEFAULT_HISTORY_MODE, DEFAULT_SOURCE
from state.rollouts.permissions import READ_ONLY


@attrs.frozen(kw_only=True)
class ThreadFields:
    """What a caller says of a thread: every column but those that only readings of its rollout give.

    The defaults are those of a thread of which nothing else is known. Times are Unix ms; recency_at_ms None means
    updated_at_ms. Texts are stored as they are given: the asker has redacted them.
    """

    id: str
    rollout_path: str
    created_at_ms: int
    updated_at_ms: int
    model_provider: str
    recency_at_ms: int | None = None
    archived_at_ms: int | None = None
    source: str = DEFAULT_SOURCE
    originator: str = ""
    thread_source: str | None = None
    parent_thread_id: str | None = None
    forked_from_id: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    agent_path: str | None = None
    model: str | None = None
    reasoning_effort: str | None = None
    cwd: str = ""
    cli_version: str = ""
    history_mode: str = DEFAULT_HISTORY_MODE
    memory_mode: MemoryMode = attrs.field(default=MemoryMode.ENABLED, converter=MemoryMode)
    title: str = ""
    name: str | None = None
    preview: str = ""
    first_user_message: str = ""
    sandbox_policy: str = READ_ONLY
    approval_mode: str = DEFAULT_APPROVAL
    tokens_used: int = 0
    git_sha: str | None = None
    git_branch: str | None = None
    git_origin_url: str | None = None


@attrs.frozen(kw_only=True)
class ThreadWritten:
    """The row is there. is_new: it was not before."""

    thread_id: ThreadId
    is_new: bool


@attrs.frozen(kw_only=True)
class UpsertThread(Request[ThreadWritten | InvalidThreadId]):
    """Insert a thread's row, or overwrite every column of it but memory_mode. Asking again is safe.

    Where this says something that the row did not say (a git value, a name, a title that is not the first message, for
    a new row a memory mode other than enabled), that is an edit, and later readings of the rollout leave it alone. A
    column that was edited before and is None here becomes a cleared one.
    """

    fields: ThreadFields


@attrs.frozen(kw_only=True)
class InsertThreadIfAbsent(Request[ThreadWritten | InvalidThreadId]):
    """Insert a thread's row if it has none; never overwrites anything. Asking again is safe.

    What is said in a new row counts as edits, as in UpsertThread; edits that outlived an older row go before it.
    """

    fields: ThreadFields


@attrs.frozen(kw_only=True)
class RolloutApplied:
    """What became of the reading.

    Attributes:
      status: INDEXED: the thread's row is up to date with it. SHADOWED, SKIPPED: as for any file; `reason` says why.
      thread_id: of the thread that the file holds, or None.
    """

    status: FileStatus = attrs.field(converter=FileStatus)
    thread_id: ThreadId | None
    reason: str | None


@attrs.frozen(kw_only=True)
class RolloutOutdated:
    """A newer state of the file is known already; nothing was changed. Read the file again and ask with that."""


@attrs.frozen(kw_only=True)
class ApplyRolloutItems(Request[RolloutApplied | RolloutOutdated]):
    """Store what reading one rollout gave, without the scan's token: for a thread that is live. Asking again is safe.

    Row, memory mode and tools are one transaction. Edits go before what the rollout says.

    Attributes:
      new_thread_memory_mode: for a thread without a row whose rollout says no mode; None is enabled.
      updated_at_ms: None takes the file's time.
    """

    read: RolloutRead
    model_provider_default: str
    new_thread_memory_mode: MemoryMode | None = attrs.field(
        default=None, converter=attrs.converters.optional(MemoryMode)
    )
    updated_at_ms: int | None = None


@attrs.frozen(kw_only=True)
class ThreadTouched:
    """When the row now says that the thread was updated, Unix ms."""

    updated_at_ms: int


@attrs.frozen(kw_only=True)
class TouchThread(Request[ThreadTouched | UnknownThread | InvalidThreadId]):
    """Say that a thread was updated at `at_ms`. Asking again moves it on by a millisecond at most.

    A time that is newer than every row's is taken, and so is one that lies a second or more behind the newest, which
    is history. One in between becomes the newest plus one, so that what changes now has a time of its own to page by.
    """

    thread_id: str
    at_ms: int


@attrs.frozen(kw_only=True)
class ThreadDeleted:
    """rows: 1, or 0 when there was none."""

    rows: int


@attrs.frozen(kw_only=True)
class DeleteThread(Request[ThreadDeleted | InvalidThreadId]):
    """Delete a thread's row with its tools, memories and jobs. Asking again is safe.

    Projects that had a memory of it become dirty. Neither the rollout nor the journal is touched: a file that is still
    there is indexed again by the next scan, and what was said of the thread, above all that it must not be remembered,
    is said of it again. ForgetThread is for a thread that is gone for good.
    """

    thread_id: str


@attrs.frozen(kw_only=True)
class ThreadForgotten:
    """The journal says nothing of the thread any more."""

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class ThreadStillThere:
    """The thread has a row, so what was said of it stays."""

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class ForgetThread(Request[ThreadForgotten | ThreadStillThere | InvalidThreadId]):
    """Take out of the journal what was said of a thread that has no row. Asking again is safe.

    Asked after DeleteThread, and not part of it: the journal is written before a commit, and one that failed would
    leave a row whose edits no rebuilt database has.
    """

    begins_batch = True
    thread_id: str
