"""What is recorded of a thread, as it stands in a rollout: events of a legacy one, items of a paginated one."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from state.live import CONTEXT_WINDOW_TOKENS, LEGACY, LiveSettings, LiveView
from state.rollouts.permissions import READ_ONLY, SandboxPolicy, permission_json
from workers.models.turns.answer import message_text, summary_texts
from workers.models.turns.protocol import TurnUsage
from workers.threads.recording import Entry, stamp

ABORTED = "<turn_aborted>\nThe person stopped the previous turn. What it was about may be unfinished.\n</turn_aborted>"
"""The model is told so in the next turn."""


def session_meta(
    thread: LiveView, window_id: str, more: Mapping[str, Any], git: Mapping[str, str | None] | None
) -> Entry:
    """The first line of a rollout. more: what a fork says of its source."""
    row = thread.row
    payload: dict[str, Any] = {
        "account_scoped": True,
        "session_id": row.id,
        "id": row.id,
        **{name: value for name, value in more.items() if name.startswith("forked_from")},
        "timestamp": stamp(row.created_at_ms),
        "cwd": row.cwd,
        "runtime_workspace_roots": [row.cwd],
        "originator": row.originator,
        "cli_version": row.cli_version,
        "source": row.source,
        **({"thread_source": row.thread_source} if row.thread_source is not None else {}),
        "model_provider": row.model_provider,
        # Instructions of memoryd's own are not what another program should go on with.
        "base_instructions": {"text": thread.settings.base_instructions}
        if thread.settings.base_instructions is not None
        else None,
        "history_mode": row.history_mode,
        **{name: value for name, value in more.items() if name == "history_base"},
        "context_window": {"window_id": window_id},
        **({"git": dict(git)} if git is not None else {}),
    }
    return "session_meta", payload


def task_started(turn_id: str, started_at_ms: int) -> Entry:
    """A turn begins."""
    return _event(
        "task_started",
        turn_attribution={
            "turn_id": turn_id,
            "turn_trigger": None,
            "parent_turn_id": None,
            "initiating_agent_path": None,
            "root_turn_id": turn_id,
        },
        turn_id=turn_id,
        root_turn_id=turn_id,
        started_at=started_at_ms // 1000,
        model_context_window=CONTEXT_WINDOW_TOKENS,
        collaboration_mode_kind="default",
    )


def turn_context(turn_id: str, settings: LiveSettings) -> Entry:
    """How a turn is run."""
    effort = {"effort": settings.reasoning_effort} if settings.reasoning_effort is not None else {}
    return "turn_context", {
        "turn_id": turn_id,
        "root_turn_id": turn_id,
        "disabled_plugin_ids": [],
        "cwd": settings.cwd,
        "approval_policy": settings.approval_policy,
        "approvals_reviewer": "user",
        "permission_profile": permission_profile(settings),
        "model": settings.model,
        **effort,
        "collaboration_mode": settings.collaboration_mode(),
        "multi_agent_version": "v1",
        "realtime_active": False,
        "summary": "none",
        "sandbox_policy": {"type": settings.sandbox_mode},
    }


def settings_applied(thread_id: str, settings: LiveSettings) -> Entry:
    """How the thread's turns are run from here on."""
    return _event(
        "thread_settings_applied",
        thread_id=thread_id,
        thread_settings={
            "model": settings.model,
            "model_provider_id": settings.model_provider,
            "approval_policy": settings.approval_policy,
            "approvals_reviewer": "user",
            "requested_approvals_reviewer": "user",
            "permission_profile": permission_profile(settings),
            "cwd": settings.cwd,
            "runtime_workspace_roots": [settings.cwd],
            **({"reasoning_effort": settings.reasoning_effort} if settings.reasoning_effort is not None else {}),
            "collaboration_mode": settings.collaboration_mode(),
            "disabled_plugin_ids": [],
        },
    )


def permission_profile(settings: LiveSettings) -> Any:
    """The sandbox's name as the profile that means the same."""
    found = permission_json(msgspec.Raw(b""), SandboxPolicy(type=settings.sandbox_mode), settings.cwd)
    return msgspec.json.decode(found or READ_ONLY)


def response_item(item: Mapping[str, Any], turn_id: str | None) -> Entry:
    """An item of the conversation, as the model gave or will get it. turn_id: None where turns have none."""
    passed_on = {} if turn_id is None else {"internal_chat_message_metadata_passthrough": {"turn_id": turn_id}}
    return "response_item", {**item, **passed_on}


def aborted_marker(item_id: str) -> dict[str, Any]:
    """Tells the model that the turn before was stopped."""
    return message_item("user", item_id, [{"type": "input_text", "text": ABORTED}])


