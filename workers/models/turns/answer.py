"""The events of a streamed answer, one by one, as the pieces that a turn is told of.

A server may leave out, double or misspell anything, so nothing is taken for granted but the kind of an event.
"""

from typing import Any

from workers.models.turns.failures import TurnFailures
from workers.models.turns.protocol import (
    Answered,
    Item,
    ItemDone,
    MessageDelta,
    MessageStarted,
    Piece,
    RawThoughtDelta,
    ThoughtDelta,
    ThoughtPart,
    ThoughtStarted,
    TurnUsage,
)

TOKENS_MAX = 1 << 40
"""No answer costs more; a larger number is a server's mistake."""


class AnswerInPieces:
    """An answer while it comes. answered: set once it is whole; has_items: an item of it was whole before."""

    def __init__(self, failures: TurnFailures) -> None:
        self.answered: Answered | None = None
        self.has_items = False
        self._failures = failures

    def take(self, event: dict[str, Any]) -> list[Piece]:
        """What this event tells, in order; mostly one piece, or nothing.

        Raises:
          TurnFailedError: the server gave up.
        """
        if event.get("type") == "response.completed":
            return self._complete(_object(event.get("response")))
        piece = self._piece(event)
        return [] if piece is None else [piece]

    def _piece(self, event: dict[str, Any]) -> Piece | None:
        item_id = _text(event.get("item_id"))
        match event.get("type"):
            case "response.output_item.added":
                return _started(_object(event.get("item")))
            case "response.output_text.delta":
                return MessageDelta(item_id, _text(event.get("delta")))
            case "response.reasoning_summary_part.added":
                return ThoughtPart(item_id, _number(event.get("summary_index")))
            case "response.reasoning_summary_text.delta":
                return ThoughtDelta(item_id, _number(event.get("summary_index")), _text(event.get("delta")))
            case "response.reasoning_text.delta":
                return RawThoughtDelta(item_id, _number(event.get("content_index")), _text(event.get("delta")))
            case "response.output_item.done":
                item = _object(event.get("item"))
                self.has_items = self.has_items or bool(item)
                return ItemDone(item) if item else None
            case "response.incomplete":
                self._give_up(_object(event.get("response")), is_incomplete=True)
            case "response.failed":
                self._give_up(_object(event.get("response")), is_incomplete=False)
        return None

    def _complete(self, response: dict[str, Any]) -> list[Piece]:
        self.answered = Answered(response_id=_text(response.get("id")), usage=_usage(response))
        output = response.get("output")
        if self.has_items or not isinstance(output, list):
            return []
        # Some servers send an answer whole, with its completion.
        return [ItemDone(item) for item in output if isinstance(item, dict) and item]

    def _give_up(self, response: dict[str, Any], *, is_incomplete: bool) -> None:
        if is_incomplete:
            failed = self._failures.incomplete(_text(_object(response.get("incomplete_details")).get("reason")))
        else:
            error = _object(response.get("error"))
            failed = self._failures.named(_text(error.get("code")), _text(error.get("message")))
        failed.usage = _usage(response)
        raise failed


def _started(item: dict[str, Any]) -> Piece | None:
    item_id = _text(item.get("id"))
    match item.get("type"):
        case "message":
            return MessageStarted(item_id, message_text(item))
        case "reasoning":
            return ThoughtStarted(item_id, summary_texts(item))
    return None


def message_text(item: Item) -> str:
    """What a message of the model says."""
    parts = item.get("content")
    return "".join(
        _text(part.get("text"))
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and part.get("type") == "output_text"
    )


def summary_texts(item: dict[str, Any]) -> tuple[str, ...]:
    """What the summary of a thought says."""
    parts = item.get("summary")
    return tuple(_text(_object(part).get("text")) for part in parts) if isinstance(parts, list) else ()


def _usage(response: dict[str, Any]) -> TurnUsage | None:
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    input_tokens, output_tokens = _number(usage.get("input_tokens")), _number(usage.get("output_tokens"))
    return TurnUsage(
        input_tokens=input_tokens,
        cached_input_tokens=_number(_object(usage.get("input_tokens_details")).get("cached_tokens")),
        output_tokens=output_tokens,
        reasoning_output_tokens=_number(_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
        total_tokens=_number(usage.get("total_tokens")) or input_tokens + output_tokens,
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return min(max(value, 0), TOKENS_MAX) if isinstance(value, int) and not isinstance(value, bool) else 0
