"""Every place in a thread's conversation that has a text: what the person said, and what the model answered.

Of what the model said, the answers count: the last message of a turn that has ended, and those that are said to be an
answer, whole or in part. What it says on its way does not.
"""

from collections.abc import Iterator, Sequence

import attrs

from state.rollouts.excerpts import CUT_BEFORE, excerpt, trimmed
from state.rollouts.markdown_text import WordsTest, words_of
from state.rollouts.messages import REQUEST_MARK
from state.rollouts.turn_items import FINAL_ANSWER, PARTIAL_ANSWER, Item
from state.rollouts.turn_model import Turn, TurnItem


@attrs.frozen(kw_only=True)
class OccurrencePlace:
    """A place: the item by the number of its line, and the how-manieth one in the item, from 0."""

    ordinal: int
    index: int


@attrs.frozen(kw_only=True)
class Occurrence:
    """A place that has the text.

    Attributes:
      snippet: the words around it.
      start, end: where it is in the snippet, in UTF-16 code units.
    """

    turn: Turn
    item: Item
    place: OccurrencePlace
    snippet: str
    start: int
    end: int


def occurrences_in(turns: Sequence[Turn], text: str, begin: OccurrencePlace) -> Iterator[Occurrence]:
    """The places from `begin` on, in the order in which things were said; upper and lower case are one."""
    said = [(one.ordinal, turn, one.item) for turn in turns for one in _said(turn) if one.ordinal >= begin.ordinal]
    test = WordsTest(text)
    for ordinal, turn, item in sorted(said, key=lambda one: one[0]):
        if item["type"] == "agentMessage" and not test.may_be_in(item["text"]):
            continue
        words = _words(item)
        for index, (start, end) in enumerate(places_of(text, words)):
            if (ordinal, index) < (begin.ordinal, begin.index):
                continue
            around = excerpt(words, start, end)
            before = _units(CUT_BEFORE if around.is_cut_before else "") + _units(around.text[: around.start])
            yield Occurrence(
                turn=turn,
                item=item,
                place=OccurrencePlace(ordinal=ordinal, index=index),
                snippet=around.marked(),
                start=before,
                end=before + _units(around.text[around.start : around.end]),
            )


def places_of(wanted: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a text stands in another, without overlap, from left to right: each its start and its end.

    Upper and lower case are one, as full case folding of Unicode has it: "ß" is "ss". Where that makes two characters
    of one, a place has all of the one, and the next place begins behind it.
    """
    needle, folded = wanted.casefold(), text.casefold()
    origin = None if len(folded) == len(text) else [at for at, char in enumerate(text) for _ in char.casefold()]
    start = folded.find(needle)
    while start >= 0:
        end = start + len(needle)
        yield (start, end) if origin is None else (origin[start], origin[end - 1] + 1)
        while origin is not None and end < len(origin) and origin[end] == origin[end - 1]:
            end += 1
        start = folded.find(needle, end)


def _said(turn: Turn) -> list[TurnItem]:
    answer = _answer(turn)
    return [
        one for one in turn.items if one.item["type"] == "userMessage" or one is answer or _phase(one) == PARTIAL_ANSWER
    ]


def _answer(turn: Turn) -> TurnItem | None:
    """What the model answered in a turn, in the end."""
    messages = [one for one in turn.items if one.item["type"] == "agentMessage"]
    finals = [one for one in messages if _phase(one) == FINAL_ANSWER]
    if not finals and turn.has_end:
        finals = [one for one in messages if _phase(one) is None]
    return max(finals, key=lambda one: one.ordinal, default=None)


def _phase(one: TurnItem) -> object:
    return one.item.get("phase") if one.item["type"] == "agentMessage" else None


def _words(item: Item) -> str:
    if item["type"] == "agentMessage":
        return words_of(item["text"])
    return "".join(_request(part["text"]) for part in item["content"] if part["type"] == "text")


def _request(text: str) -> str:
    _, mark, request = text.partition(REQUEST_MARK)
    return trimmed(request if mark else text)


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)