def message_item(role: str, item_id: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A message to the model."""
    return {"type": "message", "id": item_id, "role": role, "content": [dict(part) for part in parts]}


def model_parts(content: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What somebody says as the model gets it."""
    parts: list[dict[str, Any]] = []
    for part in content:
        if part["type"] == "text":
            parts.append({"type": "input_text", "text": part["text"]})
        elif part["type"] == "image":
            parts.append({"type": "input_image", "image_url": part["url"]})
    return parts


def user_message(
    history_mode: str,
    thread_id: str,
    turn_id: str,
    item_id: str,
    content: Sequence[Mapping[str, Any]],
    at_ms: int,
    client_id: str | None,
) -> Entry:
    """Somebody said something."""
    if history_mode == LEGACY:
        texts = [part["text"] for part in content if part["type"] == "text"]
        return _event(
            "user_message",
            message="".join(texts),
            images=[part["url"] for part in content if part["type"] == "image"],
            local_images=[],
            audio=[],
            local_audio=[],
            text_elements=[],
        )
    recorded = [
        {"type": "image", "image_url": part["url"]} if part["type"] == "image" else dict(part) for part in content
    ]
    item: dict[str, Any] = {"type": "UserMessage", "id": item_id, "content": recorded}
    if client_id is not None:
        item["client_id"] = client_id
    return _item_completed(thread_id, turn_id, item, at_ms, at_ms)


def answer_item(
    history_mode: str, thread_id: str, turn_id: str, item: Mapping[str, Any], started_at_ms: int, at_ms: int
) -> Entry | None:
    """A message or a thought of the model is whole; None for what is not shown: a message without words is, newly."""
    item_id = str(item.get("id") or "")
    if item.get("type") == "message":
        text = message_text(item)
        if history_mode == LEGACY:
            return _event("agent_message", message=text, phase=None, memory_citation=None) if text else None
        said = {"type": "AgentMessage", "id": item_id, "content": [{"type": "Text", "text": text}]}
        return _item_completed(thread_id, turn_id, said, started_at_ms, at_ms)
    summary = list(summary_texts(dict(item)))
    if item.get("type") != "reasoning" or not summary:
        return None
    if history_mode == LEGACY:
        return _event("agent_reasoning", text="\n\n".join(summary))
    thought = {"type": "Reasoning", "id": item_id, "summary_text": summary, "raw_content": []}
    return _item_completed(thread_id, turn_id, thought, started_at_ms, at_ms)


def usage_lines(
    thread_id: str, turn_id: str, response_id: str, usage: TurnUsage, in_turn: TurnUsage, in_thread: TurnUsage
) -> tuple[Entry, Entry]:
    """What an answer has cost, alone and summed up."""
    record = {
        "thread_id": thread_id,
        "turn_id": turn_id,
        "session_id": thread_id,
        "root_turn_id": turn_id,
        "response_id": response_id,
        "usage": counted(usage),
        "turn_token_usage": counted(in_turn),
        "thread_token_usage": counted(in_thread),
    }
    count = _event(
        "token_count",
        info={
            "total_token_usage": counted(in_thread),
            "last_token_usage": counted(usage),
            "last_usage_includes_reasoning": False,
            "model_context_window": CONTEXT_WINDOW_TOKENS,
        },
        rate_limits=None,
    )
    return ("token_usage_record", record), count


def counted(usage: TurnUsage) -> dict[str, int]:
    """Tokens as rollouts write them."""
    return {
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_input_tokens": 0,
        "output_tokens": usage.output_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
        "total_tokens": usage.total_tokens,
    }


def task_complete(
    turn_id: str,
    last_message: str | None,
    error: Mapping[str, Any] | None,
    times_ms: tuple[int, int],
    first_token_ms: int | None,
) -> Entry:
    """A turn has ended by itself. times_ms: when it began and ended."""
    started_ms, ended_ms = times_ms
    first = {"time_to_first_token_ms": first_token_ms} if first_token_ms is not None else {}
    return _event(
        "task_complete",
        root_turn_id=turn_id,
        turn_id=turn_id,
        last_agent_message=last_message,
        **({"error": error} if error is not None else {}),
        started_at=started_ms // 1000,
        completed_at=ended_ms // 1000,
        duration_ms=ended_ms - started_ms,
        **first,
    )


def turn_aborted(turn_id: str, times_ms: tuple[int, int]) -> Entry:
    """Somebody stopped a turn."""
    started_ms, ended_ms = times_ms
    return _event(
        "turn_aborted",
        root_turn_id=turn_id,
        turn_id=turn_id,
        reason="interrupted",
        started_at=started_ms // 1000,
        completed_at=ended_ms // 1000,
        duration_ms=ended_ms - started_ms,
    )


def recorded_error(message: str, info: str | Mapping[str, Any]) -> dict[str, Any]:
    """A failure as rollouts write it: the same names, in the other spelling."""
    return {"message": message, "codex_error_info": _snake(info)}


def _event(kind: str, **fields: Any) -> Entry:
    return "event_msg", {"type": kind, **fields}


def _item_completed(
    thread_id: str, turn_id: str, item: Mapping[str, Any], started_at_ms: int, completed_at_ms: int
) -> Entry:
    return _event(
        "item_completed",
        thread_id=thread_id,
        turn_id=turn_id,
        item=item,
        started_at_ms=started_at_ms,
        completed_at_ms=completed_at_ms,
    )


def _snake(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in value)
    if isinstance(value, Mapping):
        return {_snake(name): _snake(part) if isinstance(part, Mapping) else part for name, part in value.items()}
    return value
