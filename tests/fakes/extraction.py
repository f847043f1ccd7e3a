"""Extraction jobs as workers see them: claiming, finishing and failing them in one line each."""

from typing import Any

from state.ids import OwnershipToken
from state.messages.extraction import (
    NO_TOKENS,
    ClaimExtraction,
    Eligibility,
    ExtractionClaimed,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    MemoryDraft,
    MemoryNote,
    NothingToExtract,
    TokenUsage,
)
from tests.fakes.memory_state import MemoryState, terms

EVERYTHING = Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None)
"""Every session that a person led on the command line, at once."""

EXTRACTOR = ExtractorId(name="builtin", version=1)


def note(text: str, *, topic: str = "", kind: str = "preference", line: int = 1) -> MemoryNote:
    """One note about `topic`, or about what the text says."""
    return MemoryNote(kind=kind, topic=topic or text, text=text, line=line, at_ms=None)


def draft(text: str = "use tabs") -> MemoryDraft:
    """What an extraction wants remembered: this one thing."""
    return MemoryDraft(raw_memory=f"- {text}", rollout_summary=f"# {text}", rollout_slug="a-slug", notes=(note(text),))


EMPTY = MemoryDraft(raw_memory="", rollout_summary=" ", rollout_slug=None, notes=())
"""There was nothing to remember."""


def claim(
    state: MemoryState, token: str, *, eligibility: Eligibility = EVERYTHING, **more: Any
) -> ExtractionClaimed | NothingToExtract:
    """Ask for a job."""
    return state.ask(ClaimExtraction(terms=terms(token, **more), eligibility=eligibility))


def claimed(state: MemoryState, token: str, **more: Any) -> ExtractionClaimed:
    """Ask for a job that must be there."""
    job = claim(state, token, **more)
    assert isinstance(job, ExtractionClaimed)
    return job


def finish(
    state: MemoryState,
    token: str,
    result: MemoryDraft | None,
    *,
    extractor: ExtractorId = EXTRACTOR,
    usage: TokenUsage = NO_TOKENS,
) -> Any:
    """Finish the job of this token."""
    return state.ask(
        FinishExtraction(
            token=OwnershipToken(token), input_digest="input-1", extractor=extractor, draft=result, usage=usage
        )
    )


def fail(
    state: MemoryState,
    token: str,
    failure: FailureClass = FailureClass.TRANSIENT,
    *,
    reason: str = "the model did not answer",
    retry_after_ms: int | None = None,
    usage: TokenUsage = NO_TOKENS,
) -> Any:
    """Fail the job of this token."""
    return state.ask(
        FailExtraction(
            token=OwnershipToken(token),
            failure=failure,
            reason=reason,
            jitter_permille=1000,
            retry_after_ms=retry_after_ms,
            usage=usage,
        )
    )
