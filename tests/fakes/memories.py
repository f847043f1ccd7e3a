"""Memories of a scope, made up: what the files of a scope are written from."""

from typing import Any

import attrs

from state.ids import Scope
from state.messages.consolidation import PublishedScope, ScopeMemory
from state.messages.extraction import MemoryNote
from state.rules.scopes import scope_folder
from tests.fakes.readings import CONTENT_AT_MS, path_of, thread_id

SHOP = Scope(kind="cwd", key="/home/ann/shop")


def note(kind: str, text: str, *, topic: str = "", line: int = 1, at_ms: int | None = None) -> MemoryNote:
    """One note about `topic`, or about what the text says."""
    return MemoryNote(kind=kind, topic=topic or text, text=text, line=line, at_ms=at_ms)


def memory(number: int, *notes: MemoryNote, **changes: Any) -> ScopeMemory:
    """The memory of thread `number`; greater numbers have newer content."""
    plain = ScopeMemory(
        thread_id=thread_id(number),
        rollout_path=path_of(number),
        cwd="/home/ann/shop",
        git_branch="main",
        created_at_ms=CONTENT_AT_MS,
        source_at_ms=CONTENT_AT_MS + number,
        rollout_summary=f"# session {number}",
        rollout_slug=f"session {number}",
        raw_memory=f"- memory {number}",
        notes=notes,
    )
    return attrs.evolve(plain, **changes)


def published(key: str, *, source_at_ms: int = CONTENT_AT_MS) -> PublishedScope:
    """A project with a current generation."""
    scope = Scope(kind="cwd", key=key)
    return PublishedScope(
        scope=scope,
        scope_folder=scope_folder(scope),
        generation=1,
        generation_folder=f"generations/{scope_folder(scope)}/00000001-token",
        source_at_ms=source_at_ms,
    )
