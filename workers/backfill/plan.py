"""What a scan has to do: compare what is on disk with what the store knows. Pure."""

from collections.abc import Iterable, Sequence

import attrs

from state.messages.backfill import FileStatus, KnownRollout
from state.rollouts import FoundRollout, UnreadablePath


@attrs.frozen(kw_only=True)
class ScanPlan:
    """What to do.

    Attributes:
      to_read: files that are new, changed, were never finished, or failed and are due again; newest first.
      vanished: known paths that are no longer there.
      unchanged: how many files need nothing.
      waiting: how many failed before, did not change, and are not due yet.
    """

    to_read: tuple[FoundRollout, ...]
    vanished: tuple[str, ...]
    unchanged: int
    waiting: int


def plan_scan(
    found: Sequence[FoundRollout],
    unreadable: Sequence[UnreadablePath],
    known: Iterable[KnownRollout],
    *,
    wall_ms: int,
    retry_failed_now: bool,
) -> ScanPlan:
    """Compare a listing with the store's rows.

    A file below a folder that could not be read has not vanished: nobody looked.

    Args:
      found: newest first; the order is kept.
      retry_failed_now: read failed files again although their back-off has not ended, as when a person asks.
    """
    rows = {row.path: row for row in known}
    to_read: list[FoundRollout] = []
    unchanged = waiting = 0
    for file in found:
        row = rows.pop(file.path, None)
        if row is None or not _is_same(file, row) or row.status in (FileStatus.PENDING, FileStatus.VANISHED):
            to_read.append(file)
        elif row.status is FileStatus.FAILED:
            if retry_failed_now or (row.next_attempt_at_ms or 0) <= wall_ms:
                to_read.append(file)
            else:
                waiting += 1
        else:
            unchanged += 1
    unseen = {path.path for path in unreadable}
    vanished = tuple(
        path
        for path, row in sorted(rows.items())
        if row.status is not FileStatus.VANISHED and path not in unseen and not _is_below(path, unseen)
    )
    return ScanPlan(to_read=tuple(to_read), vanished=vanished, unchanged=unchanged, waiting=waiting)


def _is_same(file: FoundRollout, row: KnownRollout) -> bool:
    return (file.size_bytes, file.mtime_ns, file.inode) == (row.size_bytes, row.mtime_ns, row.inode)


def _is_below(path: str, folders: set[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:depth]) in folders for depth in range(1, len(parts)))
