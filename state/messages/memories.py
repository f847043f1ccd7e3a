"""Messages for people who look at memories."""

import attrs

from state.ids import Scope, ThreadId
from state.messages.base import LongRead, SmallRead
from state.messages.extraction import MemoryNote


@attrs.frozen(kw_only=True)
class Memory:
    """One thread's memory in one scope. updated_at_ms strictly grows with every change."""

    thread_id: ThreadId
    scope: Scope
    title: str
    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None
    source_at_ms: int
    generated_at_ms: int
    updated_at_ms: int
    usage_count: int
    extractor: str
    notes: tuple[MemoryNote, ...]


@attrs.frozen(kw_only=True)
class MemoryAnchor:
    """The last row of the page before: its time and its key, so that ties at a page border are not lost."""

    updated_at_ms: int
    thread_id: ThreadId
    scope: Scope


@attrs.frozen(kw_only=True)
class MemoryPage:
    """memories: last changed first, at most `limit`, without notes."""

    memories: tuple[Memory, ...]
    next_anchor: MemoryAnchor | None


@attrs.frozen(kw_only=True)
class ListMemories(LongRead[MemoryPage]):
    """Memories, optionally of one scope (exact match)."""

    scope: Scope | None = None
    limit: int = 25
    anchor: MemoryAnchor | None = None


@attrs.frozen(kw_only=True)
class MemoriesOfThread:
    """All memories of one thread, with their notes; last changed first."""

    memories: tuple[Memory, ...]


@attrs.frozen(kw_only=True)
class MemoryNotFound:
    """No thread with a memory has that id. `similar` holds up to five ids that begin with what was asked."""

    similar: tuple[ThreadId, ...]


@attrs.frozen(kw_only=True)
class GetMemories(SmallRead[MemoriesOfThread | MemoryNotFound]):
    """The memories of one thread, by its id or a unique beginning of it."""

    thread_id: str
