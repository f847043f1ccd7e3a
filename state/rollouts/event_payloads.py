"""The parts of a line that a conversation is made of, typed. Everything else in a line is skipped.

Both formats are here: the legacy one (a call, its output, and an event about its end, tied by `call_id`) and the
paginated one (one completed item with everything in it, whose `id` is the call's).
"""

from typing import Generic, TypeVar

import msgspec
from msgspec import Raw

from state.rollouts.payloads import ABSENT, Part

CommandField = str | list[str] | None


class ResponseMessage(msgspec.Struct):
    """`response_item/message`: what went to or came from the model."""

    content: list[Part] = []


class FunctionCall(msgspec.Struct):
    """`function_call`; `arguments` is JSON text."""

    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    call_id: str = ""


class CustomToolCall(msgspec.Struct):
    """`custom_tool_call`; `input` is text of the tool's own language."""

    name: str = ""
    input: str = ""
    call_id: str = ""


class ShellAction(msgspec.Struct):
    command: CommandField = None
    working_directory: str | None = None


class LocalShellCall(msgspec.Struct):
    call_id: str | None = None
    id: str | None = None
    action: ShellAction | None = None


class SearchAction(msgspec.Struct):
    query: str | None = None
    url: str | None = None


class WebSearchCall(msgspec.Struct):
    action: SearchAction | None = None


class ToolSearchCall(msgspec.Struct):
    call_id: str | None = None


class CallOutput(msgspec.Struct):
    """What a call returned: text, or a list of parts, or an object around one of them."""

    call_id: str | None = None
    output: Raw = ABSENT
    tools: Raw = ABSENT


class OutputObject(msgspec.Struct):
    """An output that says itself whether the call succeeded."""

    content: str = ""
    success: bool | None = None


class AgentMessage(msgspec.Struct):
    message: str | None = None


class CommandEnd(msgspec.Struct):
    """`exec_command_end`, or a completed CommandExecution, which has an `id` instead of a `call_id`."""

    call_id: str = ""
    id: str = ""
    command: CommandField = None
    cwd: str | None = None
    aggregated_output: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int | None = None
    source: str | None = None


class PatchEnd(msgspec.Struct):
    """`patch_apply_end`, or a completed FileChange, which has an `id` and a `status` instead."""

    call_id: str = ""
    id: str = ""
    success: bool | None = None
    status: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    changes: dict[str, Raw] | None = None


class Invocation(msgspec.Struct):
    server: str = ""
    tool: str = ""


class McpResult(msgspec.Struct):
    """What the tool of an MCP server answered."""

    content: list[Part] = []
    is_error: bool | None = msgspec.field(name="isError", default=None)


class McpOutcome(msgspec.Struct):
    """The legacy form: an answer or the text of an error."""

    ok: McpResult | None = msgspec.field(name="Ok", default=None)
    err: str | None = msgspec.field(name="Err", default=None)


class McpEnd(msgspec.Struct):
    call_id: str = ""
    invocation: Invocation = msgspec.field(default_factory=Invocation)
    result: McpOutcome | None = None


class McpError(msgspec.Struct):
    message: str = ""


class McpCall(msgspec.Struct):
    id: str = ""
    server: str = ""
    tool: str = ""
    status: str | None = None
    result: McpResult | None = None
    error: McpError | None = None


ItemT = TypeVar("ItemT")


class CompletedItem(msgspec.Struct, Generic[ItemT]):
    """Payload of `item_completed`."""

    item: ItemT


class TurnMark(msgspec.Struct):
    """The beginning or the end of a turn; `error` says why it failed."""

    error: Raw = ABSENT
