"""What whoever claims the scan, renews any lease, or returns those of the dead, may do."""

from typing import Any

from chaos.requests.deed import Deed, Expected, WrongError, freed, owned
from chaos.rows import RowKey
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    FinishBackfill,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.base import Request
from state.messages.consolidation import RenewConsolidation
from state.messages.extraction import RenewExtraction
from state.messages.leases import Renewed

_SCAN: RowKey = ("backfill", "")


def claim_scan(deed: Deed) -> Expected:
    terms, lease = deed.request.terms, deed.lease(_SCAN)
    is_mine = lease.token == terms.token
    if isinstance(deed.reply, BackfillHeld):
        if is_mine or deed.is_over(lease, terms.stale_after_ms):
            raise WrongError(f"at {deed.boot_ms} nobody else has it: {lease}")
        return Expected()
    assert isinstance(deed.reply, BackfillClaimed)
    if is_mine:
        deed.must_be_told(lease.fencing_number)
        return Expected()
    if not deed.is_over(lease, terms.stale_after_ms):
        raise WrongError(f"at {deed.boot_ms} it was held: {lease}")
    deed.must_be_told(lease.fencing_number + 1)
    return Expected(leases={_SCAN: deed.granted(lease, terms)})


def end_scan(deed: Deed) -> Expected:
    key = owned(deed, "backfill")
    return Expected() if key is None else Expected(leases={_SCAN: freed(deed.lease(_SCAN))})


def write_of_scan(deed: Deed) -> Expected | None:
    key = owned(deed, "backfill")
    if key is None:
        for what in ("files", "revisions", "threads"):
            if getattr(deed.before, what) != getattr(deed.after, what):
                raise WrongError(f"{what} changed all the same")
        return Expected()
    if isinstance(deed.request, RecordRollouts):
        _recorded(deed)
        return None
    return Expected()


def _recorded(deed: Deed) -> None:
    """Readings open jobs by new content, or move them, and do nothing else to them."""
    for thread, job in deed.before.jobs.items():
        now = deed.after.jobs.get(thread)
        if now is None:
            raise WrongError(f"the job of {thread} is gone")
        key = ("extraction", thread)
        if now.scope_key != job.scope_key:
            if now.status != "pending" or deed.after.leases[key] != freed(deed.before.leases[key]):
                raise WrongError(f"the job of {thread} moved to {now.scope_key}, and is {deed.after.leases[key]}")
            continue
        # New is what nobody has claimed or done yet, also where it was recorded while the job was in work.
        seen = job.done_revision if job.claimed_revision is None else job.claimed_revision
        is_new = seen is not None and deed.after.revisions[thread] > seen
        if (job.status == "running" or not is_new) and (
            now != job or deed.after.leases[key] != deed.before.leases[key]
        ):
            raise WrongError(f"the job of {thread} was {job}, and is {now}")


KIND: dict[type[Request[Any]], str] = {
    RenewBackfill: "backfill",
    FinishBackfill: "backfill",
    RegisterRollouts: "backfill",
    MarkRolloutsVanished: "backfill",
    RecordRollouts: "backfill",
    RenewExtraction: "extraction",
    RenewConsolidation: "consolidation",
}


def renew(deed: Deed) -> Expected:
    kind = KIND[type(deed.request)]
    key = owned(deed, kind)
    if key is None:
        return Expected()
    lease = deed.renewed(deed.before.leases[kind, key], deed.request.lease_ms)
    if isinstance(deed.reply, Renewed) and deed.reply.lease_until_boot_ms != lease.until_boot_ms:
        raise WrongError(f"it was told {deed.reply.lease_until_boot_ms}, and has until {lease.until_boot_ms}")
    return Expected(leases={(kind, key): lease})


def return_leases(deed: Deed) -> Expected:
    expected = Expected()
    for key, lease in deed.before.leases.items():
        if lease.process != deed.request.process:
            continue
        expected.leases[key] = freed(lease)
        if key[0] == "extraction":
            expected.jobs[key[1]] = deed.before.jobs[key[1]]._replace(status="pending")
        elif key[0] == "consolidation":
            expected.scopes[key[1]] = deed.before.scopes[key[1]]._replace(claimed_mark=None)
    if deed.reply.total != len(expected.leases):
        raise WrongError(f"it held {len(expected.leases)} rows, and {deed.reply.total} are said to be returned")
    return expected
