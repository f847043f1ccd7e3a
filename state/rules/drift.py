"""Where the index contradicts itself or a file, and how a file comes to be read again.

What a row must say is not written here a second time: `recording.columns_of` says it for every reading, and
`edits.overlay` what was said besides.
"""

import attrs

from state.ids import Instant, ProcessUuid, Scope, ThreadId
from state.messages.backfill import RolloutRead
from state.messages.consolidation import HOME_SCOPE
from state.messages.drift import (
    CompareReadings,
    DamagedLease,
    FindIndexDrift,
    GenerationRow,
    HeldLease,
    IndexDrift,
    ListDamagedLeases,
    ListGenerations,
    ListHeldLeases,
    ListThreadRows,
    LookUpRollouts,
    MisplacedThread,
    ReadingDrift,
    RecordLostFiles,
    RereadRollouts,
    RolloutRow,
    ThreadRowPage,
)
from state.messages.leases import INTEGER_MAX, NotOwner
from state.messages.threads import Thread
from state.rollouts.model import ThreadFacts
from state.rules import leases, threads
from state.rules.backfill import is_owner
from state.rules.edits import edits_of, overlay
from state.rules.gone_files import mark_threads_without_file
from state.rules.jobs import CONSOLIDATION_ID, EXTRACTION_ID
from state.rules.recording import columns_of, recency_within
from state.rules.scopes import scope_folder, scope_link
from state.transaction import SqlValue, Transaction, in_list


@attrs.frozen(kw_only=True)
class _Edited:
    thread_id: ThreadId
    field: str


async def list_thread_rows(tx: Transaction, request: ListThreadRows, at: Instant) -> ThreadRowPage:
    """One page of thread rows, in id order."""
    rows = await tx.all(
        Thread,
        f"SELECT {threads.COLUMNS} FROM threads WHERE id > :after ORDER BY id LIMIT :limit",
        after=request.after,
        limit=request.limit,
    )
    full = len(rows) == request.limit
    edits = await tx.all(
        _Edited,
        "SELECT thread_id, field FROM thread_edits WHERE thread_id > :after AND thread_id <= :last",
        after=request.after,
        last=rows[-1].id if rows else "",
    )
    edited: dict[ThreadId, frozenset[str]] = {}
    for edit in edits:
        edited[edit.thread_id] = edited.get(edit.thread_id, frozenset()) | {edit.field}
    return ThreadRowPage(threads=tuple(rows), edited=edited, next_after=rows[-1].id if full else None)


async def look_up_rollouts(tx: Transaction, request: LookUpRollouts, at: Instant) -> tuple[RolloutRow, ...]:
    """The rows of files, by their paths and by their threads."""
    by_path, paths = in_list("path", request.paths)
    by_thread, ids = in_list("thread", request.threads)
    return tuple(
        await tx.all(
            RolloutRow,
            "SELECT path, status, coalesce(reason, '') AS reason, thread_id FROM rollout_files"
            f" WHERE path {by_path} OR thread_id {by_thread} ORDER BY path",
            **paths,
            **ids,
        )
    )


_NAMED_FILE = "(SELECT status FROM rollout_files n WHERE n.path = t.rollout_path)"


async def find_index_drift(tx: Transaction, request: FindIndexDrift, at: Instant) -> IndexDrift:
    """File rows, thread rows and jobs that do not fit each other."""
    indexed_with = "FROM rollout_files f {join} threads t ON t.id = f.thread_id WHERE f.status = 'indexed'"
    return IndexDrift(
        without_thread=await _misplaced(
            tx,
            request.limit,
            "SELECT f.thread_id, f.path, '' AS thread_path, f.status AS file_status"
            f" {indexed_with.format(join='LEFT JOIN')} AND f.thread_id IS NOT NULL AND t.id IS NULL ORDER BY f.path",
        ),
        elsewhere=await _misplaced(
            tx,
            request.limit,
            f"SELECT f.thread_id, f.path, t.rollout_path AS thread_path, {_NAMED_FILE} AS file_status"
            f" {indexed_with.format(join='JOIN')} AND t.rollout_path <> f.path ORDER BY f.path",
        ),
        without_file=await _misplaced(
            tx,
            request.limit,
            f"SELECT t.id AS thread_id, '' AS path, t.rollout_path AS thread_path, {_NAMED_FILE} AS file_status"
            " FROM threads t WHERE NOT EXISTS (SELECT 1 FROM rollout_files f WHERE f.thread_id = t.id"
            " AND f.status = 'indexed') ORDER BY t.id",
        ),
        without_job=await _misplaced(
            tx,
            request.limit,
            f"SELECT t.id AS thread_id, f.path, t.rollout_path AS thread_path, f.status AS file_status"
            f" {indexed_with.format(join='JOIN')} AND t.preview <> '' AND t.content_at_ms IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM extraction_jobs j WHERE j.thread_id = t.id) ORDER BY f.path",
        ),
    )


