"""What each kind of line changes in the facts about its thread.

1. The first session_meta is the file's identity. One of another thread begins the copy that a fork carries along, and
   says nothing about this thread, except for its memory mode: what was copied came from a thread with that mode.
2. A later session_meta of the same thread is a patch. It replaces where the session runs (source, agent), and
   provider, version, folder and git if it has them; a git value that is null was cleared.
3. Each turn_context, and each change of settings, replaces what turns run with. A turn_context gives the folder only
   while there is none; a change of settings moves the thread.
4. The first message of the person gives title, first message and preview. A goal may give the preview before it.

A line is taken in whole or not at all: everything that can fail in it is done before the state is touched.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from state.decoders import json_decoder
from state.rollouts.copies import begin_copy, begin_copy_at_turn
from state.rollouts.envelope import compact, decode_line
from state.rollouts.filename import thread_id_of
from state.rollouts.fold_state import DEFAULT_HISTORY_MODE, DEFAULT_SOURCE, FoldState
from state.rollouts.messages import attachment_name, message_text
from state.rollouts.model import DynamicTool
from state.rollouts.payloads import (
    NULL,
    GoalLine,
    MessageItem,
    MessageItemLine,
    SessionMetaLine,
    ThreadSettingsLine,
    TokenCountLine,
    ToolSpec,
    TurnContextLine,
    TurnStartedLine,
    UserMessage,
    UserMessageLine,
    WordOrObject,
)
from state.rollouts.permissions import permission_json
from state.rollouts.stamps import instant_ms

LineT = TypeVar("LineT")
Feed = Callable[[FoldState, bytes], None]
"""Takes one line into the state. Raises ValueError, with the state untouched, when the line is not understood."""

RENAMED_APPROVALS = {"on-failure": "on-request"}
"""Words of older transcripts, and what Codex keeps instead of them."""

_decode_tools = json_decoder(list[ToolSpec] | None).decode


def _take_session_meta(state: FoldState, line: SessionMetaLine) -> None:
    meta = line.payload
    thread_id = thread_id_of(meta.id)
    if thread_id is None:
        raise ValueError("the session's id is not a UUID")
    is_first = not state.thread_id
    if is_first or thread_id == state.thread_id:
        source = _word(meta.source) or DEFAULT_SOURCE
        thread_source = _word(meta.thread_source)
        if is_first:
            state.thread_id = thread_id
            state.created_at_ms = instant_ms(meta.timestamp)
            state.meta_line_ms = instant_ms(line.timestamp)
            state.originator = meta.originator or ""
            state.parent_thread_id = meta.parent_thread_id or _spawning_thread(meta.source)
            state.forked_from_id = meta.forked_from_id
            state.history_mode = meta.history_mode or DEFAULT_HISTORY_MODE
            state.has_base = bytes(meta.history_base) != NULL
            state.dynamic_tools = _dynamic_tools(meta.dynamic_tools)
        state.source = source
        state.thread_source = thread_source
        state.agent_nickname = meta.agent_nickname
        state.agent_role = meta.agent_role if meta.agent_role is not None else meta.agent_type
        state.agent_path = meta.agent_path
        state.model_provider = meta.model_provider or state.model_provider
        state.cwd = meta.cwd or state.cwd
        state.cli_version = meta.cli_version or state.cli_version
        if meta.git is not None:
            state.git_sha = meta.git.commit_hash
            state.git_branch = meta.git.branch
            state.git_origin_url = meta.git.repository_url
    else:
        begin_copy(state)
    state.memory_mode = meta.memory_mode or state.memory_mode


def _take_turn_context(state: FoldState, line: TurnContextLine) -> None:
    turn = line.payload
    permissions = permission_json(turn.permission_profile, turn.sandbox_policy, turn.cwd or "")
    approval = _approval(turn.approval_policy)
    state.cwd = state.cwd or turn.cwd or ""
    state.sandbox_policy = permissions or state.sandbox_policy
    state.approval_mode = approval or state.approval_mode
    state.model = turn.model if turn.model is not None else state.model
    state.reasoning_effort = turn.effort
    begin_copy_at_turn(state, turn.turn_id)


def _take_thread_settings(state: FoldState, line: ThreadSettingsLine) -> None:
    settings = line.payload.thread_settings
    permissions = permission_json(settings.permission_profile, None, "")
    approval = _approval(settings.approval_policy)
    state.cwd = settings.cwd or state.cwd
    state.model_provider = settings.model_provider_id or state.model_provider
    state.sandbox_policy = permissions or state.sandbox_policy
    state.approval_mode = approval or state.approval_mode
    state.model = settings.model or state.model
    state.reasoning_effort = settings.reasoning_effort


def _take_turn_started(state: FoldState, line: TurnStartedLine) -> None:
    begin_copy_at_turn(state, line.payload.turn_id)
    started_at_ms = instant_ms(line.timestamp)
    state.turn_started_at_ms = started_at_ms if started_at_ms is not None else state.turn_started_at_ms


def _take_token_count(state: FoldState, line: TokenCountLine) -> None:
    info = line.payload.info
    if info is not None:
        state.tokens_used = max(0, info.total_token_usage.total_tokens)


def _take_user_message(state: FoldState, line: UserMessageLine) -> None:
    _take_message(state, line.payload)


def _take_user_item(state: FoldState, line: MessageItemLine) -> None:
    _take_message(state, line.payload.item)


def _take_message(state: FoldState, message: UserMessage | MessageItem) -> None:
    words = message_text(message)
    if not state.first_user_message:
        state.first_user_message = words or attachment_name(message)
        state.preview_is_first = not state.preview
    if words and not state.whole_title:
        state.title_is_first = words == state.first_user_message
        state.title = "" if state.title_is_first else words


def _take_goal(state: FoldState, line: GoalLine) -> None:
    if not state.whole_preview:
        state.preview = line.payload.goal.objective.strip()
        state.preview_is_first = False


def _feed(shape: type[LineT], take: Callable[[FoldState, LineT], None]) -> Feed:
    decode = json_decoder(shape).decode

    def feed(state: FoldState, text: bytes) -> None:
        try:
            line = decode(text)
        except (ValueError, RecursionError):
            line = decode_line(decode, text)  # it may be mended, and knows what is to be raised
        take(state, line)

    return feed


FEEDS: dict[bytes, Feed] = {
    b"session_meta": _feed(SessionMetaLine, _take_session_meta),
    b"turn_context": _feed(TurnContextLine, _take_turn_context),
    b"event_msg/thread_settings_applied": _feed(ThreadSettingsLine, _take_thread_settings),
    b"event_msg/task_started": _feed(TurnStartedLine, _take_turn_started),
    b"event_msg/turn_started": _feed(TurnStartedLine, _take_turn_started),
    b"event_msg/token_count": _feed(TokenCountLine, _take_token_count),
    b"event_msg/user_message": _feed(UserMessageLine, _take_user_message),
    b"event_msg/item_completed/UserMessage": _feed(MessageItemLine, _take_user_item),
    b"event_msg/thread_goal_updated": _feed(GoalLine, _take_goal),
}
"""The kinds of line that say something about their thread. All others are not decoded."""


def _word(value: WordOrObject) -> str | None:
    """A word as it is, an object as compact JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


