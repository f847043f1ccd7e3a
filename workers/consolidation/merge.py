"""From the notes of many sessions to what stands now: a later value for the same thing replaces the earlier one. Pure.

What a person wished (prohibitions, preferences, corrections) is one family: a correction about tabs replaces an earlier
preference about tabs. How to fix something is another. What was asked, changed and reached belongs to its session.
"""

import attrs

from state.ids import ThreadId
from state.messages.consolidation import ScopeMemory
from state.messages.extraction import MemoryNote
from workers.models.protocol import NoteKind

WISHES = (NoteKind.PROHIBITION, NoteKind.PREFERENCE, NoteKind.CORRECTION)


@attrs.frozen(kw_only=True)
class Standing:
    """One note that still holds, with the thread that said it last."""

    note: MemoryNote
    thread_id: ThreadId
    at_ms: int


@attrs.frozen(kw_only=True)
class SessionTask:
    """One session: what was asked first, how it ended, which files changed. newest content time in at_ms."""

    memory: ScopeMemory
    requests: tuple[MemoryNote, ...]
    files: tuple[MemoryNote, ...]
    outcome: MemoryNote | None


@attrs.frozen(kw_only=True)
class Merged:
    """What a scope's files are written from. wishes and fixes: newest first; tasks: newest first."""

    wishes: tuple[Standing, ...]
    fixes: tuple[Standing, ...]
    tasks: tuple[SessionTask, ...]


def merge(memories: tuple[ScopeMemory, ...]) -> Merged:
    """Merge; the same memories in any order give the same result."""
    return Merged(
        wishes=_latest(memories, WISHES),
        fixes=_latest(memories, (NoteKind.FIX,)),
        tasks=tuple(
            _task(memory) for memory in sorted(memories, key=lambda m: (m.source_at_ms, m.thread_id), reverse=True)
        ),
    )


def _latest(memories: tuple[ScopeMemory, ...], kinds: tuple[NoteKind, ...]) -> tuple[Standing, ...]:
    said = [
        Standing(note=note, thread_id=memory.thread_id, at_ms=note.at_ms or memory.source_at_ms)
        for memory in memories
        for note in memory.notes
        if note.kind in kinds
    ]
    said.sort(key=lambda one: (one.at_ms, one.thread_id, one.note.line))
    standing: dict[str, Standing] = {}
    for one in said:
        standing.pop(one.note.topic, None)
        standing[one.note.topic] = one
    by_text: dict[str, Standing] = {}
    for one in standing.values():
        by_text.pop(one.note.text.casefold(), None)
        by_text[one.note.text.casefold()] = one
    return tuple(reversed(by_text.values()))


def _task(memory: ScopeMemory) -> SessionTask:
    def of(kind: NoteKind) -> tuple[MemoryNote, ...]:
        return tuple(note for note in memory.notes if note.kind == kind)

    outcomes = of(NoteKind.OUTCOME)
    return SessionTask(
        memory=memory,
        requests=of(NoteKind.REQUEST),
        files=of(NoteKind.FILES),
        outcome=outcomes[-1] if outcomes else None,
    )