async def _misplaced(tx: Transaction, limit: int, sql: str) -> tuple[MisplacedThread, ...]:
    return tuple(await tx.all(MisplacedThread, f"{sql} LIMIT :limit", limit=limit))


@attrs.frozen(kw_only=True)
class _FileRow:
    status: str
    thread_id: ThreadId | None


async def compare_readings(tx: Transaction, request: CompareReadings, at: Instant) -> tuple[ReadingDrift, ...]:
    """Hold each reading against the rows of its file."""
    found = []
    for reading in request.readings:
        row = await tx.one(
            _FileRow, "SELECT status, thread_id FROM rollout_files WHERE path = :path", path=reading.found.path
        )
        if row is None or row.status != "indexed":
            continue
        columns = await _columns_that_differ(tx, reading, row, request.model_provider_default)
        if columns:
            found.append(ReadingDrift(path=reading.found.path, thread_id=row.thread_id, columns=tuple(columns)))
    return tuple(found)


async def _columns_that_differ(
    tx: Transaction, reading: RolloutRead, row: _FileRow, model_provider_default: str
) -> list[tuple[str, str, str]]:
    facts = reading.reading.facts
    if facts is None or facts.thread_id != row.thread_id:
        said = facts.thread_id if facts is not None else "no thread"
        return [("thread_id", str(row.thread_id), said)]
    expected = overlay(columns_of(reading, facts, model_provider_default), await edits_of(tx, facts.thread_id))
    stored = await tx.one(
        dict[str, SqlValue],
        f"SELECT {', '.join(expected)}, archived_at_ms FROM threads WHERE id = :id",
        id=facts.thread_id,
    )
    if stored is None:
        return []  # a thread without a row is found by find_index_drift
    differing = [
        (name, _text(stored[name]), _text(value))
        for name, value in expected.items()
        if stored[name] != value
        and not (name == "updated_at_ms" and _is_touched(stored[name], value))
        and not (name == "model_provider" and not facts.model_provider)  # the home's own, as it was then
        and not (name == "recency_at_ms" and _is_recency(stored[name], facts, reading))
    ]
    if (stored["archived_at_ms"] is not None) != reading.found.archived:
        differing.append(("archived", _text(stored["archived_at_ms"]), _text(int(reading.found.archived))))
    tools = await tx.count("SELECT count(*) FROM thread_dynamic_tools WHERE thread_id = :id", id=facts.thread_id)
    if tools != len(facts.dynamic_tools):
        differing.append(("dynamic_tools", str(tools), str(len(facts.dynamic_tools))))
    return differing


def _is_touched(stored: SqlValue, mtime_ms: SqlValue) -> bool:
    """Say whether somebody said that the thread was updated after its file was."""
    return isinstance(stored, int) and isinstance(mtime_ms, int) and stored > mtime_ms


def _is_recency(stored: SqlValue, facts: ThreadFacts, reading: RolloutRead) -> bool:
    """Say whether readings before this one may have given the thread this recency."""
    mtime_ms = reading.reading.mtime_ns // 1_000_000
    return isinstance(stored, int) and stored == recency_within(
        stored, created_at_ms=facts.created_at_ms, mtime_ms=mtime_ms
    )


def _text(value: SqlValue) -> str:
    return "nothing" if value is None else str(value)


async def reread_rollouts(tx: Transaction, request: RereadRollouts, at: Instant) -> int | NotOwner:
    """Forget where the readings of these files stopped, and have them read."""
    if not await is_owner(tx, request.token):
        return NotOwner()
    changed = 0
    for path in request.paths:
        await tx.execute(
            "DELETE FROM thread_dynamic_tools WHERE thread_id IN (SELECT id FROM threads t JOIN rollout_files f"
            " ON f.thread_id = t.id WHERE f.path = :path AND t.rollout_path = :path AND f.status <> 'vanished')",
            path=path,
        )
        changed += await tx.execute(
            "UPDATE rollout_files SET status = 'pending', offset_bytes = 0, head_digest = NULL, tail_digest = NULL,"
            " fold_state = NULL, attempts = 0, next_attempt_at_ms = NULL"
            " WHERE path = :path AND status <> 'vanished'",
            path=path,
        )
    return changed


