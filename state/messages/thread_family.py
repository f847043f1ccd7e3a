"""Messages about threads that came out of another one."""

import attrs

from state.ids import ThreadId
from state.messages.base import LongRead


@attrs.frozen(kw_only=True)
class ThreadFamily:
    """What hangs on a thread.

    Attributes:
      spawned: threads that it, or one of these, started as its agents; parents before their children.
      has_history_forks: a paginated fork has its history in this thread's rollout, and not in its own.
    """

    spawned: tuple[ThreadId, ...]
    has_history_forks: bool


@attrs.frozen(kw_only=True)
class FindThreadFamily(LongRead[ThreadFamily]):
    """Which threads go with this one when it is archived or deleted, and is its rollout needed by another?"""

    thread_id: ThreadId
