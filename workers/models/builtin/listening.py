"""Everything a person said in a session, message by message: what they wish, what they ask, what replaces what.

Only USER events are read. A later wish about the same thing takes the place of the earlier one, and one that takes
something back ("no, ...", "actually ...") does so across kinds. A long prompt is somebody's template or specification:
it is asked, not wished, so it yields a request and nothing else.
"""

from collections.abc import Iterator, Sequence

import attrs

from state.rollouts.model import ConversationEvent, EventKind
from workers.models.builtin.clauses import Clause, clauses_of
from workers.models.builtin.line import one_line, shorten
from workers.models.builtin.prose import sentences_of, typed_lines
from workers.models.builtin.requests import gist_of, leading_verb
from workers.models.builtin.topics import topic_of
from workers.models.builtin.vocabulary import content_words
from workers.models.builtin.wishes import Wish, correction_in, wish_in
from workers.models.protocol import NOTE_CHARS_MAX, Note, NoteKind

PROMPT_CHARS_MAX, PROMPT_LINES_MAX = 2_000, 30
"""People who type wishes type less; what is longer is pasted, generated, or an instruction file."""
WISHES_OF_A_KIND_MAX = 8
"""Nobody states more that holds; the latest are kept."""
REQUESTS_MAX = 5
"""A handful says what a session was about: the first request, for what it was opened, and the latest ones."""


@attrs.frozen(kw_only=True)
class _Heard:
    wish: Wish
    event: ConversationEvent


class Listener:
    """Takes in a session's messages in their order and knows at the end what stands."""

    def __init__(self) -> None:
        self._heard: list[_Heard] = []
        self._requests: list[Note] = []
        self._messages: set[str] = set()

    def hear(self, event: ConversationEvent, *, can_correct: bool) -> None:
        """Take in one USER event. A message that was said before, word for word, says nothing new.

        Args:
          can_correct: False for what opens the session, since there is nothing to correct yet.
        """
        if event.text in self._messages:
            return
        self._messages.add(event.text)
        is_prompt = len(event.text) > PROMPT_CHARS_MAX or typed_lines(event.text) > PROMPT_LINES_MAX
        clauses = [clause for sentence in sentences_of(event.text) for clause in clauses_of(sentence)]
        rest = clauses if is_prompt else list(self._without_wishes(event, clauses, can_correct=can_correct))
        gist = gist_of(rest)
        if gist is not None:
            self._ask(gist, event)

    def notes(self) -> list[Note]:
        """What stands at the end: prohibitions, preferences and corrections, then requests."""
        wishes: list[_Heard] = []
        for kind in (NoteKind.PROHIBITION, NoteKind.PREFERENCE, NoteKind.CORRECTION):
            wishes += [heard for heard in self._heard if heard.wish.kind is kind][-WISHES_OF_A_KIND_MAX:]
        requests = self._requests[:1] + self._requests[1:][-(REQUESTS_MAX - 1) :]
        return [*map(_note, wishes), *requests]

    def _without_wishes(
        self, event: ConversationEvent, clauses: Sequence[Clause], *, can_correct: bool
    ) -> Iterator[Clause]:
        """The clauses that are no wishes; those that are, are taken in."""
        is_due = False
        for clause in clauses:
            wish = wish_in(clause)
            if wish is None and can_correct and clause.is_reversal and self._asks_otherwise(clause, event):
                continue
            if wish is None and can_correct:
                wish = correction_in(clause, is_due=is_due)
            is_due = wish is None and clause.is_reversal and not content_words(clause.masked)
            if wish is None:
                yield clause
            else:
                self._heard = [earlier for earlier in self._heard if not _replaces(wish, earlier.wish)]
                self._heard.append(_Heard(wish=wish, event=event))

    def _asks_otherwise(self, clause: Clause, event: ConversationEvent) -> bool:
        """True when the clause asks for an earlier request to be done otherwise; it then takes that one's place."""
        gist = gist_of([clause])
        verb = leading_verb(gist) if gist else ""
        asked = [request for request in self._requests if verb and leading_verb(request.text) == verb]
        if gist and asked:
            self._requests.remove(asked[-1])
            self._ask(gist, event)
        return bool(asked)

    def _ask(self, gist: str, event: ConversationEvent) -> None:
        topic = topic_of(gist.lower(), sets_value=False)
        self._requests = [request for request in self._requests if request.topic != topic]
        self._requests.append(Note(kind=NoteKind.REQUEST, topic=topic, text=gist, line=event.line, at_ms=event.at_ms))


def heard_in(events: Sequence[ConversationEvent]) -> list[Note]:
    """What the person of a session wishes and asks, each as a note with the line that proves it."""
    listener = Listener()
    for index, event in enumerate(events):
        if event.kind is EventKind.USER:
            listener.hear(event, can_correct=index > 0)
    return listener.notes()


def _replaces(later: Wish, earlier: Wish) -> bool:
    if later.topic == earlier.topic and (later.kind is earlier.kind or later.is_reversal):
        return True
    return later.is_reversal and later.subject is not None and later.subject == earlier.subject


def _note(heard: _Heard) -> Note:
    wish, event = heard.wish, heard.event
    return Note(
        kind=wish.kind,
        topic=wish.topic,
        text=shorten(one_line(wish.text), NOTE_CHARS_MAX),
        line=event.line,
        at_ms=event.at_ms,
    )
