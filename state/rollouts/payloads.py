"""The parts of a line that feed a fact, typed. Everything else in a line is skipped without being built.

A field of the wrong type costs the whole line, as it does in Codex.
"""

from typing import Annotated

import msgspec
from msgspec import Raw

from state.rollouts.permissions import SandboxPolicy

NULL = b"null"
ABSENT = Raw(NULL)
"""What a raw field holds that the line does not have, or has as null."""

WordOrObject = str | dict[str, object] | None
"""What older or simpler sessions name with a word, and others describe with an object."""

Int64 = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""What a column can hold; a larger number is as good as a word."""


class Git(msgspec.Struct):
    """Where the working copy stood. A missing or null member was cleared."""

    commit_hash: str | None = None
    branch: str | None = None
    repository_url: str | None = None


class SessionMeta(msgspec.Struct):
    """Payload of `session_meta`: the thread's identity, or a later patch of it."""

    id: str
    timestamp: str = ""
    cwd: str | None = None
    originator: str | None = None
    cli_version: str | None = None
    source: WordOrObject = None
    thread_source: WordOrObject = None
    parent_thread_id: str | None = None
    forked_from_id: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    agent_type: str | None = None
    agent_path: str | None = None
    model_provider: str | None = None
    history_mode: str | None = None
    memory_mode: str | None = None
    git: Git | None = None
    dynamic_tools: Raw = ABSENT
    history_base: Raw = ABSENT


class SessionMetaLine(msgspec.Struct):
    payload: SessionMeta
    timestamp: str = ""


class TurnContext(msgspec.Struct):
    """Payload of `turn_context`: what a turn ran with. It is written anew for each turn."""

    cwd: str | None = None
    approval_policy: WordOrObject = None
    permission_profile: Raw = ABSENT
    sandbox_policy: SandboxPolicy | None = None
    model: str | None = None
    effort: str | None = None
    turn_id: object = None


class TurnContextLine(msgspec.Struct):
    payload: TurnContext


class TurnStarted(msgspec.Struct):
    """Payload of `task_started`, or `turn_started`."""

    turn_id: object = None


class TurnStartedLine(msgspec.Struct):
    """The beginning of a turn; all that counts is when, and whose it is."""

    payload: TurnStarted
    timestamp: str = ""


class ThreadSettings(msgspec.Struct):
    """What the thread's settings became."""

    cwd: str | None = None
    model_provider_id: str | None = None
    approval_policy: WordOrObject = None
    permission_profile: Raw = ABSENT
    model: str | None = None
    reasoning_effort: str | None = None


class ThreadSettingsEvent(msgspec.Struct):
    thread_settings: ThreadSettings


class ThreadSettingsLine(msgspec.Struct):
    payload: ThreadSettingsEvent


class TokenTotal(msgspec.Struct):
    total_tokens: Int64


class TokenInfo(msgspec.Struct):
    total_token_usage: TokenTotal


class TokenCount(msgspec.Struct):
    """Payload of `token_count`. Without info it only reports rate limits."""

    info: TokenInfo | None = None


class TokenCountLine(msgspec.Struct):
    payload: TokenCount


class UserMessage(msgspec.Struct):
    """Payload of `user_message`, the legacy form. Attachments count only by being there."""

    message: str | None = None
    kind: str | None = None
    images: list[Raw] | None = None
    local_images: list[Raw] | None = None
    audio: list[Raw] | None = None
    local_audio: list[Raw] | None = None


class UserMessageLine(msgspec.Struct):
    payload: UserMessage


class Part(msgspec.Struct):
    """One piece of a message's content; `text` only when it is of a text type."""

    type: str = ""
    text: str | None = None


class MessageItem(msgspec.Struct):
    content: list[Part] = []


class MessageItemEvent(msgspec.Struct):
    item: MessageItem


class MessageItemLine(msgspec.Struct):
    """`item_completed` of a UserMessage or an AgentMessage, the paginated form."""

    payload: MessageItemEvent


class Goal(msgspec.Struct):
    objective: str = ""


class GoalEvent(msgspec.Struct):
    goal: Goal


class GoalLine(msgspec.Struct):
    payload: GoalEvent


class ToolSpec(msgspec.Struct):
    """One entry of `dynamic_tools`: a tool, or a namespace that holds tools. Both spellings of a key are in use."""

    name: str
    description: str = ""
    type: str = "function"
    input_schema: Raw = ABSENT
    camel_input_schema: Raw = msgspec.field(name="inputSchema", default=ABSENT)
    defer_loading: bool = False
    camel_defer_loading: bool = msgspec.field(name="deferLoading", default=False)
    namespace: str | None = None
    tools: list["ToolSpec"] = []