async def record_lost_files(tx: Transaction, request: RecordLostFiles, at: Instant) -> int | NotOwner:
    """Give the files of these threads a vanished row, if they have none."""
    if not await is_owner(tx, request.token):
        return NotOwner()
    changed = 0
    for thread in request.threads:
        # inode 1 and not 0: a row with inode 0 is one that nobody ever looked at, and goes by itself.
        added = await tx.execute(
            "INSERT INTO rollout_files (path, archived, size_bytes, mtime_ns, inode, status, reason, thread_id,"
            " offset_bytes, lines_skipped, attempts, registered_at_ms)"
            " SELECT rollout_path, archived_at_ms IS NOT NULL, 0, 0, 1, 'vanished', 'the file is gone', id, 0, 0, 0,"
            " :wall_ms FROM threads WHERE id = :id ON CONFLICT (path) DO NOTHING",
            id=thread,
            wall_ms=at.wall_ms,
        )
        if added:
            await mark_threads_without_file(tx, thread)
        changed += added
    return changed


@attrs.frozen(kw_only=True)
class _LeaseOf(leases.LeaseRow):
    kind: str
    subject: str


async def list_held_leases(tx: Transaction, request: ListHeldLeases, at: Instant) -> tuple[HeldLease, ...]:
    """Every lease with an owner, stale ones too."""
    rows = await tx.all(
        _LeaseOf,
        f"SELECT {leases.COLUMNS}, 'backfill' AS kind, '' AS subject FROM backfill WHERE owner_process IS NOT NULL"
        f" UNION ALL SELECT {leases.COLUMNS}, 'extraction', thread_id FROM extraction_jobs"
        " WHERE owner_process IS NOT NULL AND status = 'running'"
        f" UNION ALL SELECT {leases.COLUMNS}, 'consolidation', scope_key FROM scopes WHERE owner_process IS NOT NULL"
        " LIMIT :limit",
        limit=request.limit,
    )
    return tuple(
        HeldLease(
            kind=row.kind,
            subject=row.subject,
            process=row.owner_process or ProcessUuid(""),
            worker=row.owner_worker or "",
            is_stale=not leases.is_held(row, at),
        )
        for row in rows
    )


@attrs.frozen(kw_only=True)
class _Damaged:
    kind: str
    job_id: str
    fencing_number: int


def _damaged(table: str, kind: str, job_id: str) -> str:
    """The rows of one owned table that have some of their six lease columns, or no usable fencing number."""
    filled = " + ".join(f"({column} IS NOT NULL)" for column in leases.COLUMNS.split(", "))
    return (
        f"SELECT '{kind}' AS kind, {job_id} AS job_id, fencing_number FROM {table}"
        f" WHERE {filled} NOT IN (0, 6) OR fencing_number < 0 OR fencing_number >= {INTEGER_MAX}"
    )


async def list_damaged_leases(tx: Transaction, request: ListDamagedLeases, at: Instant) -> tuple[DamagedLease, ...]:
    """Every row with half a lease, or with a number that cannot fence."""
    rows = await tx.all(
        _Damaged,
        _damaged("backfill", "backfill", "''")
        + " UNION ALL "
        + _damaged("extraction_jobs", "extraction", EXTRACTION_ID)
        + " UNION ALL "
        + _damaged("scopes", "consolidation", CONSOLIDATION_ID)
        + " LIMIT :limit",
        limit=request.limit,
    )
    return tuple(
        DamagedLease(
            kind=row.kind,
            job_id=row.job_id,
            found="half a lease" if is_fenced else f"the fencing number {row.fencing_number}",
            can_be_claimed=is_fenced,
        )
        for row in rows
        for is_fenced in (0 <= row.fencing_number < INTEGER_MAX,)
    )


@attrs.frozen(kw_only=True)
class _Published:
    scope_kind: str
    scope_key: str
    generation_folder: str | None
    published_digest: str | None
    is_held: int


async def list_generations(tx: Transaction, request: ListGenerations, at: Instant) -> tuple[GenerationRow, ...]:
    """Every scope's row, the home last."""
    rows = await tx.all(
        _Published,
        "SELECT scope_kind, scope_key, generation_folder, published_digest, ownership_token IS NOT NULL AS is_held"
        " FROM scopes ORDER BY scope_kind = :home, scope_kind, scope_key",
        home=HOME_SCOPE.kind,
    )
    return tuple(
        GenerationRow(
            scope=(scope := Scope(kind=row.scope_kind, key=row.scope_key)),
            scope_folder=scope_folder(scope),
            link=scope_link(scope),
            generation_folder=row.generation_folder,
            published_digest=row.published_digest,
            is_held=bool(row.is_held),
        )
        for row in rows
    )
