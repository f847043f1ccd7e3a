"""What every provider of memories has in common: one question, one answer, and what it cost.

A provider never sees a secret (its input is redacted before) and never decides about jobs, leases or files.
"""

from enum import StrEnum
from typing import Protocol

import attrs

from state.ids import Scope
from state.rollouts.model import Conversation


class NoteKind(StrEnum):
    """What a note is worth to the next session. The order is the order of importance."""

    PROHIBITION = "prohibition"
    """The person forbade something."""
    PREFERENCE = "preference"
    """The person said how they want things done, in general."""
    CORRECTION = "correction"
    """The person corrected the agent; the text is what is right."""
    FIX = "fix"
    """A command failed, and this is what then worked."""
    REQUEST = "request"
    """What the person asked for."""
    FILES = "files"
    """Which files the session changed."""
    OUTCOME = "outcome"
    """How the session ended."""


@attrs.frozen(kw_only=True)
class Note:
    """One remembered thing, small enough for one line, with the place that proves it.

    Attributes:
      topic: what the note is about, normalised; a later note of the same kind and topic replaces an earlier one.
      text: one line of plain text; no line breaks, at most NOTE_CHARS_MAX characters.
      line: 1-based rollout line of the evidence.
      at_ms: when it was said, Unix ms, or None.
    """

    kind: NoteKind
    topic: str
    text: str
    line: int
    at_ms: int | None


NOTE_CHARS_MAX = 400
"""A note is a line that people read in a list. Longer ones are cut at a word, with an ellipsis."""


@attrs.frozen(kw_only=True)
class TokenUsage:
    """What one model call cost, in tokens; zeros for a provider that is free."""

    input_tokens: int = 0
    output_tokens: int = 0


@attrs.frozen(kw_only=True)
class ExtractionTask:
    """One conversation to remember, already filtered and redacted."""

    scope: Scope
    conversation: Conversation


@attrs.frozen(kw_only=True)
class ExtractionAnswer:
    """What is worth remembering. No notes and empty texts mean: nothing is, which is a success.

    Attributes:
      rollout_summary: Markdown; first line is a one-line title. '' when there is nothing.
      rollout_slug: a few words for a file name, or None.
      raw_memory: Markdown, the notes written out. '' when there is nothing.
    """

    rollout_summary: str
    rollout_slug: str | None
    raw_memory: str
    notes: tuple[Note, ...]
    usage: TokenUsage = TokenUsage()

    @property
    def is_empty(self) -> bool:
        """True when the provider found nothing to remember."""
        return not (self.rollout_summary.strip() or self.raw_memory.strip() or self.notes)


class Provider(Protocol):
    """A source of memories.

    Attributes:
      name: as the configuration and `--model` spell it, e.g. "builtin".
      version: grows whenever the same conversation could give another answer.
    """

    name: str
    version: int

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer one task. Asking twice is safe; a free provider gives the same answer again."""
        ...
