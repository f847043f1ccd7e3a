"""The turns of a rollout as clients see them: messages and thoughts, each turn with how it ended.

What else happened in a turn is left out here.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from state.rollouts.stored_lines import Line, Locate, history_lines


@attrs.define
class _Turns:
    """The turns while they are folded. item_number: legacy items are called by their number in the thread."""

    turns: list[dict[str, Any]] = attrs.field(factory=list)
    item_number: int = 0

    def take(self, line: Line) -> None:
        payload = line.payload
        match line.event:
            case "task_started":
                turn_id = payload.get("turn_id")
                self._begin(turn_id, payload.get("root_turn_id") or turn_id, payload.get("started_at"), "inProgress")
            case "task_complete":
                self._end(payload, "failed" if payload.get("error") else "completed")
            case "turn_aborted":
                self._end(payload, "interrupted")
            case "user_message":
                texts: list[dict[str, Any]] = [
                    {"type": "text", "text": payload.get("message") or "", "text_elements": []}
                ]
                images = [{"type": "image", "url": url, "detail": None} for url in payload.get("images") or []]
                self._add_numbered(line, {"type": "userMessage", "clientId": None, "content": [*images, *texts]})
            case "agent_message":
                self._add_numbered(line, _message(payload.get("message")))
            case "agent_reasoning":
                self._add_numbered(line, {"type": "reasoning", "summary": [payload.get("text")], "content": []})
            case "item_completed":
                item = _paginated(payload.get("item"))
                if item is not None:
                    item["startedAtMs"], item["completedAtMs"] = (
                        payload.get("started_at_ms"),
                        payload.get("completed_at_ms"),
                    )
                    self._turn(line)["items"].append(item)

    def _turn(self, line: Line) -> dict[str, Any]:
        if not self.turns:
            self._begin(f"rollout-{line.number}", None, None, "completed")
        return self.turns[-1]

    def _begin(self, turn_id: Any, root_id: Any, started_at: Any, status: str) -> None:
        self.turns.append(
            {
                "id": turn_id,
                "rootTurnId": root_id,
                "items": [],
                "itemsView": "full",
                "status": status,
                "error": None,
                "startedAt": started_at,
                "completedAt": None,
                "durationMs": None,
            }
        )

    def _end(self, payload: dict[str, Any], status: str) -> None:
        for turn in reversed(self.turns):
            if turn["id"] == payload.get("turn_id"):
                error = payload.get("error")
                turn["status"] = status
                turn["completedAt"], turn["durationMs"] = payload.get("completed_at"), payload.get("duration_ms")
                if isinstance(error, dict):
                    turn["error"] = {
                        "message": error.get("message"),
                        "codexErrorInfo": _camel(error.get("codex_error_info")),
                        "additionalDetails": None,
                        "misalignment": None,
                    }
                return

    def _add_numbered(self, line: Line, item: dict[str, Any]) -> None:
        self.item_number += 1
        item["id"] = f"item-{self.item_number}"
        item["startedAtMs"] = item["completedAtMs"] = None
        self._turn(line)["items"].append(item)


def turns_of(codex_home: Path, path: str, locate: Locate, *, is_running: Callable[[str], bool]) -> list[dict[str, Any]]:
    """All turns of a thread, oldest first. Blocks; costs what its files cost.

    Args:
      is_running: says of a turn without an end that it goes on; any other such turn was interrupted.

    Raises:
      OSError: a file cannot be read.
    """
    return folded(history_lines(codex_home, path, locate), is_running)


def folded(lines: Iterable[Line], is_running: Callable[[str], bool]) -> list[dict[str, Any]]:
    """The turns that these lines come to."""
    folding = _Turns()
    for line in lines:
        folding.take(line)
    for turn in folding.turns:
        if turn["status"] == "inProgress" and not is_running(str(turn["id"])):
            turn["status"] = "interrupted"
    return folding.turns


def _message(text: Any) -> dict[str, Any]:
    return {
        "type": "agentMessage",
        "moderation": None,
        "id": "",
        "text": text or "",
        "phase": None,
        "memoryCitation": None,
        "delivery": None,
        "questions": None,
    }


def _paginated(item: Any) -> dict[str, Any] | None:
    if not isinstance(item, dict):
        return None
    match item.get("type"):
        case "UserMessage":
            content = [_part(part) for part in item.get("content") or [] if isinstance(part, dict)]
            return {
                "type": "userMessage",
                "id": item.get("id"),
                "clientId": item.get("client_id"),
                "content": content,
            }
        case "AgentMessage":
            parts = item.get("content") or []
            text = "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
            return {**_message(text), "id": item.get("id")}
        case "Reasoning":
            return {
                "type": "reasoning",
                "id": item.get("id"),
                "summary": item.get("summary_text") or [],
                "content": item.get("raw_content") or [],
            }
    return None


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") == "image":
        return {"type": "image", "url": part.get("image_url"), "detail": part.get("detail")}
    return part


def _camel(value: Any) -> Any:
    if isinstance(value, str):
        first, *others = value.split("_")
        return first + "".join(word.capitalize() for word in others)
    if isinstance(value, dict):
        return {_camel(name): _camel(part) if isinstance(part, dict) else part for name, part in value.items()}
    return value
