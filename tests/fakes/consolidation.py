"""Scopes as the consolidation worker sees them: remembering, claiming and publishing in one line each."""

from typing import Any

from state.ids import OwnershipToken, Scope
from state.messages.consolidation import (
    ClaimConsolidation,
    ConsolidationClaimed,
    FailConsolidation,
    LoadScopeMemories,
    NothingToConsolidate,
    PublishConsolidation,
    SelectedMemory,
)
from tests.fakes.extraction import claimed as claimed_extraction
from tests.fakes.extraction import draft, finish
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import facts, index

SHOP = Scope(kind="cwd", key="/home/ann/shop")
BLOG = Scope(kind="cwd", key="/home/ann/blog")


def remember(state: MemoryState, number: int, *, scope: Scope = SHOP, text: str = "", **changes: Any) -> None:
    """Let thread `number` of this scope have a memory, which makes the scope dirty."""
    text = text or f"memory {number}"
    index(state, facts(number, cwd=scope.key, content_digest=text, **changes), size_bytes=100 + len(text))
    token = f"remember-{number}-{text}"
    claimed_extraction(state, token)
    finish(state, token, draft(text))


def claim(state: MemoryState, token: str, **more: Any) -> ConsolidationClaimed | NothingToConsolidate:
    """Ask for a dirty scope."""
    return state.ask(ClaimConsolidation(terms=terms(token, **more)))


def claimed(state: MemoryState, token: str, **more: Any) -> ConsolidationClaimed:
    """Ask for a dirty scope that must be there."""
    job = claim(state, token, **more)
    assert isinstance(job, ConsolidationClaimed)
    return job


def selection(state: MemoryState, scope: Scope = SHOP) -> tuple[SelectedMemory, ...]:
    """What the scope's files would be made of now."""
    loaded = state.ask(LoadScopeMemories(scope=scope, limit=256, unused_ms_max=None))
    return tuple(SelectedMemory(thread_id=memory.thread_id, source_at_ms=memory.source_at_ms) for memory in loaded)


def publish(
    state: MemoryState,
    token: str,
    *,
    digest: str = "digest-1",
    source_at_ms: int = 1,
    memories: int = 1,
    selected: tuple[SelectedMemory, ...] = (),
) -> Any:
    """Publish a staged folder, named after the token."""
    return state.ask(
        PublishConsolidation(
            token=OwnershipToken(token),
            generation_folder=f"generations/shop/{token}",
            digest=digest,
            source_at_ms=source_at_ms,
            memories=memories,
            staged=True,
            selected=selected,
        )
    )


def leave_unchanged(
    state: MemoryState, token: str, *, source_at_ms: int = 1, selected: tuple[SelectedMemory, ...] = ()
) -> Any:
    """Say that the files would be what they are."""
    return state.ask(
        PublishConsolidation(
            token=OwnershipToken(token),
            generation_folder="",
            digest="digest-1",
            source_at_ms=source_at_ms,
            memories=1,
            staged=False,
            selected=selected,
        )
    )


def fail(state: MemoryState, token: str, reason: str = "the disk is full") -> Any:
    """Fail the scope of this token."""
    return state.ask(FailConsolidation(token=OwnershipToken(token), reason=reason, jitter_permille=1000))
