"""A turn as clients see it."""

from enum import StrEnum
from typing import Any

from state.rollouts.turn_model import Turn


class ItemsView(StrEnum):
    """How much of a turn's items is shown."""

    NOT_LOADED = "notLoaded"
    SUMMARY = "summary"
    """What the person said first, and what the model said last."""
    FULL = "full"


def turn_object(turn: Turn, view: ItemsView = ItemsView.FULL) -> dict[str, Any]:
    """The object of a turn."""
    return {
        "id": turn.id,
        "rootTurnId": turn.root_turn_id,
        "items": _items(turn, view),
        "itemsView": view.value,
        "status": turn.status,
        "error": turn.error,
        "startedAt": turn.started_at_s,
        "completedAt": turn.completed_at_s,
        "durationMs": turn.duration_ms,
    }


def _items(turn: Turn, view: ItemsView) -> list[dict[str, Any]]:
    items = [one.item for one in turn.items]
    match view:
        case ItemsView.NOT_LOADED:
            return []
        case ItemsView.FULL:
            return items
        case ItemsView.SUMMARY:
            first = next((item for item in items if item["type"] == "userMessage"), None)
            last = next((item for item in reversed(items) if item["type"] == "agentMessage"), None)
            return [item for item in (first, last) if item is not None]