def _approval(policy: WordOrObject) -> str | None:
    word = _word(policy)
    return None if word is None else RENAMED_APPROVALS.get(word, word)


def _spawning_thread(source: WordOrObject) -> str | None:
    """The thread that started this one as its sub-agent, as the session's source says it."""
    value: object = source
    for key in ("subagent", "thread_spawn", "parent_thread_id"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _dynamic_tools(value: msgspec.Raw) -> tuple[DynamicTool, ...]:
    """The tools of a session_meta; none when they are not understood, which must not cost the thread its identity."""
    try:
        return tuple(tool for entry in _decode_tools(value) or [] for tool in _tools_of(entry))
    except ValueError:
        return ()


def _tools_of(entry: ToolSpec) -> list[DynamicTool]:
    if entry.type == "namespace":
        return [_tool(tool, entry.name) for tool in entry.tools]
    return [_tool(entry, entry.namespace)]


def _tool(spec: ToolSpec, namespace: str | None) -> DynamicTool:
    schema = spec.camel_input_schema if bytes(spec.camel_input_schema) != NULL else spec.input_schema
    return DynamicTool(
        name=spec.name,
        description=spec.description,
        input_schema=compact(schema),
        defer_loading=spec.camel_defer_loading or spec.defer_loading,
        namespace=namespace,
    )
