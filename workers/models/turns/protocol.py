"""What a turn asks of a model, what comes back while it answers, and how it fails, in the words of the app-server.

A model tells its pieces to the function that it is given, in their order, and returns when its answer is whole. It
never decides about threads, files or clients.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

Item = Mapping[str, Any]
"""An item of the Responses API: a message, a thought, a call of a tool."""


@attrs.frozen(kw_only=True)
class Question:
    """A conversation that ends with what somebody wants answered.

    Attributes:
      thread_id: lets a server find what it has computed for this thread before.
      instructions: what the model is told first.
      items: the conversation, oldest first.
    """

    thread_id: str
    model: str
    cwd: str
    instructions: str
    items: Sequence[Item]
    reasoning_effort: str | None = None


@attrs.frozen
class MessageStarted:
    """The model begins to speak; text: what it has said already."""

    item_id: str
    text: str = ""


@attrs.frozen
class MessageDelta:
    """A piece of what it says."""

    item_id: str
    text: str


@attrs.frozen
class ThoughtStarted:
    """The model begins to think; summary: what is said of it already."""

    item_id: str
    summary: tuple[str, ...]


@attrs.frozen
class ThoughtPart:
    """Another part of a thought's summary begins."""

    item_id: str
    index: int


@attrs.frozen
class ThoughtDelta:
    """A piece of a thought's summary."""

    item_id: str
    index: int
    text: str


@attrs.frozen
class RawThoughtDelta:
    """A piece of a thought itself."""

    item_id: str
    index: int
    text: str


@attrs.frozen
class ItemDone:
    """An item is whole."""

    item: Item


@attrs.frozen
class Retrying:
    """An attempt failed and is made again. attempt, attempts_max: of the attempts after the first."""

    reason: str
    attempt: int
    attempts_max: int


Piece = (
    MessageStarted | MessageDelta | ThoughtStarted | ThoughtPart | ThoughtDelta | RawThoughtDelta | ItemDone | Retrying
)
Tell = Callable[[Piece], Awaitable[None]]


@attrs.frozen(kw_only=True)
class TurnUsage:
    """Tokens. input_tokens include the cached ones, output_tokens the reasoning."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0
    total_tokens: int = 0

    def plus(self, other: "TurnUsage") -> "TurnUsage":
        """The sum."""
        return TurnUsage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_output_tokens=self.reasoning_output_tokens + other.reasoning_output_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
        )


@attrs.frozen(kw_only=True)
class Answered:
    """The answer is whole. usage: None when nobody counted."""

    response_id: str
    usage: TurnUsage | None


class TurnFailedError(Exception):
    """There is no whole answer. The text is for people and holds no key.

    Attributes:
      info: the app-server's name of the failure: a word, or an object of one member.
      usage: what was counted nevertheless.
      is_passing: asking again may help.
    """

    def __init__(
        self,
        message: str,
        info: str | Mapping[str, Any] = "other",
        *,
        usage: TurnUsage | None = None,
        is_passing: bool = False,
    ) -> None:
        super().__init__(message)
        self.info = info
        self.usage = usage
        self.is_passing = is_passing


class TurnModel(Protocol):
    """Answers."""

    async def answer(self, question: Question, tell: Tell) -> Answered:
        """Answer. Asking twice may cost twice.

        Raises:
          TurnFailedError: there is no whole answer; what was told before stays told.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open. Quick, also when cancelled."""
        ...
