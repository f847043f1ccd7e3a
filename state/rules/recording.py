"""From a reading of a rollout to rows: the file's, the thread's, its tools', and the extraction work that follows.

A thread row is a projection of one file. When two files hold the same thread, the active one goes before an archived
one, and of two in the same place the one with the greater path (the later stamp); the other is marked as shadowed.
The order in which files are read never matters. What was said of a thread (state.rules.edits) goes before its file.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter

import attrs

from state.ids import Instant, ThreadId
from state.messages.backfill import (
    RolloutRead,
    RolloutUnreadable,
)
from state.messages.thread_edits import MemoryMode
from state.rollouts.model import RolloutReading, ThreadFacts
from state.rules.backoff import backoff_ms
from state.rules.edits import Values, edits_of, edits_of_new_thread, mark_mode_change, overlay, say, store_edits
from state.rules.extraction_work import add_job, empty_job, move_job, refresh_jobs
from state.rules.gone_files import mark_threads_of_file
from state.rules.thread_tools import add_tools
from state.transaction import Edit, SqlValue, Transaction


@attrs.frozen(kw_only=True)
class _Attempts:
    attempts: int


async def record_failure(tx: Transaction, outcome: RolloutUnreadable, at: Instant) -> str:
    """Store that a file could not be read, and when it is tried again; answer the status that it has now."""
    row = await tx.one(_Attempts, "SELECT attempts FROM rollout_files WHERE path = :path", path=outcome.path)
    failures = (row.attempts if row else 0) + 1
    await tx.execute(
        "UPDATE rollout_files SET status = 'failed', reason = :reason, attempts = :failures,"
        " next_attempt_at_ms = :next_attempt_at_ms, read_at_ms = :wall_ms WHERE path = :path",
        path=outcome.path,
        reason=outcome.reason,
        failures=failures,
        # No jitter: one process scans at a time, and the files are read one after the other anyway.
        next_attempt_at_ms=at.wall_ms + backoff_ms(failures, 1000),
        wall_ms=at.wall_ms,
    )
    await mark_threads_of_file(tx, outcome.path)
    return "failed"


async def record_reading(
    tx: Transaction,
    outcome: RolloutRead,
    model_provider_default: str,
    at: Instant,
    *,
    new_thread_memory_mode: MemoryMode | None = None,
    updated_at_ms: int | None = None,
) -> str:
    """Store one reading; answer the status that its file has now.

    Args:
      new_thread_memory_mode: said of a thread that has no row yet and whose rollout says no mode.
      updated_at_ms: when the thread was updated, if somebody knows better than the file's time.
    """
    facts = outcome.reading.facts
    path, thread_id = outcome.found.path, facts.thread_id if facts else None
    beside = await _files_beside(tx, path, thread_id)
    mine = next((file for file in beside if file.path == path), None)
    held_before = mine.thread_id if mine is not None else None
    if held_before is not None and held_before != thread_id:
        await _release_shadowed(tx, path, held_before)
    was_gone = mine is not None and mine.status == "vanished"
    if facts is None:
        await _write_file_row(tx, outcome, "skipped", outcome.reading.refusal, None, at, was_gone=was_gone)
        return "skipped"
    rivals = [file for file in beside if file.path != path]
    winner = _file_that_goes_before(outcome, rivals)
    if winner is not None:
        reason = f"the same thread is in {winner}"
        await _write_file_row(tx, outcome, "shadowed", reason, facts.thread_id, at, was_gone=was_gone)
        return "shadowed"
    if rivals:
        await tx.execute(
            "UPDATE rollout_files SET status = 'shadowed', reason = 'the same thread is in ' || :path"
            " WHERE thread_id = :thread_id AND path <> :path AND status = 'indexed'",
            thread_id=facts.thread_id,
            path=path,
        )
    remark = outcome.reading.remark
    await _write_file_row(tx, outcome, "indexed", remark, facts.thread_id, at, was_gone=was_gone)
    row = columns_of(outcome, facts, model_provider_default)
    if updated_at_ms is not None:
        row["updated_at_ms"] = updated_at_ms
    await _write_thread(tx, outcome, facts, row, new_thread_memory_mode, at)
    return "indexed"


@attrs.frozen(kw_only=True)
class _File:
    path: str
    thread_id: str | None
    archived: int
    status: str


async def _files_beside(tx: Transaction, path: str, thread_id: ThreadId | None) -> list[_File]:
    """The rows of this file and of all others that hold the thread. In a backfill it is one row, nearly always."""
    return await tx.all(
        _File,
        "SELECT path, thread_id, archived, status FROM rollout_files WHERE path = :path OR thread_id = :thread_id",
        path=path,
        thread_id=thread_id,
    )


async def _release_shadowed(tx: Transaction, path: str, held_before: str) -> None:
    """Have files read again that were shadowed by `path`, which held their thread before and does not now."""
    await tx.execute(
        "UPDATE rollout_files SET status = 'pending' WHERE status = 'shadowed' AND thread_id = :held_before"
        " AND path <> :path",
        path=path,
        held_before=held_before,
    )


def _file_that_goes_before(outcome: RolloutRead, rivals: Sequence[_File]) -> str | None:
    mine = (not outcome.found.archived, outcome.found.path)
    return next(
        (
            rival.path
            for rival in rivals
            if rival.status in ("indexed", "shadowed", "pending") and (not rival.archived, rival.path) > mine
        ),
        None,
    )


WRITE_FILE = (
    "UPDATE rollout_files SET status = :status, reason = :reason, thread_id = :thread_id, size_bytes = :size_bytes,"
    " mtime_ns = :mtime_ns, offset_bytes = :offset_bytes, head_digest = :head_digest, tail_digest = :tail_digest,"
    " fold_state = :fold_state, lines_skipped = :lines_skipped, attempts = 0, next_attempt_at_ms = NULL,"
    " read_at_ms = :wall_ms WHERE path = :path"
)
"""Writes what a reading says of its file, which has a row; parameters from `file_columns`."""


def file_columns(
    outcome: RolloutRead, status: str, reason: str | None, thread_id: ThreadId | None, at: Instant
) -> dict[str, SqlValue]:
    """Parameters of WRITE_FILE."""
    reading: RolloutReading = outcome.reading
    checkpoint = reading.checkpoint
    return {
        "path": outcome.found.path,
        "status": status,
        "reason": reason,
        "thread_id": thread_id,
        "size_bytes": reading.size_bytes,
        "mtime_ns": reading.mtime_ns,
        "offset_bytes": checkpoint.offset_bytes,
        "head_digest": checkpoint.head_digest,
        "tail_digest": checkpoint.tail_digest,
        "fold_state": checkpoint.fold,
        "lines_skipped": reading.lines_skipped,
        "wall_ms": at.wall_ms,
    }


async def _write_file_row(
    tx: Transaction,
    outcome: RolloutRead,
    status: str,
    reason: str | None,
    thread_id: ThreadId | None,
    at: Instant,
    *,
    was_gone: bool,
) -> None:
    await tx.execute(WRITE_FILE, **file_columns(outcome, status, reason, thread_id, at))
    if was_gone:
        await mark_threads_of_file(tx, outcome.found.path)


@attrs.frozen(kw_only=True)
class _Before:
    rollout_path: str
    archived_at_ms: int | None
    content_digest: str
    content_revision: int
    recency_at_ms: int
    memory_mode: str
    cwd: str
    is_edited: int


_COLUMNS = (
    "id",
    "rollout_path",
    "created_at_ms",
    "updated_at_ms",
    "recency_at_ms",
    "archived_at_ms",
    "source",
    "originator",
    "thread_source",
    "parent_thread_id",
    "forked_from_id",
    "agent_nickname",
    "agent_role",
    "agent_path",
    "model_provider",
    "model",
    "reasoning_effort",
    "cwd",
    "cli_version",
    "history_mode",
    "memory_mode",
    "title",
    "preview",
    "first_user_message",
    "sandbox_policy",
    "approval_mode",
    "tokens_used",
    "git_sha",
    "git_branch",
    "git_origin_url",
    "content_at_ms",
    "content_digest",
    "content_revision",
)
# `name` is not among them: it does not come from the rollout, so a reading must not touch it.
_COLUMNS_OF_FACTS = tuple(field.name for field in attrs.fields(ThreadFacts) if field.name in _COLUMNS)
_said_by_facts = attrgetter(*_COLUMNS_OF_FACTS)
INSERT_THREAD = f"INSERT INTO threads ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + column for column in _COLUMNS)})"
"""Writes the row of a thread that has none. Its file was just read, so it is not gone."""

_UPSERT = (
    f"{INSERT_THREAD} ON CONFLICT (id) DO UPDATE SET"
    f" {', '.join(f'{column} = excluded.{column}' for column in _COLUMNS[1:])}, is_file_gone = 0"
)


def columns_of(outcome: RolloutRead, facts: ThreadFacts, model_provider_default: str) -> dict[str, SqlValue]:
    """What a reading alone says a thread's row holds, before edits are laid over it. archived_at_ms and
    content_revision are not among it: they depend on the row before, too. So does recency_at_ms, which is here that of
    a thread without a row, and never later than that."""
    updated_at_ms = outcome.reading.mtime_ns // 1_000_000
    return {
        **dict(zip(_COLUMNS_OF_FACTS, _said_by_facts(facts), strict=True)),
        "id": facts.thread_id,
        "rollout_path": outcome.found.path,
        "model_provider": facts.model_provider or model_provider_default,
        "updated_at_ms": updated_at_ms,
        "recency_at_ms": updated_at_ms,
        "memory_mode": _memory_mode(facts.memory_mode),
    }


def new_thread_columns(outcome: RolloutRead, columns: dict[str, SqlValue]) -> dict[str, SqlValue]:
    """The row of a thread that has none: parameters of INSERT_THREAD. columns: what `columns_of` gave."""
    updated_at_ms = outcome.reading.mtime_ns // 1_000_000
    return columns | {"archived_at_ms": updated_at_ms if outcome.found.archived else None, "content_revision": 1}


async def _write_thread(
    tx: Transaction,
    outcome: RolloutRead,
    facts: ThreadFacts,
    columns: dict[str, SqlValue],
    new_thread_memory_mode: MemoryMode | None,
    at: Instant,
) -> None:
    thread_id = facts.thread_id
    before = await tx.one(
        _Before,
        "SELECT rollout_path, archived_at_ms, content_digest, content_revision, recency_at_ms, memory_mode, cwd,"
        " EXISTS (SELECT 1 FROM thread_edits e WHERE e.thread_id = threads.id) AS is_edited"
        " FROM threads WHERE id = :id",
        id=thread_id,
    )
    # What belongs to the file that held the thread before does not belong to this one.
    of_this_file = before if before is not None and before.rollout_path == outcome.found.path else None
    updated_at_ms = outcome.reading.mtime_ns // 1_000_000
    archived_at_ms = None
    if outcome.found.archived:
        known_at_ms = of_this_file.archived_at_ms if of_this_file is not None else None
        archived_at_ms = known_at_ms if known_at_ms is not None else updated_at_ms
    revision = 1
    if before is not None:
        revision = before.content_revision + (before.content_digest != facts.content_digest)
    journaled: dict[str, Edit] = {}
    said: Values = {}
    if before is None:
        journaled = await edits_of_new_thread(tx, thread_id)
        if new_thread_memory_mode not in (None, MemoryMode.ENABLED) and not facts.memory_mode:
            said = {} if "memory_mode" in journaled else {"memory_mode": new_thread_memory_mode.value}
        edits = {field: edit.value for field, edit in journaled.items()} | said
    else:
        edits = await edits_of(tx, thread_id) if before.is_edited else {}
    row = {**columns, "archived_at_ms": archived_at_ms, "content_revision": revision}
    if of_this_file is not None:
        row["recency_at_ms"] = _recency_at_ms(of_this_file, facts, updated_at_ms)
    if edits:
        row = overlay(row, edits)
    await tx.execute(_UPSERT, **row)
    if journaled:
        await store_edits(tx, thread_id, journaled)
        await _name_new_thread(tx, thread_id, journaled)
    if before is not None and of_this_file is None:
        await tx.execute("DELETE FROM thread_dynamic_tools WHERE thread_id = :id", id=facts.thread_id)
    # The first reading of a file wins: tools belong to the start of the thread.
    await add_tools(tx, thread_id, facts.dynamic_tools)
    if before is not None:
        await mark_mode_change(tx, thread_id, before.memory_mode, row["memory_mode"], before.cwd)
    if before is not None and before.cwd != facts.cwd:
        await move_job(tx, facts.thread_id, before.cwd, facts.cwd)
    if facts.preview and facts.content_at_ms is not None:
        await add_job(tx, row)
        if before is not None:  # else it is the thread's first job
            await refresh_jobs(tx, facts.thread_id, revision, facts.content_at_ms)
    elif facts.is_all_copied:
        await empty_job(tx, facts.thread_id, revision)
    if said:
        await say(tx, thread_id, said, at)


def _recency_at_ms(before: _Before, facts: ThreadFacts, mtime_ms: int) -> int:
    """When somebody last turned to a thread that has a row. An edit or a move writes its file, and is no such thing."""
    at_ms = before.recency_at_ms
    if before.content_digest != facts.content_digest:
        # Where the file does not say when turns begin, its last write is what is known.
        at_ms = mtime_ms if facts.turn_started_at_ms is None else max(at_ms, facts.turn_started_at_ms)
    return recency_within(at_ms, created_at_ms=facts.created_at_ms, mtime_ms=mtime_ms)


def recency_within(at_ms: int, *, created_at_ms: int, mtime_ms: int) -> int:
    """The time that is nearest to this one among those that a row may have: from the thread's making to its file's last
    write."""
    return min(max(at_ms, created_at_ms), mtime_ms)


async def _name_new_thread(tx: Transaction, thread_id: ThreadId, journaled: Mapping[str, Edit]) -> None:
    """Give a new row the name that outlived an older one: it is the one edit that no reading writes."""
    if "name" in journaled:
        await tx.execute("UPDATE threads SET name = :name WHERE id = :id", id=thread_id, name=journaled["name"].value)


def _memory_mode(text: str) -> str:
    """The mode as it is stored. Not said means enabled; a word that we do not know is a wish not to be remembered."""
    return text if text in ("enabled", "disabled", "polluted") else "disabled" if text else "enabled"
