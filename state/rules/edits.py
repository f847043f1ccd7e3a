"""Provenance: what was said of a thread goes before what its rollout says, field by field, whatever comes first.

The edits of a thread stand beside its row and are laid over it whenever the row is written. They are in the journal
too, outside the database; a row that is new to this database takes its edits from there.
"""

from collections.abc import Mapping

import attrs

from state.ids import Instant, ThreadId
from state.messages.thread_edits import MemoryMode
from state.rules.scopes import mark_scopes_of_thread_dirty
from state.transaction import Edit, JournalEntry, SqlValue, Transaction

FIELDS = ("title", "name", "memory_mode", "git_sha", "git_branch", "git_origin_url")
"""The columns that can be edited; those that thread_edits allows."""

_MODES = frozenset(mode.value for mode in MemoryMode)

Values = dict[str, str | None]
"""What is said of fields, by field. None clears one."""


@attrs.frozen(kw_only=True)
class _EditRow:
    field: str
    value: str | None


async def edits_of(tx: Transaction, thread_id: ThreadId) -> Values:
    """The edits that are stored beside a thread's row."""
    rows = await tx.all(_EditRow, "SELECT field, value FROM thread_edits WHERE thread_id = :id", id=thread_id)
    return {row.field: row.value for row in rows}


async def edits_of_new_thread(tx: Transaction, thread_id: ThreadId) -> dict[str, Edit]:
    """The edits that the journal has for a thread whose row is about to be written for the first time."""
    journaled = await tx.journaled(thread_id)
    return {
        field: edit
        for field, edit in journaled.items()
        if field in FIELDS and (field != "memory_mode" or edit.value in _MODES)
    }


def overlay(row: dict[str, SqlValue], edits: Mapping[str, str | None]) -> dict[str, SqlValue]:
    """The row with the edits laid over those of its columns that it has."""
    return row | {field: column_value(field, value) for field, value in edits.items() if field in row}


def column_value(field: str, value: str | None) -> str | None:
    """What the column of an edited field holds: a title that was cleared is an empty one."""
    return "" if field == "title" and value is None else value


async def store_edits(tx: Transaction, thread_id: ThreadId, edits: Mapping[str, Edit]) -> None:
    """Store edits beside a row that is there. Neither the row nor the journal is touched."""
    for field, edit in edits.items():
        await tx.execute(
            "INSERT INTO thread_edits (thread_id, field, value, edited_at_ms)"
            " VALUES (:thread_id, :field, :value, :edited_at_ms) ON CONFLICT (thread_id, field)"
            " DO UPDATE SET value = excluded.value, edited_at_ms = excluded.edited_at_ms",
            thread_id=thread_id,
            field=field,
            value=edit.value,
            edited_at_ms=edit.edited_at_ms,
        )


async def say(tx: Transaction, thread_id: ThreadId, values: Values, at: Instant) -> None:
    """Store and journal what is said now of a thread whose row says it already. The last step of a rule."""
    if not values:
        return
    await store_edits(
        tx, thread_id, {field: Edit(value=value, edited_at_ms=at.wall_ms) for field, value in values.items()}
    )
    await tx.journal(JournalEntry(thread_id=thread_id, edited_at_ms=at.wall_ms, values=values))


async def mark_mode_change(tx: Transaction, thread_id: ThreadId, before: str, after: SqlValue, cwd: str) -> None:
    """Say that what may be remembered of a thread has changed, if its memory mode has."""
    if before != after:
        await mark_scopes_of_thread_dirty(tx, thread_id, cwd)
