"""A sentence, cut where a wish begins in its middle, each part from where it gets to the point."""

import re

import attrs

from workers.models.builtin import phrases
from workers.models.builtin.prose import SENTENCE_CHARS_MAX, Sentence


@attrs.frozen(kw_only=True)
class Clause:
    """A part of a sentence that can be a wish of its own.

    Attributes:
      text: as it was written, without what people say before they say it, and without a full stop.
      masked: the same in lower case with quotations masked; offsets agree.
      is_question: True for a real question; "can you please always ..." is none.
      is_reversal: True when it begins with taking something back ("no, ...", "actually ...").
    """

    text: str
    masked: str
    is_question: bool
    is_reversal: bool


def clauses_of(sentence: Sentence) -> tuple[Clause, ...]:
    """The clauses of a sentence, in their order. A very long one is left whole and said to be a plain statement."""
    if len(sentence.text) > SENTENCE_CHARS_MAX:
        return (Clause(text=sentence.text, masked=sentence.masked, is_question=False, is_reversal=False),)
    clauses = []
    start = 0
    for boundary in phrases.CLAUSE_BOUNDARY.finditer(sentence.masked):
        is_condition = phrases.OPEN_CONDITION.fullmatch(sentence.masked, start, boundary.start())
        if not is_condition and not (boundary["comma"] and phrases.WISH_OPENING.match(sentence.masked, start)):
            clauses.append(_clause(sentence, start, boundary.start()))
            start = boundary.end()
    clauses.append(_clause(sentence, start, len(sentence.text)))
    return tuple(clauses)


def _clause(sentence: Sentence, start: int, end: int) -> Clause:
    masked = sentence.masked[start:end]
    opening = _after(phrases.FILLER, masked, 0)
    point = opening
    while (further := _after(phrases.REVERSAL, masked, point)) > point:
        point = _after(phrases.FILLER, masked, further)
    is_reversal = point > opening
    is_polite = "please" in masked and phrases.POLITE_QUESTION.match(masked, point) is not None
    if is_polite:
        point = _after(phrases.POLITE_QUESTION, masked, point)
    closing = phrases.CLOSING.search(masked, point)
    stop = closing.start() if closing else len(masked)
    is_question = (sentence.is_question and not is_polite) or phrases.QUESTION.match(masked, point) is not None
    return Clause(
        text=sentence.text[start:end][point:stop],
        masked=masked[point:stop],
        is_question=is_question,
        is_reversal=is_reversal,
    )


def _after(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start
