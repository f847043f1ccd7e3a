"""What a person forbids, prefers and corrects.

A wish is kept when it will hold tomorrow. What is tied to the task in hand ("for now", "in this change", one named
file), what points away ("don't do that again"), questions and idioms ("never mind") are no wishes. A correction has to
say what is right, in words that can be understood without the screen.
"""

import attrs

from workers.models.builtin import phrases
from workers.models.builtin.clauses import Clause
from workers.models.builtin.cues import CUES
from workers.models.builtin.destructive import is_destructive
from workers.models.builtin.prose import SENTENCE_CHARS_MAX
from workers.models.builtin.topics import named_subject, topic_of
from workers.models.builtin.vocabulary import content_count, is_chatter, word_count
from workers.models.protocol import NoteKind

SETTING_WORDS_MAX = 10
"""A short order about a style ("use 4 spaces") is a preference; a longer one describes a task."""
CORRECTION_WORDS_MIN = 3
"""With fewer words of content ("no, the other one") a correction means nothing to a later reader."""


@attrs.frozen(kw_only=True)
class Wish:
    """One thing a person wants, with what it takes to let a later one replace it.

    Attributes:
      subject: the subject with one value at a time that it speaks of, if it does.
      is_reversal: True when it takes back something said before.
    """

    kind: NoteKind
    topic: str
    subject: str | None
    text: str
    is_reversal: bool


def wish_in(clause: Clause) -> Wish | None:
    """The prohibition or preference in a clause, or None when there is none that will hold tomorrow."""
    said = clause.masked
    if clause.is_question or len(said) > SENTENCE_CHARS_MAX or phrases.IDIOM.match(said):
        return None
    found = _kind_and_firmness(said)
    if found is None:
        return None
    kind, is_firm = found
    if kind is not NoteKind.PROHIBITION and is_destructive(clause.text):
        return None  # a pasted "always run rm -rf" must not become a rule for every session to come
    if _is_tied_to_task(said, is_firm=is_firm) or not _can_stand_alone(said, is_firm=is_firm):
        return None
    return _wish(clause, kind)


def correction_in(clause: Clause, *, is_due: bool = False) -> Wish | None:
    """The correction in a clause, or None when there is none that says what is right.

    Args:
      is_due: True after "that's wrong" and the like: then a statement will do that is not worded as a correction.
    """
    said = clause.masked
    if clause.is_question or len(said) > SENTENCE_CHARS_MAX or phrases.IDIOM.match(said):
        return None
    if not (clause.is_reversal or phrases.CORRECTION.match(said) or (is_due and phrases.STATEMENT.match(said))):
        return None
    says_enough = (
        content_count(said) >= CORRECTION_WORDS_MIN or named_subject(said) or phrases.DEFINITE_STATEMENT.match(said)
    )
    if not says_enough or phrases.TIED_TO_TASK.search(said):
        return None
    return _wish(clause, NoteKind.CORRECTION)


def _wish(clause: Clause, kind: NoteKind) -> Wish:
    readable = clause.text.lower()
    return Wish(
        kind=kind,
        topic=topic_of(readable, sets_value=kind is not NoteKind.PROHIBITION),
        subject=named_subject(readable),
        text=clause.text,
        is_reversal=clause.is_reversal,
    )


def _kind_and_firmness(said: str) -> tuple[NoteKind, bool] | None:
    condition = phrases.CONDITION.match(said)
    point = condition.end() if condition else 0
    for cue in CUES:
        if cue.pattern.match(said, point) or (point and cue.pattern.match(said)):
            return cue.kind, cue.is_firm
    standing = phrases.FROM_NOW_ON.match(said)
    order = said[max(point, standing.end()) :].strip(" ,:") if standing else said[point:]
    if standing and order and not phrases.SUBJECT.match(order):
        return (NoteKind.PROHIBITION if phrases.NEGATED.match(order) else NoteKind.PREFERENCE), True
    if named_subject(order) and phrases.SETS_STYLE.match(order) and word_count(said) <= SETTING_WORDS_MAX:
        return NoteKind.PREFERENCE, False
    return None


def _is_tied_to_task(said: str, *, is_firm: bool) -> bool:
    if phrases.TIED_TO_TASK.search(said):
        return True
    if is_firm or phrases.GENERAL.search(said):
        return False
    return any(pattern.search(said) for pattern in (phrases.TIED_LOOSELY, phrases.NAMED_FILE, phrases.DEFINITE_OBJECT))


def _can_stand_alone(said: str, *, is_firm: bool) -> bool:
    needs_object = phrases.POINTS_AWAY.search(said) or not (
        is_firm or named_subject(said) or phrases.GENERAL.search(said)
    )
    return content_count(said) >= (2 if needs_object else 1) and not is_chatter(said)
