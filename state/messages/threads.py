"""Messages about threads: one row, or a page of them."""

from enum import StrEnum

import attrs

from state.ids import ThreadId
from state.messages.base import LongRead, SmallRead
from state.rollouts.model import DynamicTool


@attrs.frozen(kw_only=True)
class Thread:
    """One thread row. `*_at_ms` are Unix ms; enumerations that are objects in the rollout are compact JSON text."""

    id: ThreadId
    rollout_path: str
    created_at_ms: int
    updated_at_ms: int
    recency_at_ms: int
    archived_at_ms: int | None
    source: str
    originator: str
    thread_source: str | None
    parent_thread_id: str | None
    forked_from_id: str | None
    agent_nickname: str | None
    agent_role: str | None
    agent_path: str | None
    model_provider: str
    model: str | None
    reasoning_effort: str | None
    cwd: str
    cli_version: str
    history_mode: str
    memory_mode: str
    title: str
    name: str | None
    preview: str
    first_user_message: str
    sandbox_policy: str
    approval_mode: str
    tokens_used: int
    git_sha: str | None
    git_branch: str | None
    git_origin_url: str | None
    content_at_ms: int | None
    content_revision: int


class ThreadSort(StrEnum):
    """By which time a listing is ordered; ties are ordered by id, the same way round."""

    CREATED = "created_at"
    UPDATED = "updated_at"
    RECENCY = "recency_at"


class ThreadDirection(StrEnum):
    """Which way round a listing goes."""

    DESCENDING = "desc"
    """Newest first."""
    ASCENDING = "asc"
    """Oldest first."""


class SourceKind(StrEnum):
    """What kind of program, or of sub-agent, a thread comes from; the words that clients of the app-server use."""

    CLI = "cli"
    VSCODE = "vscode"
    EXEC = "exec"
    APP_SERVER = "appServer"
    SUB_AGENT = "subAgent"
    """Any sub-agent, those of the next four kinds among them."""
    SUB_AGENT_REVIEW = "subAgentReview"
    SUB_AGENT_COMPACT = "subAgentCompact"
    SUB_AGENT_THREAD_SPAWN = "subAgentThreadSpawn"
    SUB_AGENT_OTHER = "subAgentOther"
    UNKNOWN = "unknown"
    NAMED_APP = "namedApp"
    """The programs with names of their own that people talk to by themselves. Clients have no word for them."""


INTERACTIVE_KINDS = frozenset({SourceKind.CLI, SourceKind.VSCODE, SourceKind.NAMED_APP})
"""What a listing shows that does not say which kinds it wants."""


@attrs.frozen(kw_only=True)
class ThreadAnchor:
    """The row that a listing goes on behind: its sort time and its id, so that ties at a page border are not lost."""

    at_ms: int
    id: ThreadId


@attrs.frozen(kw_only=True)
class ThreadPage:
    """At most `limit` threads, in the order that was asked for.

    Attributes:
      next_anchor: the last row, to go on with; None on the last page.
      first_anchor: the first row, to go back from in the other direction; None on an empty page.
      rows_scanned: how many rows were fetched; one more than there are threads when there is a next page.
    """

    threads: tuple[Thread, ...]
    next_anchor: ThreadAnchor | None
    first_anchor: ThreadAnchor | None = None
    rows_scanned: int = 0


@attrs.frozen(kw_only=True)
class ThreadFilter:
    """Which threads, in which order, behind which row, and how many at most. Only threads with a preview are visible.

    Attributes:
      sources, model_providers, cwds: None allows all; an empty tuple allows none. (To the baseline an empty list of
        sources or providers meant all, and one of folders none; here it means none for each.)
      archived: the archived ones or the others, never both.
      title_contains: case-sensitive part of the title or name.
      source_kinds: None allows all. A filter may name kinds and sources; a thread then passes both.
      parent_thread_id, ancestor_thread_id: only sub-agents that this thread has started, or that these have, and so on.
      excluded_ids: threads that are passed over; they do not count for the limit.
    """

    limit: int = 25
    anchor: ThreadAnchor | None = None
    sort: ThreadSort = ThreadSort.CREATED
    direction: ThreadDirection = ThreadDirection.DESCENDING
    archived: bool = False
    sources: tuple[str, ...] | None = None
    model_providers: tuple[str, ...] | None = None
    cwds: tuple[str, ...] | None = None
    title_contains: str | None = None
    source_kinds: frozenset[SourceKind] | None = None
    parent_thread_id: ThreadId | None = None
    ancestor_thread_id: ThreadId | None = None
    excluded_ids: tuple[ThreadId, ...] = ()


@attrs.frozen(kw_only=True)
class ListThreads(ThreadFilter, LongRead[ThreadPage]):
    """A page of the visible threads that pass every filter."""


@attrs.frozen(kw_only=True)
class ListThreadIds(ThreadFilter, LongRead[tuple[ThreadId, ...]]):
    """The ids of the visible threads that pass every filter, in order, without a word on whether there are more."""


@attrs.frozen(kw_only=True)
class ThreadFound:
    """One thread with its tools, in order."""

    thread: Thread
    dynamic_tools: tuple[DynamicTool, ...]


@attrs.frozen(kw_only=True)
class ThreadNotFound:
    """No row has that id. `similar` holds up to five ids that begin with what was asked."""

    similar: tuple[ThreadId, ...]


@attrs.frozen(kw_only=True)
class UnknownThread:
    """There is no row of that thread (in the place that was asked for); nothing was changed."""

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class GetThread(SmallRead[ThreadFound | ThreadNotFound]):
    """One thread by its id, or by a unique beginning of it."""

    thread_id: str
