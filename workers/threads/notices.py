"""What clients are told of a turn, as it stands on the line: the app-server's notifications, method and parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from workers.models.turns.protocol import TurnUsage

Notice = tuple[str, dict[str, Any]]

IDLE: Mapping[str, Any] = {"type": "idle"}
ACTIVE: Mapping[str, Any] = {"type": "active", "activeFlags": []}
SYSTEM_ERROR: Mapping[str, Any] = {"type": "systemError"}


def status_changed(thread_id: str, status: Mapping[str, Any]) -> Notice:
    """The thread is something else now."""
    return "thread/status/changed", {"threadId": thread_id, "status": dict(status)}


def turn_object(
    turn_id: str,
    status: str,
    *,
    items: Sequence[Mapping[str, Any]] = (),
    error: Mapping[str, Any] | None = None,
    started_at_ms: int | None = None,
    ended_at_ms: int | None = None,
) -> dict[str, Any]:
    """A turn as clients see it. items: its last message, or nothing."""
    took_ms = None if started_at_ms is None or ended_at_ms is None else ended_at_ms - started_at_ms
    return {
        "id": turn_id,
        "rootTurnId": turn_id,
        "items": [dict(item) for item in items],
        "itemsView": "summary" if items else "notLoaded",
        "status": status,
        "error": error,
        "startedAt": None if started_at_ms is None else started_at_ms // 1000,
        "completedAt": None if ended_at_ms is None else ended_at_ms // 1000,
        "durationMs": took_ms,
    }


def turn_started(thread_id: str, turn: Mapping[str, Any]) -> Notice:
    """A turn begins."""
    return "turn/started", {"threadId": thread_id, "turn": turn}


def turn_completed(thread_id: str, turn: Mapping[str, Any]) -> Notice:
    """A turn has ended, one way or another."""
    return "turn/completed", {"threadId": thread_id, "turn": turn}


def item_started(thread_id: str, turn_id: str, item: Mapping[str, Any], at_ms: int) -> Notice:
    """An item begins."""
    shown = {**item, "startedAtMs": at_ms, "completedAtMs": None}
    return "item/started", {"item": shown, "threadId": thread_id, "turnId": turn_id, "startedAtMs": at_ms}


def item_completed(thread_id: str, turn_id: str, item: Mapping[str, Any], started_ms: int, at_ms: int) -> Notice:
    """An item is whole."""
    shown = {**item, "startedAtMs": started_ms, "completedAtMs": at_ms}
    return "item/completed", {
        "item": shown,
        "threadId": thread_id,
        "turnId": turn_id,
        "contentTokenCount": None,
        "completedAtMs": at_ms,
    }


def delta(kind: str, thread_id: str, turn_id: str, item_id: str, **members: Any) -> Notice:
    """A piece of an item. kind: what stands behind `item/`."""
    return f"item/{kind}", {"threadId": thread_id, "turnId": turn_id, "itemId": item_id, **members}


def user_item(item_id: str, content: Sequence[Mapping[str, Any]], client_id: str | None) -> dict[str, Any]:
    """What somebody said."""
    return {"type": "userMessage", "id": item_id, "clientId": client_id, "content": [dict(part) for part in content]}


def message_shown(item_id: str, text: str) -> dict[str, Any]:
    """What the model says."""
    return {
        "type": "agentMessage",
        "moderation": None,
        "id": item_id,
        "text": text,
        "phase": None,
        "memoryCitation": None,
        "delivery": None,
        "questions": None,
    }


def thought_shown(item_id: str, summary: Sequence[str]) -> dict[str, Any]:
    """What the model thought, summed up."""
    return {"type": "reasoning", "id": item_id, "summary": list(summary), "content": []}


def error_object(message: str, info: str | Mapping[str, Any], details: str | None = None) -> dict[str, Any]:
    """Why a turn failed."""
    return {"message": message, "codexErrorInfo": info, "additionalDetails": details, "misalignment": None}


def error(thread_id: str, turn_id: str, what: Mapping[str, Any], *, will_retry: bool) -> Notice:
    """Something failed; the turn goes on only if it is tried again."""
    return "error", {"error": what, "willRetry": will_retry, "threadId": thread_id, "turnId": turn_id}


def usage_of(counts: Mapping[str, int]) -> TurnUsage:
    """Tokens as rollouts count them."""
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens")
    return TurnUsage(**{name: counts.get(name, 0) for name in names})
