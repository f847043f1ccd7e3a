"""When a lease holds, and the SQL that grants, extends and frees one. The same for every owned table.

    free --claim--> held --renew--> held --finish / release--> free
                     |                ^
                     | lease ends     | late renewal, if nobody stole the row
                     v                |
                    stale ------------+
                     |
                     +--claim by another (a steal)--> held, with a new token and a higher fencing number

A row is owned exactly while it holds a token. Every write of an owner repeats the token in its WHERE clause, and the
number of changed rows is the verdict. A lease is stale when lease_until_boot_ms <= now (equal means expired), and also
when it was granted in another boot: after a restart of the machine no owner lives.
"""

import attrs

from state.ids import Instant, ProcessUuid
from state.messages.leases import ClaimTerms, Owner
from state.transaction import SqlValue

LEASE_MS_MAX = 24 * 3_600_000
"""A longer lease is cut to this, so that no typing error can block a row for ever."""

GRANT = (
    "owner_process = :owner_process, owner_worker = :owner_worker, ownership_token = :token,"
    " fencing_number = fencing_number + 1, lease_boot_id = :boot_id, lease_until_boot_ms = :lease_until_boot_ms,"
    " renewed_boot_ms = :boot_ms, started_at_ms = :wall_ms"
)
"""SET list that grants a row; parameters from `grant_parameters`."""

FREE = (
    "owner_process = NULL, owner_worker = NULL, ownership_token = NULL,"
    " lease_boot_id = NULL, lease_until_boot_ms = NULL, renewed_boot_ms = NULL"
)
"""SET list that frees a row. started_at_ms and fencing_number stay: the one is history, the other never goes back."""

RENEW = "lease_boot_id = :boot_id, lease_until_boot_ms = :lease_until_boot_ms, renewed_boot_ms = :boot_ms"
"""SET list that extends a lease; parameters from `renew_parameters`."""

COLUMNS = "owner_process, owner_worker, ownership_token, lease_boot_id, lease_until_boot_ms, renewed_boot_ms"
"""SELECT list that makes a LeaseRow."""


@attrs.frozen(kw_only=True)
class LeaseRow:
    """The lease columns of one row; all None when it is free."""

    owner_process: ProcessUuid | None
    owner_worker: str | None
    ownership_token: str | None
    lease_boot_id: str | None
    lease_until_boot_ms: int | None
    renewed_boot_ms: int | None

    @property
    def owner(self) -> Owner | None:
        """Who holds the row, or None."""
        if self.owner_process is None:
            return None
        return Owner(process=self.owner_process, worker=self.owner_worker or "")


def is_held(row: LeaseRow, at: Instant, stale_after_ms: int | None = None) -> bool:
    """Say whether the row's owner still has the right to it.

    Args:
      stale_after_ms: None lets the owner's own lease decide; a number overrules it, judged by the last renewal.
        0 or less takes the row from anyone who renewed at or before now.
    """
    if row.ownership_token is None or row.lease_boot_id != at.boot_id:
        return False
    if stale_after_ms is not None:
        return (row.renewed_boot_ms or 0) > at.boot_ms - max(stale_after_ms, 0)
    return (row.lease_until_boot_ms or 0) > at.boot_ms


def lease_left_ms(row: LeaseRow, at: Instant) -> int:
    """Milliseconds until the lease ends; negative when it has ended."""
    if row.lease_boot_id != at.boot_id or row.lease_until_boot_ms is None:
        return -1
    return row.lease_until_boot_ms - at.boot_ms


def lease_until(lease_ms: int, at: Instant) -> int:
    """When a lease asked for now ends, on the boot clock."""
    return at.boot_ms + min(max(lease_ms, 1), LEASE_MS_MAX)


def grant_parameters(terms: ClaimTerms, at: Instant) -> dict[str, SqlValue]:
    """Parameters of GRANT."""
    return {
        "owner_process": terms.owner.process,
        "owner_worker": terms.owner.worker,
        "token": terms.token,
        "boot_id": at.boot_id,
        "boot_ms": at.boot_ms,
        "lease_until_boot_ms": lease_until(terms.lease_ms, at),
        "wall_ms": at.wall_ms,
    }


def renew_parameters(token: str, lease_ms: int, at: Instant) -> dict[str, SqlValue]:
    """Parameters of RENEW."""
    return {
        "token": token,
        "boot_id": at.boot_id,
        "boot_ms": at.boot_ms,
        "lease_until_boot_ms": lease_until(lease_ms, at),
    }
