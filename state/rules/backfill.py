"""Who may scan, and what the store knows of each rollout file.

Completeness is computed: the index is complete when a whole listing was recorded and no file waits to be read.
Every write of a scan shows its token, so that a scanner whose lease was stolen changes nothing.
"""

from collections.abc import Sequence

import attrs

from state.errors import DamagedRowError
from state.ids import Instant, ProcessUuid
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    BackfillState,
    ClaimBackfill,
    FileStatus,
    FindKnownRollouts,
    FinishBackfill,
    GetBackfillState,
    KnownRollout,
    KnownRolloutPage,
    ListKnownRollouts,
    ListPendingRollouts,
    ListTroubledRollouts,
    LoadCheckpoints,
    MarkRolloutsVanished,
    RegisterRollouts,
    RenewBackfill,
    TroubledRollout,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.rollouts.model import Checkpoint, FoundRollout
from state.rules import leases
from state.rules.gone_files import mark_threads_of_file
from state.rules.leases import LeaseRow
from state.transaction import SqlValue, Transaction, in_list


@attrs.frozen(kw_only=True)
class _BackfillRow(LeaseRow):
    fencing_number: int
    listed_at_ms: int | None


async def _row(tx: Transaction) -> _BackfillRow:
    row = await tx.one(
        _BackfillRow,
        f"SELECT {leases.COLUMNS}, fencing_number, listed_at_ms FROM backfill WHERE id = 1",
    )
    assert row is not None, "migration 0001 inserts the one row"
    return row


async def is_owner(tx: Transaction, token: str) -> bool:
    """Say whether `token` is the backfill's token now."""
    return await tx.count("SELECT count(*) FROM backfill WHERE id = 1 AND ownership_token = :token", token=token) == 1


async def claim_backfill(tx: Transaction, request: ClaimBackfill, at: Instant) -> BackfillClaimed | BackfillHeld:
    """Grant the scan if it is free, stale, or the asker's already."""
    row = await _row(tx)
    if row.ownership_token == request.terms.token:
        return BackfillClaimed(fencing_number=row.fencing_number, stolen_from=None)
    if row.owner is not None and leases.is_held(row, at, request.terms.stale_after_ms):
        return BackfillHeld(owner=row.owner, lease_left_ms=leases.lease_left_ms(row, at))
    if not leases.can_be_fenced(row.fencing_number):
        raise DamagedRowError("the fencing number of the scan cannot grow any more; nothing of memoryd wrote it")
    await tx.execute(
        f"UPDATE backfill SET {leases.GRANT} WHERE id = 1",
        **leases.grant_parameters(request.terms, at),
    )
    return BackfillClaimed(fencing_number=row.fencing_number + 1, stolen_from=row.owner)


async def renew_backfill(tx: Transaction, request: RenewBackfill, at: Instant) -> Renewed | NotOwner:
    """Extend the lease of the token's owner, late or not."""
    changed = await tx.execute(
        f"UPDATE backfill SET {leases.RENEW} WHERE id = 1 AND ownership_token = :token",
        **leases.renew_parameters(request.token, request.lease_ms, at),
    )
    return Renewed(lease_until_boot_ms=leases.lease_until(request.lease_ms, at)) if changed else NotOwner()


async def finish_backfill(tx: Transaction, request: FinishBackfill, at: Instant) -> Released | NotOwner:
    """Free the scan; remember the moment if the whole tree was listed."""
    changed = await tx.execute(
        f"UPDATE backfill SET {leases.FREE},"
        " listed_at_ms = CASE WHEN :listed = 1 THEN :wall_ms ELSE listed_at_ms END"
        " WHERE id = 1 AND ownership_token = :token",
        token=request.token,
        listed=int(request.listed),
        wall_ms=at.wall_ms,
    )
    return Released() if changed else NotOwner()


_KNOWN = "SELECT path, size_bytes, mtime_ns, inode, status, next_attempt_at_ms FROM rollout_files"


async def list_known_rollouts(tx: Transaction, request: ListKnownRollouts, at: Instant) -> KnownRolloutPage:
    """One page of the files' rows, in path order."""
    rows = await tx.all(
        KnownRollout,
        f"{_KNOWN} WHERE path > :after AND path < :end ORDER BY path LIMIT :limit",
        after=max(request.after, f"{request.below}/" if request.below else ""),
        end=f"{request.below}0" if request.below else "\U0010ffff",  # '0' comes right after '/'
        limit=request.limit,
    )
    full = len(rows) == request.limit
    return KnownRolloutPage(rollouts=tuple(rows), next_after=rows[-1].path if full else None)


