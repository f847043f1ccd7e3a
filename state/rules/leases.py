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

Clocks and rows that are not as they should be. Only differences of the boot clock matter, so any reading of it that a
row can hold judges alike, a negative one too; wall time judges no lease. Where the clock went back within one boot a
lease lasts longer by as much, and the reaper still frees a dead owner's at once; one that would end later than any
lease granted now is no lease of this clock and is stale, so that nothing blocks a row for longer than LEASE_MS_MAX.
Lease columns that nothing of ours wrote (a token without an owner, an end or a boot) make a row that nobody holds: the
next claim takes it over and writes all of them anew.
"""

import attrs

from state.ids import Instant, ProcessUuid
from state.messages.leases import INTEGER_MAX, LEASE_MS_MAX, ClaimTerms, Owner
from state.transaction import SqlValue

CAN_BE_FENCED = f"fencing_number < {INTEGER_MAX}"
"""The condition of `can_be_fenced`, for rows that a claim passes by."""

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

HELD = (
    "coalesce(ownership_token <> '' AND owner_process <> '' AND lease_boot_id = :boot_id"
    " AND renewed_boot_ms IS NOT NULL AND lease_until_boot_ms > :boot_ms AND lease_until_boot_ms <= :held_until_max, 0)"
)
"""The condition of `is_held` where the owner's lease decides; parameters from `held_parameters`."""

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
        if not self.owner_process:
            return None
        return Owner(process=self.owner_process, worker=self.owner_worker or "")


def is_held(row: LeaseRow, at: Instant, stale_after_ms: int | None = None) -> bool:
    """Say whether the row's owner still has the right to it.

    Args:
      stale_after_ms: None lets the owner's own lease decide; a number overrules it, judged by the last renewal.
        0 or less takes the row from anyone who renewed at or before now.
    """
    if not row.ownership_token or row.owner is None or row.lease_boot_id != at.boot_id:
        return False
    if row.lease_until_boot_ms is None or row.renewed_boot_ms is None:
        return False
    if stale_after_ms is not None:
        return row.renewed_boot_ms > at.boot_ms - max(stale_after_ms, 0)
    return 0 < row.lease_until_boot_ms - at.boot_ms <= LEASE_MS_MAX


def held_parameters(at: Instant) -> dict[str, SqlValue]:
    """Parameters of HELD."""
    # A row holds no later end than INTEGER_MAX, so nothing is lost where the sum is later.
    return {
        "boot_id": at.boot_id,
        "boot_ms": at.boot_ms,
        "held_until_max": min(at.boot_ms + LEASE_MS_MAX, INTEGER_MAX),
    }


def can_be_fenced(fencing_number: int) -> bool:
    """Say whether a claim can give the row a greater fencing number. False: nothing of ours has written this one."""
    return fencing_number < INTEGER_MAX


def lease_left_ms(row: LeaseRow, at: Instant) -> int:
    """Milliseconds until the lease ends; negative when it has ended."""
    if row.lease_boot_id != at.boot_id or row.lease_until_boot_ms is None:
        return -1
    return row.lease_until_boot_ms - at.boot_ms


def lease_until(lease_ms: int, at: Instant) -> int:
    """When a lease asked for now ends, on the boot clock. The request has checked lease_ms; nothing is cut here."""
    return at.boot_ms + lease_ms


def grant_parameters(terms: ClaimTerms, at: Instant) -> dict[str, SqlValue]:
    """Parameters of GRANT."""
    return grants_parameters(terms.owner, terms.lease_ms, at) | {"token": terms.token}


def grants_parameters(owner: Owner, lease_ms: int, at: Instant) -> dict[str, SqlValue]:
    """Parameters of GRANT that all claims of one owner at one instant share: all but the token."""
    return {
        "owner_process": owner.process,
        "owner_worker": owner.worker,
        "boot_id": at.boot_id,
        "boot_ms": at.boot_ms,
        "lease_until_boot_ms": lease_until(lease_ms, at),
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
