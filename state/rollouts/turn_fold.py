"""From the lines of a rollout, in order, to turns: what was said and done between two beginnings.

Older rollouts say each thing in an event of its own, and what happens outside of a turn opens one that nobody named; it
is called by the number of the line, among those that count, that opened it. Newer ones name the turn of every item.

The rule: a line that cannot be understood is passed over, and costs nothing but itself.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from state.decoders import json_decoder
from state.rollouts import turn_items
from state.rollouts.envelope import decode_line, told_kind
from state.rollouts.members import Members, camel, number_or_none, object_of, text_of, text_or_none
from state.rollouts.turn_item_kinds import item_of
from state.rollouts.turn_items import Item, timed
from state.rollouts.turn_model import COMPLETED, FAILED, IN_PROGRESS, INTERRUPTED, Turn, TurnItem

KEPT_BYTES_MAX = 64 << 20
"""Of lines whose items are kept whole; beyond that only what was said is."""

SAID_BYTES_MAX = 2 * KEPT_BYTES_MAX
"""Beyond that nothing more is kept."""

_SAID = frozenset({"userMessage", "agentMessage"})


class TurnFold:
    """Takes the lines of a rollout in."""

    def __init__(self) -> None:
        self.omitted_items = 0
        self.is_paginated: bool | None = None
        self._turns: list[Turn] = []
        self._current: Turn | None = None
        self._lines_counted = 0
        self._next_item = 1
        self._kept_bytes = 0
        self._line_bytes = 0
        self._ordinal = 0

    def take(self, text: bytes, *, ordinal_end: int | None = None) -> None:
        """Take a line in.

        Args:
          ordinal_end: lines of this number and behind it are of no interest.
        """
        try:
            kind = told_kind(text)[0].decode()
            handle = _HANDLERS.get(_ITEM if kind.startswith(f"event_msg/{_ITEM}") else kind.removeprefix("event_msg/"))
            if handle is None and kind not in _COUNTED and not _is_of_conversation(kind):
                return
            if handle is None and ordinal_end is None:
                self._lines_counted += 1
                return
            line = decode_line(_decode_line, text)
            if ordinal_end is not None and line.ordinal is not None and line.ordinal >= ordinal_end:
                return
            self._ordinal = self._lines_counted if line.ordinal is None else line.ordinal
            self._line_bytes = len(text)
            if handle is not None and isinstance(line.payload, dict):
                handle(self, line.payload)
            self._lines_counted += 1
        except (ValueError, UnicodeDecodeError):
            return

    def pass_over(self) -> None:
        """A line is too long to be taken in."""
        self._lines_counted += 1
        self.omitted_items += 1

    def turns(self, *, is_live: bool = False) -> list[Turn]:
        """The turns so far. is_live: the last one may still go on; else whatever has no end was interrupted."""
        self._finish()
        for turn in self._turns[: -1 if is_live else None]:
            if turn.status == IN_PROGRESS:
                turn.status = INTERRUPTED
        return self._turns

    def _meta(self, meta: Members) -> None:
        text_of(meta, "id")
        if self.is_paginated is None:
            self.is_paginated = text_or_none(meta, "history_mode") == "paginated"

    def _start(self, event: Members) -> None:
        turn = Turn(
            id=text_of(event, "turn_id"),
            ordinal=self._ordinal,
            root_turn_id=text_or_none(event, "root_turn_id"),
            status=IN_PROGRESS,
            started_at_s=number_or_none(event, "started_at"),
            is_named=True,
        )
        self._finish()
        self._current = turn

    def _complete(self, event: Members) -> None:
        turn = self._named(text_or_none(event, "turn_id")) or self._current
        if turn is None:
            return
        if event.get("error") is not None:
            turn.status, turn.error = FAILED, _error(object_of(event, "error"))
        elif turn.status == IN_PROGRESS:
            turn.status = COMPLETED
        self._end(turn, event)

    def _abort(self, event: Members) -> None:
        turn = self._named(text_or_none(event, "turn_id")) or self._current
        if turn is not None:
            turn.status = INTERRUPTED
            self._end(turn, event)

    def _end(self, turn: Turn, event: Members) -> None:
        turn.has_end = True
        turn.completed_at_s = number_or_none(event, "completed_at")
        turn.duration_ms = number_or_none(event, "duration_ms")
        if turn.started_at_s is None:
            turn.started_at_s = number_or_none(event, "started_at")
        if turn is self._current:
            self._finish()

    def _roll_back(self, event: Members) -> None:
        count = number_or_none(event, "num_turns") or 0
        self._finish()
        del self._turns[max(len(self._turns) - count, 0) :]
        self._next_item = sum(len(turn.items) for turn in self._turns) + 1

    def _compacted(self, _: Members) -> None:
        self._open().is_compacted = True

    def _user_message(self, event: Members) -> None:
        content, client_id = turn_items.told_inputs(event), text_or_none(event, "client_id")
        turn = self._current
        if turn is not None and not turn.is_named and not (turn.is_compacted and not turn.items):
            self._finish()
        self._say(lambda item_id: turn_items.user_message(item_id, content, client_id))

    def _agent_message(self, event: Members) -> None:
        text = text_of(event, "message")
        if text:
            turn_items.agent_message("", text, event)  # refused before a number is taken
            self._say(lambda item_id: turn_items.agent_message(item_id, text, event))

    def _reasoning(self, event: Members) -> None:
        self._think(text_of(event, "text"), "summary")

    def _raw_reasoning(self, event: Members) -> None:
        self._think(text_of(event, "text"), "content")

    def _think(self, text: str, part: str) -> None:
        if not text or self.is_paginated:
            return
        turn = self._open()
        if turn.items and turn.items[-1].item["type"] == "reasoning":
            if self._has_room("reasoning"):
                turn.items[-1].item[part].append(text)
            return
        thoughts = {"summary": [], "content": [], part: [text]}
        self._say(lambda item_id: turn_items.reasoning(item_id, thoughts["summary"], thoughts["content"]))

    def _item_completed(self, event: Members) -> None:
        told = object_of(event, "item")
        if not self.is_paginated and told.get("type") != "Plan":
            raise ValueError("older rollouts tell of nothing but plans in this way")
        item = item_of(told)
        if item is None or (item["type"] == "plan" and not item["text"]):
            return
        times = number_or_none(event, "started_at_ms"), number_or_none(event, "completed_at_ms")
        self._put(timed(item, *times), text_or_none(event, "turn_id"))

    def _sub_agent_activity(self, event: Members) -> None:
        item = turn_items.sub_agent_activity(text_of(event, "event_id"), event)
        self._put(timed(item, None, number_or_none(event, "occurred_at_ms")), None)

    def _done(self, make: Callable[[str, Members], Item]) -> Callable[[Members], None]:
        def handle(event: Members) -> None:
            self._put(timed(make(text_of(event, "call_id"), event)), text_or_none(event, "turn_id"))

        return handle

    def _file_change(self, event: Members) -> None:
        self._done(turn_items.file_change)(event)

    def _tool_call(self, event: Members) -> None:
        self._done(lambda _, told: turn_items.tool_call_of_event(told))(event)

    def _web_search(self, event: Members) -> None:
        self._done(turn_items.web_search)(event)

    def _image_generation(self, event: Members) -> None:
        self._done(turn_items.image_generation)(event)

    def _context_compacted(self, _: Members) -> None:
        self._say(turn_items.context_compaction)

    def _entered_review(self, event: Members) -> None:
        turn_items.entered_review("", event)
        self._say(lambda item_id: turn_items.entered_review(item_id, event))

    def _exited_review(self, event: Members) -> None:
        turn_items.exited_review("", event)
        self._say(lambda item_id: turn_items.exited_review(item_id, event))

    def _hook_prompt(self, message: Members) -> None:
        item = None if self.is_paginated else turn_items.hook_prompt(message)
        if item is not None:
            self._open().put(self._ordinal, timed(item))

    def _say(self, make: Callable[[str], Item]) -> None:
        """Add an item that has no id of its own to the turn that goes on, or to a new one."""
        if self.is_paginated:
            return
        item = make(f"item-{self._next_item}")
        turn = self._open()
        self._next_item += 1
        if self._has_room(item["type"]):
            turn.items.append(TurnItem(ordinal=self._ordinal, item=timed(item)))

    def _put(self, item: Item, turn_id: str | None) -> None:
        """Add an item to its turn; one of a turn that nobody opened is not shown."""
        turn = self._named(turn_id) if turn_id else self._open()
        if turn is not None and self._has_room(item["type"]):
            turn.put(self._ordinal, item)

    def _has_room(self, item_type: str) -> bool:
        self._kept_bytes += self._line_bytes
        bytes_max = SAID_BYTES_MAX if item_type in _SAID else KEPT_BYTES_MAX
        if self._kept_bytes > bytes_max:
            self._kept_bytes -= self._line_bytes
            self.omitted_items += 1
            return False
        return True

    def _named(self, turn_id: str | None) -> Turn | None:
        if self._current is not None and self._current.id == turn_id:
            return self._current
        return next((turn for turn in self._turns if turn.id == turn_id), None)

    def _open(self) -> Turn:
        if self._current is None:
            self._current = Turn(id=f"rollout-{self._lines_counted}", ordinal=self._ordinal)
        return self._current

    def _finish(self) -> None:
        turn, self._current = self._current, None
        if turn is not None and (turn.items or turn.is_named or turn.is_compacted):
            self._turns.append(turn)


def _is_of_conversation(kind: str) -> bool:
    typed, _, detail = kind.removeprefix("response_item/").partition("/")
    return kind.startswith("response_item/") and (bool(detail) if typed == "message" else typed in _OF_CONVERSATION)


def _error(told: Members) -> dict[str, Any]:
    return {
        "message": text_of(told, "message"),
        "codexErrorInfo": _error_info(told.get("codex_error_info")),
        "additionalDetails": None,
        "misalignment": told.get("misalignment"),
    }


def _error_info(info: Any) -> Any:
    if isinstance(info, str):
        return camel(info)
    if isinstance(info, dict):
        return {camel(name): _error_info(part) if isinstance(part, dict) else part for name, part in info.items()}
    return None


class _Line(msgspec.Struct):
    payload: Any = None
    ordinal: int | None = None


_decode_line = json_decoder(_Line).decode

_ITEM = "item_completed"

_HANDLERS: dict[str, Callable[[TurnFold, Members], None]] = {
    "session_meta": TurnFold._meta,
    "compacted": TurnFold._compacted,
    "response_item/message/user": TurnFold._hook_prompt,
    "task_started": TurnFold._start,
    "turn_started": TurnFold._start,
    "task_complete": TurnFold._complete,
    "turn_complete": TurnFold._complete,
    "turn_aborted": TurnFold._abort,
    "thread_rolled_back": TurnFold._roll_back,
    "user_message": TurnFold._user_message,
    "agent_message": TurnFold._agent_message,
    "agent_reasoning": TurnFold._reasoning,
    "agent_reasoning_raw_content": TurnFold._raw_reasoning,
    "patch_apply_end": TurnFold._file_change,
    "mcp_tool_call_end": TurnFold._tool_call,
    "web_search_end": TurnFold._web_search,
    "image_generation_end": TurnFold._image_generation,
    "context_compacted": TurnFold._context_compacted,
    "entered_review_mode": TurnFold._entered_review,
    "exited_review_mode": TurnFold._exited_review,
    _ITEM: TurnFold._item_completed,
    "sub_agent_activity": TurnFold._sub_agent_activity,
}

_COUNTED = frozenset({"turn_context", "event_msg/token_count"})
"""Lines that are counted and tell nothing of a turn."""

_OF_CONVERSATION = frozenset(
    {
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "local_shell_call",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
        "image_generation_call",
        "compaction",
        "compaction_summary",
        "context_compaction",
    }
)
"""Kinds of what was exchanged with the model that are counted, too."""
