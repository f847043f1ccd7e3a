"""How far somebody has read a thread. memoryd keeps no receipts, so every thread that can have one has been read."""

from collections.abc import Iterable
from typing import Any

from state.messages.threads import INTERACTIVE_KINDS, SourceKind, Thread
from state.rules.source_kinds import is_of

_WITH_RECEIPTS = INTERACTIVE_KINDS | {SourceKind.EXEC, SourceKind.APP_SERVER}
"""Threads of sub-agents, and of programs that nobody knows, have none."""


def read_state(thread: Thread) -> dict[str, Any] | None:
    """The receipt of one thread."""
    if not is_of(thread.source, _WITH_RECEIPTS):
        return None
    return {"firstUnread": None, "revision": f"initial:{thread.id}"}


def read_states(threads: Iterable[Thread]) -> dict[str, Any]:
    """The receipts of those that have one."""
    found = {thread.id: read_state(thread) for thread in threads}
    return {thread_id: state for thread_id, state in found.items() if state is not None}
