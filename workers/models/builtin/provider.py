"""The built-in model: from a conversation to notes, by rules alone. No network, no clock, no randomness.

It says what the person asked for, corrected, preferred and forbade, which commands failed and what then worked, which
files changed, and how it ended. It never restates what the agent said or what a tool printed as a fact, and it says
nothing at all when a session holds nothing: in memories that are mined automatically, junk is the rule, and an empty
answer is better than one more line to read past.
"""

from collections.abc import Sequence

import trio

from state.rollouts.model import Conversation
from workers.models.builtin.changes import files_note
from workers.models.builtin.fixes import fixes_in, runs_in, still_failing
from workers.models.builtin.listening import heard_in
from workers.models.builtin.outcome import judged, outcome_note
from workers.models.builtin.render import rendered
from workers.models.builtin.vocabulary import word_count
from workers.models.protocol import ExtractionAnswer, ExtractionTask, Note, NoteKind

SUBSTANTIVE_WORDS_MIN = 6
"""A session in which nothing changed, failed or was wished is remembered for requests of so many words, if at all."""

NOTHING = ExtractionAnswer(rollout_summary="", rollout_slug=None, raw_memory="", notes=())

_RANK = {kind: rank for rank, kind in enumerate(NoteKind)}


class BuiltinProvider:
    """The provider that needs nothing. Implements `workers.models.protocol.Provider`."""

    name = "builtin"
    version = 1

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer one task; the same conversation always gets the same bytes."""
        # In a pool thread: a conversation of the largest size takes seconds. Abandoned on cancel, since it only reads.
        return await trio.to_thread.run_sync(remember, task.conversation, abandon_on_cancel=True)

    async def check(self) -> None:
        """There is nothing to reach."""

    async def aclose(self) -> None:
        """There is nothing to close."""


def remember(conversation: Conversation) -> ExtractionAnswer:
    """What is worth remembering of a conversation; the empty answer when nothing is."""
    events, cwd = conversation.events, conversation.cwd
    runs = runs_in(events)
    failing = still_failing(runs)
    files = files_note(events, cwd)
    results = [*fixes_in(events, runs, cwd), *([files] if files else [])]
    notes = [*_worth_a_line(heard_in(events), has_more=bool(results or failing)), *results]
    if not notes:
        return NOTHING
    notes.append(outcome_note(conversation, failing))
    outcome = judged(conversation.ended, has_result=bool(results), failing=failing)
    return rendered(conversation, tuple(sorted(notes, key=_importance)), outcome)


def _worth_a_line(heard: Sequence[Note], *, has_more: bool) -> Sequence[Note]:
    """What was heard, without short requests that nothing came of."""
    if has_more or any(note.kind is not NoteKind.REQUEST for note in heard):
        return heard
    return [note for note in heard if word_count(note.text) >= SUBSTANTIVE_WORDS_MIN]


def _importance(note: Note) -> tuple[int, int, str]:
    return _RANK[note.kind], note.line, note.topic
