"""The tools of a thread: the first writer of a position wins, since they belong to the thread's start."""

from collections.abc import Sequence

from state.ids import Instant, ThreadId
from state.messages.thread_edits import InvalidThreadId
from state.messages.thread_tools import DynamicToolsFound, DynamicToolsSet, GetDynamicTools, SetDynamicTools
from state.messages.threads import UnknownThread
from state.rollouts.filename import thread_id_of
from state.rollouts.model import DynamicTool
from state.transaction import SqlValue, Transaction


async def set_dynamic_tools(
    tx: Transaction, request: SetDynamicTools, at: Instant
) -> DynamicToolsSet | UnknownThread | InvalidThreadId:
    """Fill the positions that are free."""
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    if not await tx.count("SELECT count(*) FROM threads WHERE id = :id", id=thread_id):
        return UnknownThread(thread_id=thread_id)
    return DynamicToolsSet(added=await add_tools(tx, thread_id, request.tools or ()))


async def get_dynamic_tools(
    tx: Transaction, request: GetDynamicTools, at: Instant
) -> DynamicToolsFound | InvalidThreadId:
    """A thread's tools; no rows are no tools, not an empty list of them."""
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    return DynamicToolsFound(tools=await tools_of(tx, thread_id) or None)


async def tools_of(tx: Transaction, thread_id: ThreadId) -> tuple[DynamicTool, ...]:
    """A thread's tools, in order."""
    return tuple(
        await tx.all(
            DynamicTool,
            "SELECT name, description, input_schema, defer_loading, namespace FROM thread_dynamic_tools"
            " WHERE thread_id = :id ORDER BY position",
            id=thread_id,
        )
    )


async def add_tools(tx: Transaction, thread_id: ThreadId, tools: Sequence[DynamicTool]) -> int:
    """Give a thread that has a row its tools; answer how many positions had none before."""
    added = 0
    for position, tool in enumerate(tools):
        added += await tx.execute(ADD_TOOL, **tool_columns(thread_id, position, tool))
    return added


ADD_TOOL = (
    "INSERT INTO thread_dynamic_tools (thread_id, position, name, description, input_schema, defer_loading, namespace)"
    " VALUES (:thread_id, :position, :name, :description, :input_schema, :defer_loading, :namespace)"
    " ON CONFLICT (thread_id, position) DO NOTHING"
)
"""Gives a thread that has a row the tool of one position; parameters from `tool_columns`."""


def tool_columns(thread_id: ThreadId, position: int, tool: DynamicTool) -> dict[str, SqlValue]:
    """Parameters of ADD_TOOL."""
    return {
        "thread_id": thread_id,
        "position": position,
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "defer_loading": int(tool.defer_loading),
        "namespace": tool.namespace,
    }
