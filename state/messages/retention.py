"""Messages about which memories stay: what was used, what nobody needs any more, what must be forgotten.

A memory is *selected* while its scope's current generation was made of it. What is selected is in files, so it can
only go by a consolidation without it: the scope is made dirty. What is not may be deleted at once.
"""

import attrs

from state.ids import Scope, ThreadId
from state.messages.base import Request
from state.messages.leases import check_whole_number
from state.messages.threads import UnknownThread

PRUNED_MAX = 200
"""How many memories one request deletes at most, so that nobody waits behind it for long."""


@attrs.frozen(kw_only=True)
class UsageRecorded:
    """threads: how many had a memory, each counted once. unknown: those that have none, in the order they came."""

    threads: int
    unknown: tuple[ThreadId, ...]


@attrs.frozen(kw_only=True)
class RecordUsage(Request[UsageRecorded]):
    """Note that the memories of these threads were of use just now. A thread that is named twice counts once.

    Asking again counts again.
    """

    thread_ids: tuple[ThreadId, ...]


@attrs.frozen(kw_only=True)
class MemoriesPruned:
    """memories: how many were deleted; as many as allowed means that there may be more.
    scopes: how many became dirty, because their files hold memories that are too old by now."""

    memories: int
    scopes: int


@attrs.frozen(kw_only=True)
class PruneMemories(Request[MemoriesPruned]):
    """Delete memories that no current generation was made of and that were neither used nor renewed for longer than
    unused_ms; those that were so longest go first. A thread's job stays, so that it is not extracted again.

    Scopes whose files hold such memories are made dirty, unless they are. Asking again is safe.
    """

    unused_ms: int = attrs.field(validator=check_whole_number(0))
    limit: int = attrs.field(default=PRUNED_MAX, validator=check_whole_number(0))


@attrs.frozen(kw_only=True)
class Polluted:
    """The thread is polluted. changed: False when it was before. dirty: scopes whose files have to forget it."""

    changed: bool
    dirty: tuple[Scope, ...]


@attrs.frozen(kw_only=True)
class MarkPolluted(Request[Polluted | UnknownThread]):
    """Say that a thread took in what is not to be trusted: it is neither extracted nor consolidated from now on.

    Scopes whose current files were made of its memories are made dirty. Asking again changes nothing.
    """

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class ThreadMemoryDeleted:
    """How many memories and jobs went, over all scopes, and which scopes' files have to forget them."""

    memories: int
    jobs: int
    dirty: tuple[Scope, ...]


@attrs.frozen(kw_only=True)
class DeleteThreadMemory(Request[ThreadMemoryDeleted | UnknownThread]):
    """Delete a thread's memories and its extraction jobs, also one that is in work: its owner can save nothing.

    The thread itself stays; when its rollout is read again it has a job again, so this alone forgets nothing for good.
    Asking again finds nothing.
    """

    thread_id: ThreadId