async def find_known_rollouts(tx: Transaction, request: FindKnownRollouts, at: Instant) -> tuple[KnownRollout, ...]:
    """The rows of these files, in path order."""
    text, parameters = in_list("path", request.paths)
    return tuple(await tx.all(KnownRollout, f"{_KNOWN} WHERE path {text} ORDER BY path", **parameters))


@attrs.frozen(kw_only=True)
class _Path:
    path: str


async def list_pending_rollouts(tx: Transaction, request: ListPendingRollouts, at: Instant) -> tuple[str, ...]:
    """The files that wait, by the index over their status."""
    rows = await tx.all(
        _Path,
        "SELECT path FROM rollout_files WHERE status = 'pending' ORDER BY path DESC LIMIT :limit",
        limit=request.limit,
    )
    return tuple(row.path for row in rows)


async def register_rollouts(tx: Transaction, request: RegisterRollouts, at: Instant) -> int | NotOwner:
    """Give new files a row, and make changed ones pending; unchanged ones keep their row as it is."""
    if not await is_owner(tx, request.token):
        return NotOwner()
    changed = await _register_files(tx, request.found, at)
    for path in request.unreadable:
        # inode 0: nothing was ever looked at here, so the row goes when the trouble goes.
        await tx.execute(
            "INSERT INTO rollout_files (path, archived, size_bytes, mtime_ns, inode, status, reason, offset_bytes,"
            " lines_skipped, attempts, registered_at_ms) VALUES (:path, 0, 0, 0, 0, 'failed', :reason, 0, 0, 1,"
            " :wall_ms) ON CONFLICT (path) DO UPDATE SET status = 'failed', reason = excluded.reason,"
            " attempts = rollout_files.attempts + 1",
            path=path.path,
            reason=path.reason,
            wall_ms=at.wall_ms,
        )
        await mark_threads_of_file(tx, path.path)
    return changed


@attrs.frozen(kw_only=True)
class _FileState:
    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    status: str

    def is_of(self, found: FoundRollout) -> bool:
        """Say whether nothing is to be written: the row says what was found."""
        return self.status != "vanished" and (self.size_bytes, self.mtime_ns, self.inode) == (
            found.size_bytes,
            found.mtime_ns,
            found.inode,
        )


async def _register_files(tx: Transaction, files: Sequence[FoundRollout], at: Instant) -> int:
    """Register files; answer how many are new or changed. All that are new are written by one statement."""
    named, paths = in_list("path", [found.path for found in files])
    rows = await tx.all(
        _FileState, f"SELECT path, size_bytes, mtime_ns, inode, status FROM rollout_files WHERE path {named}", **paths
    )
    known = {row.path: row for row in rows}
    new = {found.path: found for found in files if found.path not in known}
    await tx.execute_each(_REGISTER, [_registered(found, at) for found in new.values()])
    changed = len(new)
    for found in files:
        before = known.get(found.path)
        # What one message names twice is ordinary the first time.
        if new.get(found.path) is not found and (before is None or not before.is_of(found)):
            changed += await register_file(tx, found, at)
    return changed


_REGISTER = (
    "INSERT INTO rollout_files (path, archived, size_bytes, mtime_ns, inode, status, offset_bytes, lines_skipped,"
    " attempts, registered_at_ms) VALUES (:path, :archived, :size_bytes, :mtime_ns, :inode, 'pending', 0, 0, 0,"
    " :wall_ms)"
)


def _registered(found: FoundRollout, at: Instant) -> dict[str, SqlValue]:
    return {
        "path": found.path,
        "archived": int(found.archived),
        "size_bytes": found.size_bytes,
        "mtime_ns": found.mtime_ns,
        "inode": found.inode,
        "wall_ms": at.wall_ms,
    }


