"""How a session ended: what the transcript says, and whether something was left broken."""

from enum import StrEnum

from state.rollouts.model import Conversation
from workers.models.builtin.fixes import Run, told
from workers.models.builtin.line import one_line, shorten
from workers.models.protocol import NOTE_CHARS_MAX, Note, NoteKind


class Outcome(StrEnum):
    """How a raw memory calls an outcome."""

    SUCCESS = "success"
    PARTIAL = "partial"
    FAIL = "fail"
    UNCERTAIN = "uncertain"


_ENDINGS = {"completed": "completed", "aborted": "was aborted", "failed": "failed", "open": "no end is recorded"}
"""How the last turn ended, in the conversation's words and in ours."""


def outcome_note(conversation: Conversation, failing: Run | None) -> Note:
    """One note about the end of a conversation with at least one event.

    Args:
      failing: the run that left it in failure, or None.
    """
    ending = _ENDINGS.get(conversation.ended) or one_line(conversation.ended)
    evidence = conversation.events[-1] if failing is None else failing.event
    left = f"; ended with {told(failing.command)} still failing (exit {failing.event.exit_code})" if failing else ""
    text = shorten(f"{ending}{left}", NOTE_CHARS_MAX)
    return Note(kind=NoteKind.OUTCOME, topic="outcome", text=text, line=evidence.line, at_ms=evidence.at_ms)


def judged(ended: str, *, has_result: bool, failing: Run | None) -> Outcome:
    """The outcome of a session, judged conservatively: a success needs a result and nothing left broken."""
    if ended == "completed" and failing is None and has_result:
        return Outcome.SUCCESS
    if ended == "completed" and failing is None:
        return Outcome.UNCERTAIN
    if ended == "open" and not has_result:
        return Outcome.UNCERTAIN
    return Outcome.PARTIAL if has_result or ended == "completed" else Outcome.FAIL
