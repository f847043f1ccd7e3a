"""Messages of programs that read and write single memories.

Whoever writes a memory makes its scope dirty, so that no write can be forgotten by the files that are made of it. How
often a memory was used, whether it was invalidated, and what files hold it stay as they are.
"""

import attrs

from state.ids import OwnershipToken, Scope, ThreadId
from state.messages.base import Lane, Request, SmallRead
from state.messages.extraction import ExtractorId, MemoryDraft
from state.messages.leases import NotOwner, check_whole_number
from state.messages.threads import UnknownThread


@attrs.frozen(kw_only=True)
class MemoryRow:
    """One memory as it is stored, without its notes. updated_at_ms strictly grows with every write.

    Attributes:
      source_at_ms: time of the newest content that it was made from.
      extractor: name and version, as "builtin:3".
      invalidated_at_ms: None unless it was declared wrong; such a memory feeds no files.
    """

    thread_id: ThreadId
    scope: Scope
    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None
    source_at_ms: int
    generated_at_ms: int
    updated_at_ms: int
    extractor: str
    usage_count: int
    last_used_at_ms: int | None
    invalidated_at_ms: int | None
    invalid_reason: str | None


@attrs.frozen(kw_only=True)
class SaveMemory(Request[MemoryRow | UnknownThread]):
    """Write a thread's memory in a scope, whoever works on it. Asking again is safe: it only moves updated_at_ms on.

    Attributes:
      scope: None stands for the thread's working folder.
      draft: redacted already.
    """

    thread_id: ThreadId
    extractor: ExtractorId
    draft: MemoryDraft
    scope: Scope | None = None


@attrs.frozen(kw_only=True)
class SaveMemoryUnderClaim(Request[MemoryRow | NotOwner | UnknownThread]):
    """Write a thread's memory only while the token holds the running extraction job of exactly this thread and scope.

    The job stays claimed. Asking again is safe: it only moves updated_at_ms on, or answers NotOwner.
    """

    lane = Lane.URGENT
    token: OwnershipToken
    thread_id: ThreadId
    scope: Scope
    extractor: ExtractorId
    draft: MemoryDraft


@attrs.frozen(kw_only=True)
class GetNewestMemory(SmallRead[MemoryRow | None]):
    """The memory of a thread that was changed last, of whatever scope, also an invalidated one; None when it has none.

    Of two that were changed in the same millisecond, the one of the greater scope kind, then of the greater key.
    """

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class LastMemories(SmallRead[tuple[MemoryRow, ...]]):
    """The `count` memories of a scope that were changed last, newest first; ties go by the greater thread id.

    The scope is compared exactly, never by prefix. Invalidated memories are left out. 0 answers none.

    Raises:
      InvalidRequestError: count is no number, or negative.
    """

    scope: Scope
    count: int = attrs.field(validator=check_whole_number(0))
