"""Bringing one thread's row up to date with a reading of its rollout, beside the scan and without its token.

The row of the file is written as a scan would write it, so that the next scan finds nothing left to do. A scan that
read the file before and records after puts the older state back; the file's size and time then differ from its row,
and it is read again.
"""

import attrs

from state.ids import Instant
from state.messages.backfill import FileStatus
from state.messages.thread_rows import ApplyRolloutItems, RolloutApplied, RolloutOutdated
from state.rollouts.filename import rollout_name
from state.rules.backfill import register_file
from state.rules.recording import record_reading
from state.transaction import Transaction


@attrs.frozen(kw_only=True)
class _Seen:
    mtime_ns: int
    size_bytes: int


@attrs.frozen(kw_only=True)
class _Reason:
    reason: str | None


async def apply_rollout_items(
    tx: Transaction, request: ApplyRolloutItems, at: Instant
) -> RolloutApplied | RolloutOutdated:
    """Record one reading, unless a newer state of the file is known."""
    found, reading = request.read.found, request.read.reading
    seen = await tx.one(_Seen, "SELECT mtime_ns, size_bytes FROM rollout_files WHERE path = :path", path=found.path)
    if seen is not None and (seen.mtime_ns, seen.size_bytes) > (reading.mtime_ns, reading.size_bytes):
        return RolloutOutdated()
    if rollout_name(found.path.rpartition("/")[2]) is not None:
        # A scan would not find a file of any other name, and would take its row for that of a file that is gone.
        await register_file(tx, found, at)
    status = await record_reading(
        tx,
        request.read,
        request.model_provider_default,
        at,
        new_thread_memory_mode=request.new_thread_memory_mode,
        updated_at_ms=request.updated_at_ms,
    )
    row = await tx.one(_Reason, "SELECT reason FROM rollout_files WHERE path = :path", path=found.path)
    return RolloutApplied(
        status=FileStatus(status),
        thread_id=reading.facts.thread_id if reading.facts is not None else None,
        reason=row.reason if row is not None else reading.refusal or reading.remark,
    )
