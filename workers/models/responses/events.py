"""The events of a streamed answer, put together. Only `response.completed` makes an answer of them.

A server may leave out, double or misspell anything, so nothing is taken for granted but the type of the event.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from state.messages.extraction import TokenUsage
from workers.models.responses.failures import Said

TOKENS_MAX = 1 << 40
"""No answer costs more; a larger number is a server's mistake and would not fit into a row for long."""


class Ending(Enum):
    """How the answer ended, as far as it did."""

    NOT_YET = auto()
    COMPLETED = auto()
    REFUSED = auto()
    """The model declined to answer."""
    TOO_LONG = auto()
    """The model had more to say than it may."""
    FILTERED = auto()
    """The server cut the answer for what is in it."""
    INCOMPLETE = auto()
    """The server stopped for another reason."""
    FAILED = auto()
    """The server gave up; `said` holds its reason."""


class Answer:
    """An answer while it comes in.

    Attributes:
      ending: how it ended so far.
      text: what the model wrote.
      said: the server's or the model's words about the ending.
      usage: what the server counted.
      is_counted: the server did count.
    """

    def __init__(self, *, chars_max: int) -> None:
        self.ending = Ending.NOT_YET
        self.said = Said()
        self.usage = TokenUsage()
        self.is_counted = False
        self._chars_max = chars_max
        self._chars = 0
        self._parts: list[str] = []
        self._refusal: list[str] = []

    @property
    def text(self) -> str:
        """What the model wrote so far."""
        return "".join(self._parts)

    def take(self, event: Any) -> bool:
        """Take in one event; answer whether the answer has ended. What comes after its end is not looked at."""
        if self.ending is Ending.NOT_YET:
            self._take(event)
        return self.ending is not Ending.NOT_YET

    def _take(self, event: Any) -> None:
        response = getattr(event, "response", None)
        match getattr(event, "type", None):
            case "response.output_text.delta":
                self._write(getattr(event, "delta", None))
            case "response.refusal.delta":
                self._decline(getattr(event, "delta", None))
            case "response.completed":
                self._count(response)
                self._complete(response)
            case "response.incomplete":
                self._count(response)
                reason = _text(getattr(getattr(response, "incomplete_details", None), "reason", None))
                by_reason = {"max_output_tokens": Ending.TOO_LONG, "content_filter": Ending.FILTERED}
                self.ending = by_reason.get(reason, Ending.INCOMPLETE)
                self.said = Said(message=reason)
            case "response.failed":
                self._count(response)
                self._fail(getattr(response, "error", None))
            case "error":
                self._fail(event)

    def _write(self, delta: object) -> None:
        self._append(self._parts, _text(delta))

    def _decline(self, delta: object) -> None:
        self._append(self._refusal, _text(delta))

    def _append(self, parts: list[str], text: str) -> None:
        parts.append(text)
        self._chars += len(text)
        if self._chars > self._chars_max:
            self.ending = Ending.TOO_LONG

    def _complete(self, response: Any) -> None:
        self.ending = Ending.COMPLETED
        said = list(_contents(response))
        refusals = self._refusal or [_text(getattr(part, "refusal", None)) for part in said if _is(part, "refusal")]
        if refusals:
            self.ending = Ending.REFUSED
            self.said = Said(message="".join(refusals))
        elif not self._chars:
            # Some servers send an answer whole, with its completion.
            for part in said:
                if _is(part, "output_text"):
                    self._write(getattr(part, "text", None))

    def _fail(self, error: Any) -> None:
        self.ending = Ending.FAILED
        self.said = Said(
            code=_text(getattr(error, "code", None)),
            parameter=_text(getattr(error, "param", None)),
            message=_text(getattr(error, "message", None)),
        )

    def _count(self, response: Any) -> None:
        usage = getattr(response, "usage", None)
        self.usage = TokenUsage(
            input_tokens=_number(getattr(usage, "input_tokens", None)),
            cached_input_tokens=_number(getattr(getattr(usage, "input_tokens_details", None), "cached_tokens", None)),
            output_tokens=_number(getattr(usage, "output_tokens", None)),
        )
        self.is_counted = self.usage.input_tokens > 0


def _contents(response: Any) -> Iterable[Any]:
    for item in _list(getattr(response, "output", None)):
        if _is(item, "message"):
            yield from _list(getattr(item, "content", None))


def _is(value: Any, kind: str) -> bool:
    return getattr(value, "type", None) == kind


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return min(max(value, 0), TOKENS_MAX) if isinstance(value, int) and not isinstance(value, bool) else 0
