"""Whole thread rows that callers write, touch and delete."""

import attrs

from state.ids import Instant, Scope, ThreadId
from state.messages.thread_edits import InvalidThreadId, MemoryMode
from state.messages.thread_rows import (
    DeleteThread,
    ForgetThread,
    InsertThreadIfAbsent,
    ThreadDeleted,
    ThreadFields,
    ThreadForgotten,
    ThreadStillThere,
    ThreadTouched,
    ThreadWritten,
    TouchThread,
    UpsertThread,
)
from state.messages.threads import UnknownThread
from state.rollouts.filename import thread_id_of
from state.rules.edits import FIELDS, Values, edits_of, edits_of_new_thread, overlay, say, store_edits
from state.rules.gone_files import IS_FILE_GONE
from state.rules.scopes import mark_scope_dirty
from state.transaction import JournalEntry, SqlValue, Transaction

HISTORY_MS = 1_000
"""A time that lies this far behind the newest is history, and need not be one of a kind."""

NEWEST_UPDATE = "SELECT updated_at_ms FROM threads ORDER BY updated_at_ms DESC LIMIT 1"
"""Asked of the rows each time, and by their index: what one process remembers does not hold for another."""

_COLUMNS = tuple(field.name for field in attrs.fields(ThreadFields))
_OF_READINGS: dict[str, SqlValue] = {"content_at_ms": None, "content_digest": "", "content_revision": 0}
"""What a row says of the thread's content before its rollout was read: the first reading makes it revision 1."""

_INSERT = (
    f"INSERT INTO threads ({', '.join((*_COLUMNS, *_OF_READINGS))}, is_file_gone)"
    f" VALUES ({', '.join(':' + column for column in (*_COLUMNS, *_OF_READINGS))}, {IS_FILE_GONE})"
)
_KEPT = ("id", "memory_mode")
_OVERWRITE = (
    f"UPDATE threads SET {', '.join(f'{column} = :{column}' for column in _COLUMNS if column not in _KEPT)},"
    f" is_file_gone = {IS_FILE_GONE} WHERE id = :id"
)
_NOW = f"SELECT {', '.join(FIELDS)} FROM threads WHERE id = :id"


async def upsert_thread(tx: Transaction, request: UpsertThread, at: Instant) -> ThreadWritten | InvalidThreadId:
    """Insert, or overwrite all but the memory mode."""
    thread_id = thread_id_of(request.fields.id)
    if thread_id is None:
        return InvalidThreadId(asked=request.fields.id)
    row = _row(request.fields, thread_id)
    before = await tx.one(dict[str, str | None], _NOW, id=thread_id)
    if before is None:
        await _insert(tx, row, at, is_newer_than_journal=True)
        return ThreadWritten(thread_id=thread_id, is_new=True)
    edited = await edits_of(tx, thread_id)
    said = _said(row)
    values: Values = {}
    for field in FIELDS:
        if field == "memory_mode" or row[field] == before[field]:
            continue
        if field in said or field in edited:
            values[field] = said.get(field)
    del row["memory_mode"]
    await tx.execute(_OVERWRITE, **row)
    await say(tx, thread_id, values, at)
    return ThreadWritten(thread_id=thread_id, is_new=False)


async def insert_thread_if_absent(
    tx: Transaction, request: InsertThreadIfAbsent, at: Instant
) -> ThreadWritten | InvalidThreadId:
    """Insert, or leave what is there."""
    thread_id = thread_id_of(request.fields.id)
    if thread_id is None:
        return InvalidThreadId(asked=request.fields.id)
    if await tx.count("SELECT count(*) FROM threads WHERE id = :id", id=thread_id):
        return ThreadWritten(thread_id=thread_id, is_new=False)
    await _insert(tx, _row(request.fields, thread_id), at, is_newer_than_journal=False)
    return ThreadWritten(thread_id=thread_id, is_new=True)


async def _insert(tx: Transaction, row: dict[str, SqlValue], at: Instant, *, is_newer_than_journal: bool) -> None:
    thread_id = ThreadId(str(row["id"]))
    journaled = await edits_of_new_thread(tx, thread_id)
    said = {field: value for field, value in _said(row).items() if is_newer_than_journal or field not in journaled}
    edits = {field: edit.value for field, edit in journaled.items()} | said
    await tx.execute(_INSERT, **overlay(row, edits), **_OF_READINGS)
    await store_edits(tx, thread_id, journaled)
    await say(tx, thread_id, said, at)


def _row(fields: ThreadFields, thread_id: ThreadId) -> dict[str, SqlValue]:
    row: dict[str, SqlValue] = attrs.asdict(fields, recurse=False)
    row |= {"id": thread_id, "memory_mode": fields.memory_mode.value}
    if fields.recency_at_ms is None:
        row["recency_at_ms"] = fields.updated_at_ms
    return row


def _said(row: dict[str, SqlValue]) -> Values:
    """What of a row that a caller gives is said by somebody: what no rollout says by itself, or may say otherwise."""
    said = {field: row[field] for field in FIELDS if row[field] is not None}
    if row["title"] in ("", row["first_user_message"]):
        del said["title"]
    if row["memory_mode"] == MemoryMode.ENABLED.value:
        del said["memory_mode"]
    return {field: str(value) for field, value in said.items()}


async def touch_thread(
    tx: Transaction, request: TouchThread, at: Instant
) -> ThreadTouched | UnknownThread | InvalidThreadId:
    """Write a time of update that no other row has, unless it is history."""
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    updated_at_ms = request.at_ms
    newest_ms = await tx.count(NEWEST_UPDATE)
    if newest_ms - HISTORY_MS < updated_at_ms <= newest_ms:
        updated_at_ms = newest_ms + 1
    touched = await tx.execute(
        "UPDATE threads SET updated_at_ms = :updated_at_ms WHERE id = :id", id=thread_id, updated_at_ms=updated_at_ms
    )
    return ThreadTouched(updated_at_ms=updated_at_ms) if touched else UnknownThread(thread_id=thread_id)


async def delete_thread(tx: Transaction, request: DeleteThread, at: Instant) -> ThreadDeleted | InvalidThreadId:
    """Delete the row; what hangs on it goes by cascade."""
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    scopes = await tx.all(
        Scope, "SELECT scope_kind AS kind, scope_key AS key FROM memories WHERE thread_id = :id", id=thread_id
    )
    rows = await tx.execute("DELETE FROM threads WHERE id = :id", id=thread_id)
    for scope in scopes:
        await mark_scope_dirty(tx, scope)
    # A file that has a thread must not go on looking as if there were a row for it.
    await tx.execute(
        "UPDATE rollout_files SET status = 'pending' WHERE thread_id = :id AND status IN ('indexed', 'shadowed')",
        id=thread_id,
    )
    return ThreadDeleted(rows=rows)


async def forget_thread(
    tx: Transaction, request: ForgetThread, at: Instant
) -> ThreadForgotten | ThreadStillThere | InvalidThreadId:
    """Take a thread's lines out of the journal, if it has no row that they belong to."""
    thread_id = thread_id_of(request.thread_id)
    if thread_id is None:
        return InvalidThreadId(asked=request.thread_id)
    if await tx.count("SELECT count(*) FROM threads WHERE id = :id", id=thread_id):
        return ThreadStillThere(thread_id=thread_id)
    if await tx.journaled(thread_id):
        await tx.journal(JournalEntry(thread_id=thread_id, edited_at_ms=at.wall_ms, values={}))
    return ThreadForgotten(thread_id=thread_id)
