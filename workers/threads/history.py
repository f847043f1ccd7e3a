"""A rollout read back for a thread that goes on: the conversation so far, its costs, and how its turns were run.

A history that was compacted begins with what the compaction left of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from state.live import LEGACY, ForkCut, LiveError, LiveSettings, LiveUsage
from state.rollouts.stamps import instant_ms
from state.rollouts.stored_lines import Line, Locate, history_lines


@attrs.define
class History:
    """What a rollout says for a thread that goes on.

    Attributes:
      meta: the payload of the thread's own first session_meta.
      items: the conversation as the model gets it.
      next_ordinal: of the next line; None for a legacy rollout.
      model, reasoning_effort: of the last turn; None where no turn says.
      settings: how turns are run, as the last line that says all of it does; None where none does.
      has_message: somebody has spoken.
      size_bytes: of the thread's own file as it was read.
      last_at_ms: the time of its last line.
    """

    meta: dict[str, Any] = attrs.field(factory=dict)
    items: list[dict[str, Any]] = attrs.field(factory=list)
    next_ordinal: int | None = None
    usage: LiveUsage | None = None
    model: str | None = None
    reasoning_effort: str | None = None
    settings: Mapping[str, Any] | None = None
    has_message: bool = False
    size_bytes: int = 0
    last_at_ms: int | None = None
    last_turn_ordinal: int | None = None
    last_item_ordinal: int | None = None
    open_turn_id: str | None = None

    def says(self, settings: LiveSettings) -> bool:
        """Whether turns that are run like this are run as the history says already."""
        return self.settings is not None and all(
            self.settings.get(name) == value
            for name, value in (
                ("model", settings.model),
                ("model_provider_id", settings.model_provider),
                ("approval_policy", settings.approval_policy),
                ("cwd", settings.cwd),
                ("reasoning_effort", settings.reasoning_effort),
            )
        )

    @property
    def history_mode(self) -> str:
        """legacy where the file does not say otherwise."""
        return str(self.meta.get("history_mode") or LEGACY)


def read_history(codex_home: Path, path: str, locate: Locate) -> History:
    """Read all of a thread's history. Blocks; costs what its files cost.

    Raises:
      OSError: a file could not be read.
    """
    history = History()
    for line in history_lines(codex_home, path, locate):
        if line.is_own:
            history.size_bytes = line.end
            if not history.meta and line.kind == "session_meta":
                history.meta = line.payload
        _take(history, line)
    return history


def cut_behind(lines: list[Line], cut: ForkCut) -> int:
    """How many of a source's lines a fork takes with it.

    Raises:
      LiveError: there is no such turn.
    """
    wanted = cut.last_turn_id or cut.before_turn_id
    if wanted is None:
        return len(lines)
    begins = [index for index, line in enumerate(lines) if line.event == "task_started"]
    of_turn = [index for index in begins if lines[index].payload.get("turn_id") == wanted]
    if not of_turn:
        raise LiveError(f"turn not found: {wanted}")
    if cut.last_turn_id is None:
        return of_turn[0]
    return next((index for index in begins if index > of_turn[-1]), len(lines))


def _take(history: History, line: Line) -> None:
    if line.ordinal is not None:
        history.next_ordinal = line.ordinal + 1
    at = line.value.get("timestamp")
    at_ms = instant_ms(at) if isinstance(at, str) else None
    history.last_at_ms = at_ms if at_ms is not None else history.last_at_ms
    payload = line.payload
    match line.kind:
        case "response_item":
            history.items.append(payload)
        case "compacted":
            left = payload.get("replacement_history")
            if isinstance(left, list):
                history.items = [item for item in left if isinstance(item, dict)]
        case "turn_context":
            history.model = _text(payload.get("model")) or history.model
            history.reasoning_effort = _text(payload.get("effort"))
        case "event_msg":
            _take_event(history, line, payload)


def _take_event(history: History, line: Line, payload: Mapping[str, Any]) -> None:
    match payload.get("type"):
        case "task_started":
            history.open_turn_id = _text(payload.get("turn_id"))
            history.last_turn_ordinal = line.ordinal
        case "task_complete" | "turn_aborted":
            history.open_turn_id = None
        case "thread_settings_applied":
            settings = payload.get("thread_settings")
            if isinstance(settings, dict):
                history.settings = settings
                history.model = _text(settings.get("model")) or history.model
                history.reasoning_effort = _text(settings.get("reasoning_effort"))
        case "user_message":
            history.has_message = True
        case "item_completed":
            history.last_item_ordinal = line.ordinal
            item = payload.get("item")
            history.has_message |= isinstance(item, dict) and item.get("type") == "UserMessage"
        case "token_count":
            info = payload.get("info")
            if isinstance(info, dict):
                history.usage = LiveUsage(
                    total=_counts(info.get("total_token_usage")),
                    last=_counts(info.get("last_token_usage")),
                    turn_id=history.open_turn_id or (history.usage.turn_id if history.usage else ""),
                )


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {name: count for name, count in value.items() if isinstance(count, int)}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
