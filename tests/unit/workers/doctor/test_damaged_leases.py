"""The doctor names rows whose lease columns nothing of memoryd writes so."""

import apsw

from state.folder import StateFolder
from state.messages.backfill import ClaimBackfill
from state.messages.consolidation import MarkScopeDirty
from state.messages.leases import INTEGER_MAX
from state.store import StateHandle
from tests.fakes.consolidation import BLOG, SHOP
from tests.fakes.memory_state import terms
from workers.doctor.finding import Findings, Severity
from workers.doctor.processes import check_processes


async def test_half_a_lease_and_a_number_that_cannot_fence_are_named(handle: StateHandle, folder: StateFolder) -> None:
    for scope in (SHOP, BLOG):
        await handle.ask(MarkScopeDirty(scope=scope, dirty=True))
    await handle.ask(ClaimBackfill(terms=terms("scan", process=handle.process)))
    whole = Findings()
    await check_processes(whole, handle)
    assert not whole.has("lease_damaged")

    connection = apsw.Connection(str(folder.database))
    connection.execute("UPDATE scopes SET ownership_token = 'ghost' WHERE scope_key = ?", (SHOP.key,))
    connection.execute("UPDATE scopes SET fencing_number = ? WHERE scope_key = ?", (INTEGER_MAX, BLOG.key))
    connection.execute("UPDATE backfill SET lease_boot_id = NULL")
    connection.close()

    findings = Findings()
    await check_processes(findings, handle)

    damaged = {one.subject: one for one in findings.kept if one.code == "lease_damaged"}
    assert set(damaged) == {"", f"consolidation:cwd:{SHOP.key}", f"consolidation:cwd:{BLOG.key}"}
    assert all(one.severity is Severity.WARNING and one.repair for one in damaged.values())
    assert "half a lease" in damaged[f"consolidation:cwd:{SHOP.key}"].found
    assert str(INTEGER_MAX) in damaged[f"consolidation:cwd:{BLOG.key}"].found
    assert not findings.has("processes")
