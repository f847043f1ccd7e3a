"""What every provider of memories has in common: one question, one answer or one classed failure, and what it cost.

A provider never sees a secret (its input is redacted before) and never decides about jobs, leases or files. What it
cannot do it says with a `ModelError`, whose class decides what becomes of the job.
"""

from enum import StrEnum
from typing import ClassVar, Protocol

import attrs

from state.ids import Scope
from state.messages.extraction import NO_TOKENS, FailureClass, TokenUsage
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
    usage: TokenUsage = NO_TOKENS

    @property
    def is_empty(self) -> bool:
        """True when the provider found nothing to remember."""
        return not (self.rollout_summary.strip() or self.raw_memory.strip() or self.notes)


class ModelError(Exception):
    """Why there is no answer, in a plain sentence without secrets. Raised as one of the classes below.

    Attributes:
      failure: what becomes of the job.
      retry_after_ms: how long the model's server asked to be left alone, or None.
      usage: what was spent nevertheless, as far as it is known.
      hint: what a person can do; '' when there is nothing but waiting.
    """

    failure: ClassVar[FailureClass]
    code = "model"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after_ms: int | None = None,
        usage: TokenUsage = NO_TOKENS,
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.retry_after_ms = retry_after_ms
        self.usage = usage


class ModelTransientError(ModelError):
    """It may work later: too many requests, a server's fault, a cut connection, a wrong answer."""

    failure = FailureClass.TRANSIENT


class ModelPermanentError(ModelError):
    """It cannot work for this conversation, however often it is tried."""

    failure = FailureClass.PERMANENT


class ModelUnavailableError(ModelError):
    """It cannot work for any conversation until somebody does something: a refused key, no such model, no money."""

    failure = FailureClass.UNAVAILABLE
    code = "model_unavailable"


class Provider(Protocol):
    """A source of memories.

    Attributes:
      name: who answers. What the configuration and `--model` call it, e.g. "builtin"; where several models may stand
        behind that word the model follows, e.g. "responses:gpt-5.4-mini".
      version: grows whenever the same conversation could give another answer.
    """

    name: str
    version: int

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer one task. Asking twice is safe; a free provider gives the same answer again.

        Raises:
          ModelError: there is no answer.
        """
        ...

    async def check(self) -> None:
        """Reach what the answers come from, without spending anything.

        Raises:
          ModelError: it cannot be reached, or refuses the key.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open; the provider is not used afterwards. Quick, also when cancelled."""
        ...
