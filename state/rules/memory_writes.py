"""The one way in which a memory is written, by the owner of its extraction job or by anybody.

The owner's right is asked in the statement that writes, so that nothing can come between the two.
"""

import attrs

from state.ids import Instant, OwnershipToken, Scope, ThreadId
from state.messages.extraction import ExtractorId, MemoryDraft
from state.rules.scopes import mark_scope_dirty
from state.transaction import SqlValue, Transaction

MEMORY_KEY = " WHERE thread_id = :thread_id AND scope_kind = :kind AND scope_key = :key"
"""What is kept of one thread in one scope, a memory or a job; parameters from `memory_key`."""

_SOURCE_OF_OWNER = (
    "j.content_at_ms, :wall_ms, :wall_ms, :extractor, 0 FROM extraction_jobs j WHERE j.ownership_token = :token"
    " AND j.status = 'running' AND j.thread_id = :thread_id AND j.scope_kind = :kind AND j.scope_key = :key"
)
_SOURCE_OF_ANYBODY = (
    "coalesce(t.content_at_ms, t.updated_at_ms), :wall_ms, :wall_ms, :extractor, 0 FROM threads t"
    " WHERE t.id = :thread_id"
)


def memory_key(thread_id: ThreadId, scope: Scope) -> dict[str, SqlValue]:
    """Parameters of MEMORY_KEY."""
    return {"thread_id": thread_id, "kind": scope.kind, "key": scope.key}


@attrs.frozen(kw_only=True)
class _SavedText:
    raw_memory: str
    rollout_summary: str
    rollout_slug: str | None


@attrs.frozen(kw_only=True)
class _SavedNote:
    kind: str
    topic: str
    text: str
    line: int
    at_ms: int | None


async def is_saved(tx: Transaction, thread_id: ThreadId, scope: Scope, draft: MemoryDraft) -> bool:
    """Say whether every text and note of the draft is already what is saved."""
    key = memory_key(thread_id, scope)
    text = await tx.one(
        _SavedText, "SELECT raw_memory, rollout_summary, rollout_slug FROM memories" + MEMORY_KEY, **key
    )
    notes = await tx.all(
        _SavedNote,
        "SELECT kind, topic, text, line, at_ms FROM memory_notes" + MEMORY_KEY + " ORDER BY position",
        **key,
    )
    wanted = _SavedText(
        raw_memory=draft.raw_memory, rollout_summary=draft.rollout_summary, rollout_slug=draft.rollout_slug
    )
    return text == wanted and [attrs.astuple(note) for note in notes] == [attrs.astuple(note) for note in draft.notes]


async def write_memory(
    tx: Transaction,
    thread_id: ThreadId,
    scope: Scope,
    draft: MemoryDraft,
    extractor: ExtractorId,
    at: Instant,
    *,
    token: OwnershipToken | None,
) -> bool:
    """Write the memory and its notes, and make its scope dirty; also where nothing differs.

    Args:
      token: write only while it holds the running job of exactly this thread and scope; None asks for no right.

    Returns:
      False when the token does not hold that job, or there is no such thread; then nothing was written.
    """
    key = memory_key(thread_id, scope)
    guard: dict[str, SqlValue] = {} if token is None else {"token": token}
    written = await tx.execute(
        "INSERT INTO memories (thread_id, scope_kind, scope_key, raw_memory, rollout_summary, rollout_slug,"
        " source_at_ms, generated_at_ms, updated_at_ms, extractor, usage_count)"
        " SELECT :thread_id, :kind, :key, :raw_memory, :rollout_summary, :rollout_slug,"
        f" {_SOURCE_OF_ANYBODY if token is None else _SOURCE_OF_OWNER}"
        " ON CONFLICT (thread_id, scope_kind, scope_key) DO UPDATE SET raw_memory = excluded.raw_memory,"
        " rollout_summary = excluded.rollout_summary, rollout_slug = excluded.rollout_slug,"
        " source_at_ms = excluded.source_at_ms, generated_at_ms = excluded.generated_at_ms,"
        " extractor = excluded.extractor,"
        " updated_at_ms = max(excluded.updated_at_ms, memories.updated_at_ms + 1)",
        **key,
        **guard,
        raw_memory=draft.raw_memory,
        rollout_summary=draft.rollout_summary,
        rollout_slug=draft.rollout_slug,
        wall_ms=at.wall_ms,
        extractor=f"{extractor.name}:{extractor.version}",
    )
    if not written:
        return False
    await tx.execute("DELETE FROM memory_notes" + MEMORY_KEY, **key)
    for position, note in enumerate(draft.notes):
        await tx.execute(
            "INSERT INTO memory_notes (thread_id, scope_kind, scope_key, position, kind, topic, text, line, at_ms)"
            " VALUES (:thread_id, :kind, :key, :position, :note_kind, :topic, :text, :line, :at_ms)",
            **key,
            position=position,
            note_kind=note.kind,
            topic=note.topic,
            text=note.text,
            line=note.line,
            at_ms=note.at_ms,
        )
    await mark_scope_dirty(tx, scope)
    return True


async def bring_forward(tx: Transaction, scope: Scope, *, token: OwnershipToken) -> None:
    """Note that the memory, as it is, is of the job's present content: a file may have grown before its row said so.

    Its scope becomes dirty, since its files say when the last session was. Without the token's job nothing changes.
    """
    moved = await tx.execute(
        "UPDATE memories SET source_at_ms = j.content_at_ms FROM extraction_jobs j WHERE j.ownership_token = :token"
        " AND j.status = 'running' AND j.thread_id = memories.thread_id AND j.scope_kind = memories.scope_kind"
        " AND j.scope_key = memories.scope_key AND j.content_at_ms > memories.source_at_ms",
        token=token,
    )
    if moved:
        await mark_scope_dirty(tx, scope)
