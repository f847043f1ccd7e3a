"""The model that is built in: it answers with what is remembered of the folder and fits the words of the prompt.

It needs no key and no network, costs nothing, and gives the same answer to the same question about the same memories.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from workers.models.turns.protocol import Answered, ItemDone, MessageDelta, MessageStarted, Question, Tell

Remembered = Callable[[str], Awaitable[Sequence[str]]]
"""Gives the lines that are remembered of a folder, the most important first."""

LINES_MAX = 5
WORD_CHARS_MIN = 3
DELTA_CHARS = 120

NOTHING_FITS = (
    "Nothing that is remembered of this folder fits. This is memoryd's built-in model: it can only repeat what was"
    " remembered of earlier sessions."
)
FITTING = "Remembered from earlier sessions in this folder:"

_WORD = re.compile(r"\w+")


class BuiltinTurnModel:
    """Implements `workers.models.turns.protocol.TurnModel`."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered

    async def answer(self, question: Question, tell: Tell) -> Answered:
        """Answer the last message of the person."""
        fitting = fitting_lines(await self._remembered(question.cwd), _last_prompt(question))
        text = "\n".join([FITTING, *(f"- {line}" for line in fitting)]) if fitting else NOTHING_FITS
        item_id = f"msg_builtin_{len(question.items)}"
        await tell(MessageStarted(item_id))
        for start in range(0, len(text), DELTA_CHARS):
            await tell(MessageDelta(item_id, text[start : start + DELTA_CHARS]))
        content = [{"type": "output_text", "text": text, "annotations": []}]
        item = {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": content}
        await tell(ItemDone(item))
        return Answered(response_id="", usage=None)

    async def aclose(self) -> None:
        """Nothing is open."""


def fitting_lines(lines: Sequence[str], prompt: str) -> list[str]:
    """The lines that share the most words with the prompt, at most LINES_MAX; equally good ones in their order."""
    wanted = _words(prompt)
    scored = [(len(wanted & _words(line)), -index, line) for index, line in enumerate(dict.fromkeys(lines))]
    best = sorted((one for one in scored if one[0]), reverse=True)
    return [line for _, _, line in best[:LINES_MAX]]


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.casefold()) if len(word) >= WORD_CHARS_MIN}


def _last_prompt(question: Question) -> str:
    for item in reversed(question.items):
        if item.get("role") == "user":
            parts: Any = item.get("content")
            texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
            return "\n".join(text for text in texts if isinstance(text, str))
    return ""
