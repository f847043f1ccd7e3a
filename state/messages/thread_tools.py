"""Messages about the tools that a thread's client brought along."""

import attrs

from state.messages.base import Request, SmallRead
from state.messages.thread_edits import InvalidThreadId
from state.messages.threads import UnknownThread
from state.rollouts.model import DynamicTool


@attrs.frozen(kw_only=True)
class DynamicToolsSet:
    """added: how many positions had no tool before."""

    added: int


@attrs.frozen(kw_only=True)
class SetDynamicTools(Request[DynamicToolsSet | UnknownThread | InvalidThreadId]):
    """Give a thread its tools, in order. The first writer of each position wins. Asking again is safe.

    No tools, as None or as an empty tuple, change nothing.
    """

    thread_id: str
    tools: tuple[DynamicTool, ...] | None


@attrs.frozen(kw_only=True)
class DynamicToolsFound:
    """tools: in order; None when the thread has none, or has no row."""

    tools: tuple[DynamicTool, ...] | None


@attrs.frozen(kw_only=True)
class GetDynamicTools(SmallRead[DynamicToolsFound | InvalidThreadId]):
    """Which tools does a thread have?"""

    thread_id: str
