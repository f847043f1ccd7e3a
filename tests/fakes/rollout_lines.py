"""Lines of rollouts, older and newer, for whoever folds them."""

import json
from typing import Any

STAMP = "2026-09-10T08:00:00.000Z"


def line(kind: str, payload: dict[str, Any], ordinal: int | None = None) -> bytes:
    """One line without its feed, in its writer's usual shape."""
    numbered = {} if ordinal is None else {"ordinal": ordinal}
    told = {"timestamp": STAMP, **numbered, "type": kind, "payload": payload}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def event(kind: str, **members: Any) -> bytes:
    """A line of an older rollout."""
    return line("event_msg", {"type": kind, **members})


def meta(thread: str, **members: Any) -> bytes:
    """The first line of a rollout."""
    return line("session_meta", {"id": thread, "timestamp": STAMP, "cwd": "/w", **members})


def newer(thread: str, turns: list[list[dict[str, Any]]], first: int = 0, **members: Any) -> list[bytes]:
    """A newer rollout: its turns, each with its items; lines are numbered from `first`, turns by where they begin."""
    lines = [line("session_meta", {"id": thread, "history_mode": "paginated", **members}, first)]
    for items in turns:
        number = first + len(lines)
        turn = f"turn-{number}"
        lines.append(line("event_msg", {"type": "task_started", "turn_id": turn, "started_at": number}, number))
        for item in items:
            told = {"type": "item_completed", "turn_id": turn, "item": item, "started_at_ms": 1, "completed_at_ms": 2}
            lines.append(line("event_msg", told, first + len(lines)))
        ended = {"type": "task_complete", "turn_id": turn, "completed_at": number + 1, "duration_ms": 5}
        lines.append(line("event_msg", ended, first + len(lines)))
    return lines


def said(text: str, number: int = 1) -> dict[str, Any]:
    """What a person says in a newer rollout."""
    return {"type": "UserMessage", "id": f"user-{number}", "content": [{"type": "text", "text": text}]}


def answered(text: str, number: int = 1) -> dict[str, Any]:
    """What the model says in a newer rollout."""
    return {"type": "AgentMessage", "id": f"agent-{number}", "content": [{"type": "Text", "text": text}]}
