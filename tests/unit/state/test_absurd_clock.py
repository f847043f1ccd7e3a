"""A clock that no row can hold: what asks by it fails with a typed error, and changes nothing."""

import pytest

from state.errors import DamagedRowError, RuleFailedError
from state.ids import OwnershipToken, Scope
from state.messages.backfill import BackfillClaimed, ClaimBackfill, RenewBackfill
from state.messages.consolidation import ClaimScope, ConsolidationClaimed
from state.messages.leases import INTEGER_MAX, Renewed
from state.opening import OpenedStore
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.memory_state import terms

SHOP = Scope(kind="cwd", key="/home/ann/shop")


@pytest.mark.parametrize(
    ("boot_ms", "wall_ms"), [(2**63, 0), (2**63 - 1, 0), (-(2**63) - 1, 0), (0, 2**63), (0, -(2**63) - 1)]
)
def test_claim_by_a_clock_that_no_row_holds_fails_and_changes_nothing(
    store: DirectStore, clock: ManualClock, boot_ms: int, wall_ms: int
) -> None:
    good = clock()
    clock.boot_ms, clock.wall_ms = boot_ms, wall_ms
    refused = store.ask(ClaimBackfill(terms=terms("one")))
    clock.boot_ms, clock.wall_ms = good.boot_ms, good.wall_ms

    assert isinstance(refused, RuleFailedError)
    granted = store.ask(ClaimBackfill(terms=terms("two")))
    assert granted == BackfillClaimed(fencing_number=1, stolen_from=None)


def test_renewal_by_a_clock_that_no_row_holds_leaves_the_lease_as_it_was(
    store: DirectStore, clock: ManualClock
) -> None:
    store.ask(ClaimBackfill(terms=terms("one")))
    renewal = RenewBackfill(token=OwnershipToken("one"), lease_ms=60_000)
    boot_ms, clock.boot_ms = clock.boot_ms, 2**63
    refused = store.ask(renewal)
    clock.boot_ms = boot_ms

    assert isinstance(refused, RuleFailedError)
    assert store.ask(renewal) == Renewed(lease_until_boot_ms=boot_ms + 60_000)


def test_damaged_row_is_said_to_be_one_and_others_of_the_batch_go_on(store: DirectStore, opened: OpenedStore) -> None:
    store.ask(ClaimScope(terms=terms("one", stale_after_ms=0), scope=SHOP))
    opened.group_commit._connection.execute("UPDATE scopes SET fencing_number = ?", (INTEGER_MAX,))

    damaged, other = store.ask_all(
        ClaimScope(terms=terms("two", stale_after_ms=0), scope=SHOP),
        ClaimScope(terms=terms("three"), scope=Scope(kind="cwd", key="/home/ann/blog")),
    )

    assert type(damaged) is DamagedRowError
    assert isinstance(other, ConsolidationClaimed)
