"""Extraction jobs as workers see them: claiming, finishing and failing them in one line each."""

from typing import Any

from state.ids import OwnershipToken, Scope, ThreadId
from state.messages.extraction import (
    NO_TOKENS,
    ClaimExtraction,
    Eligibility,
    ExtractionCapacityReached,
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
from state.messages.extraction_claims import ClaimExtractionOf, ExtractionSkipped
from state.messages.leases import NotOwner
from state.messages.memory_rows import MemoryRow, SaveMemory, SaveMemoryUnderClaim
from state.messages.threads import UnknownThread
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import thread_id

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


SHOP = Scope(kind="cwd", key="/home/ann/shop")
"""The scope of a made-up thread unless a test says otherwise."""


def claim(
    state: MemoryState,
    token: str,
    *,
    eligibility: Eligibility = EVERYTHING,
    running_max: int | None = None,
    **more: Any,
) -> ExtractionClaimed | NothingToExtract | ExtractionCapacityReached:
    """Ask for a job."""
    return state.ask(ClaimExtraction(terms=terms(token, **more), eligibility=eligibility, running_max=running_max))


def claimed(state: MemoryState, token: str, **more: Any) -> ExtractionClaimed:
    """Ask for a job that must be there."""
    job = claim(state, token, **more)
    assert isinstance(job, ExtractionClaimed)
    return job


def claim_of(
    state: MemoryState,
    token: str,
    thread: ThreadId | None = None,
    *,
    scope: Scope = SHOP,
    content_revision: int | None = None,
    running_max: int | None = None,
    **more: Any,
) -> ExtractionClaimed | ExtractionSkipped | UnknownThread:
    """Ask for the job of this thread, or of the first one."""
    return state.ask(
        ClaimExtractionOf(
            thread_id=thread or thread_id(1),
            scope=scope,
            terms=terms(token, **more),
            content_revision=content_revision,
            running_max=running_max,
        )
    )


def claimed_of(state: MemoryState, token: str, thread: ThreadId | None = None, **more: Any) -> ExtractionClaimed:
    """Ask for the job of this thread, which must be granted."""
    job = claim_of(state, token, thread, **more)
    assert isinstance(job, ExtractionClaimed), job
    return job


def save(
    state: MemoryState, text: str, thread: ThreadId | None = None, *, scope: Scope | None = None
) -> MemoryRow | UnknownThread:
    """Write a memory of this thread, or of the first one, without a claim."""
    return state.ask(SaveMemory(thread_id=thread or thread_id(1), scope=scope, extractor=EXTRACTOR, draft=draft(text)))


def saved(state: MemoryState, text: str, thread: ThreadId | None = None, *, scope: Scope | None = None) -> MemoryRow:
    """Write a memory of a thread that must be there."""
    row = save(state, text, thread, scope=scope)
    assert isinstance(row, MemoryRow)
    return row


def save_under_claim(
    state: MemoryState, token: str, text: str, thread: ThreadId | None = None, *, scope: Scope = SHOP
) -> MemoryRow | NotOwner | UnknownThread:
    """Write a memory of this thread, or of the first one, as the owner of its job."""
    return state.ask(
        SaveMemoryUnderClaim(
            token=OwnershipToken(token),
            thread_id=thread or thread_id(1),
            scope=scope,
            extractor=EXTRACTOR,
            draft=draft(text),
        )
    )


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