async def register_file(tx: Transaction, found: FoundRollout, at: Instant) -> int:
    """Give one file its row, or make the row pending if the file changed; answer how many rows that changed."""
    changed = await tx.execute(
        f"{_REGISTER} ON CONFLICT (path) DO UPDATE SET archived = excluded.archived, size_bytes = excluded.size_bytes,"
        " mtime_ns = excluded.mtime_ns, inode = excluded.inode, status = 'pending', attempts = 0,"
        " next_attempt_at_ms = NULL"
        " WHERE rollout_files.size_bytes <> excluded.size_bytes OR rollout_files.mtime_ns <> excluded.mtime_ns"
        " OR rollout_files.inode <> excluded.inode OR rollout_files.status = 'vanished'",
        **_registered(found, at),
    )
    if changed:
        await mark_threads_of_file(tx, found.path)
    return changed


@attrs.frozen(kw_only=True)
class _CheckpointRow:
    path: str
    offset_bytes: int
    head_digest: str
    tail_digest: str
    fold_state: bytes


async def load_checkpoints(tx: Transaction, request: LoadCheckpoints, at: Instant) -> dict[str, Checkpoint]:
    """The saved fold of each file that has one."""
    text, parameters = in_list("path", request.paths)
    rows = await tx.all(
        _CheckpointRow,
        "SELECT path, offset_bytes, head_digest, tail_digest, fold_state FROM rollout_files"
        f" WHERE path {text} AND fold_state IS NOT NULL",
        **parameters,
    )
    return {
        row.path: Checkpoint(
            offset_bytes=row.offset_bytes,
            head_digest=row.head_digest,
            tail_digest=row.tail_digest,
            fold=row.fold_state,
        )
        for row in rows
    }


async def mark_rollouts_vanished(tx: Transaction, request: MarkRolloutsVanished, at: Instant) -> int | NotOwner:
    """Mark files that are gone, and have the files that they shadowed read again."""
    if not await is_owner(tx, request.token):
        return NotOwner()
    changed = 0
    for path in request.paths:
        changed += await mark_vanished(tx, path)
    return changed


async def mark_vanished(tx: Transaction, path: str) -> int:
    """Mark one file that is gone, and have the files that it shadowed read again; answer how many rows are marked."""
    changed = await tx.execute(
        "UPDATE rollout_files SET status = 'vanished', reason = 'the file is gone', next_attempt_at_ms = NULL"
        " WHERE path = :path AND status <> 'vanished'",
        path=path,
    )
    await tx.execute("DELETE FROM rollout_files WHERE path = :path AND inode = 0", path=path)
    await mark_threads_of_file(tx, path)
    await tx.execute(
        "UPDATE rollout_files SET status = 'pending' WHERE status = 'shadowed'"
        " AND thread_id = (SELECT thread_id FROM rollout_files WHERE path = :path)",
        path=path,
    )
    return changed


@attrs.frozen(kw_only=True)
class _StatusCount:
    status: str
    files: int


async def get_backfill_state(tx: Transaction, request: GetBackfillState, at: Instant) -> BackfillState:
    """Compute completeness from the files' rows."""
    row = await _row(tx)
    counts = await tx.all(_StatusCount, "SELECT status, count(*) AS files FROM rollout_files GROUP BY status")
    files = {count.status: count.files for count in counts}
    return BackfillState(
        complete=row.listed_at_ms is not None and not files.get(FileStatus.PENDING, 0),
        files_by_status=files,
        listed_at_ms=row.listed_at_ms,
        owner=row.owner if leases.is_held(row, at) else None,
    )


async def list_troubled_rollouts(
    tx: Transaction, request: ListTroubledRollouts, at: Instant
) -> tuple[TroubledRollout, ...]:
    """Files that a person may want to look at."""
    return tuple(
        await tx.all(
            TroubledRollout,
            "SELECT path, status, coalesce(reason, '') AS reason, attempts, next_attempt_at_ms FROM rollout_files"
            " INDEXED BY rollout_files_troubled WHERE status IN ('shadowed', 'skipped', 'failed', 'vanished')"
            " OR (status = 'indexed' AND reason IS NOT NULL) ORDER BY path DESC LIMIT :limit",
            limit=request.limit,
        )
    )


async def free_backfill_of(tx: Transaction, process: ProcessUuid) -> int:
    """Free the scan if `process` holds it; answer how many rows that were."""
    return await tx.execute(
        f"UPDATE backfill SET {leases.FREE} WHERE owner_process = :process",
        process=process,
    )
