"""From what the model wrote to what is remembered: every note cites an event that the model was shown, or goes.

The texts are a model's and may hold anything, so notes become single lines that can be nothing else, and a text that
has no note to prove it is not taken.
"""

import re
from collections.abc import Mapping

from state.messages.extraction import TokenUsage
from workers.models.builtin.line import one_line, shorten
from workers.models.protocol import NOTE_CHARS_MAX, ExtractionAnswer, Note, NoteKind
from workers.models.responses.schema import Answered, read_answer

NOTES_MAX = 60
"""More than a session can be worth; the model was asked for a dozen."""

TOPIC_CHARS_MAX = 80
SLUG_CHARS_MAX = 80
TEXT_CHARS_MAX = 60_000
"""Of a summary or a raw memory: many times what was asked for."""

_RANK = {kind: rank for rank, kind in enumerate(NoteKind)}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class WrongAnswerError(Exception):
    """The answer is not of the form that was asked for, or only a part of one."""


def answer_from(text: str, shown: Mapping[int, int | None], usage: TokenUsage) -> ExtractionAnswer:
    """Read an answer. shown: the lines that a note may cite, with their times.

    Raises:
      WrongAnswerError: it cannot be used.
    """
    if not text.strip():
        raise WrongAnswerError("it is empty")
    try:
        answered = read_answer(text)
    except ValueError as error:
        raise WrongAnswerError(f"it is not of the form that was asked for: {error}") from None
    summary, raw_memory = _text(answered.rollout_summary), _text(answered.raw_memory)
    notes = _notes(answered, shown)
    if not summary and not raw_memory and not answered.notes:
        return ExtractionAnswer(rollout_summary="", rollout_slug=None, raw_memory="", notes=(), usage=usage)
    if not summary or not raw_memory:
        raise WrongAnswerError("it is only a part: summary, memory and notes belong together")
    if not notes:
        raise WrongAnswerError("none of its notes cites an event that was shown")
    slug = one_line(answered.rollout_slug or "")[:SLUG_CHARS_MAX] or None
    return ExtractionAnswer(
        rollout_summary=summary + "\n", rollout_slug=slug, raw_memory=raw_memory + "\n", notes=notes, usage=usage
    )


def _notes(answered: Answered, shown: Mapping[int, int | None]) -> tuple[Note, ...]:
    """The notes that hold, the most important kind first; of several about one topic the latest."""
    latest: dict[tuple[NoteKind, str], Note] = {}
    for one in sorted(answered.notes[:NOTES_MAX], key=lambda note: note.line):
        text = shorten(one_line(one.text), NOTE_CHARS_MAX)
        topic = shorten(one_line(one.topic or one.text).casefold(), TOPIC_CHARS_MAX)
        if one.line not in shown or not text or not topic:
            continue
        # Several requests of one session are several tasks, whatever they are about.
        key = (one.kind, f"{topic} {one.line}" if one.kind is NoteKind.REQUEST else topic)
        latest[key] = Note(kind=one.kind, topic=topic, text=text, line=one.line, at_ms=shown[one.line])
    return tuple(sorted(latest.values(), key=lambda note: (_RANK[note.kind], note.line, note.topic)))


def _text(text: str) -> str:
    return _CONTROL.sub(" ", text.replace("\r\n", "\n")).strip()[:TEXT_CHARS_MAX]
