"""Rows that somebody wrote by hand: each costs itself at most, is seen, and nothing succeeds on it in silence."""

from typing import Any

import pytest

from state.errors import DamagedRowError
from state.ids import OwnershipToken
from state.messages.backfill import BackfillClaimed, ClaimBackfill, RenewBackfill
from state.messages.consolidation import ClaimScope, ConsolidationClaimed
from state.messages.drift import DamagedLease, ListDamagedLeases
from state.messages.extraction import ExtractionClaimed, NothingToExtract
from state.messages.jobs import ListJobs
from state.messages.leases import INTEGER_MAX, LEASE_MS_MAX, NotOwner
from tests.fakes import consolidation, extraction
from tests.fakes.consolidation import BLOG, SHOP, remember
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, index, thread_id

LEASE = ("owner_process", "ownership_token", "lease_boot_id", "lease_until_boot_ms", "renewed_boot_ms", "owner_worker")
"""The columns of which a held row has all and a free one none."""

ABSURD = [-(2**63), -1, 0, 2**63 - 1]


def write(state: MemoryState, sql: str, *parameters: Any) -> None:
    """Write as somebody does who knows better than the schema."""
    state.rows("PRAGMA ignore_check_constraints = ON")
    state.rows(sql, *parameters)
    state.rows("PRAGMA ignore_check_constraints = OFF")


@pytest.fixture
def two(state: MemoryState) -> MemoryState:
    """Two sessions to extract, the second one newer, and two dirty scopes."""
    remember(state, 3, scope=SHOP)
    remember(state, 4, scope=BLOG)
    index(state, facts(1))
    index(state, facts(2))
    return state


def claims(state: MemoryState, count: int, **more: Any) -> list[str]:
    """The sessions that `count` claims get, '' for none."""
    got = [extraction.claim(state, f"token-{number}", **more) for number in range(count)]
    return [one.thread_id if isinstance(one, ExtractionClaimed) else "" for one in got]


@pytest.mark.parametrize("status", ["bogus", "", "Pending", "done"])
def test_job_with_a_status_that_is_none_is_passed_by_and_shown(two: MemoryState, status: str) -> None:
    write(two, "UPDATE extraction_jobs SET status = ? WHERE thread_id = ?", status, thread_id(2))

    assert claims(two, 2) == [thread_id(1), ""]
    shown = {job.thread_id: job.status for job in two.ask(ListJobs()).jobs}
    assert shown[thread_id(2)] == status


@pytest.mark.parametrize("column", LEASE)
def test_running_job_with_half_a_lease_is_claimed_anew(two: MemoryState, column: str) -> None:
    extraction.claimed(two, "first")
    write(two, f"UPDATE extraction_jobs SET {column} = NULL WHERE thread_id = ?", thread_id(2))

    got = claims(two, 2)

    # Without the worker's name all that decides is there: the row is held, and seen.
    assert got == ([thread_id(1), ""] if column == "owner_worker" else [thread_id(2), thread_id(1)])
    if column != "owner_worker":
        assert extraction.finish(two, "first", extraction.draft()) == NotOwner()


@pytest.mark.parametrize("column", LEASE)
def test_scope_with_half_a_lease_is_claimed_anew(two: MemoryState, column: str) -> None:
    consolidation.claimed(two, "first", process="process-2")
    write(two, f"UPDATE scopes SET {column} = NULL WHERE ownership_token = 'first'")
    held = two.rows("SELECT scope_key FROM scopes WHERE fencing_number = 1")

    again = two.ask(ClaimScope(terms=terms("again"), scope=SHOP if held == [(SHOP.key,)] else BLOG))

    assert isinstance(again, ConsolidationClaimed) is (column != "owner_worker")


@pytest.mark.parametrize("column", LEASE)
def test_scan_with_half_a_lease_is_claimed_anew(two: MemoryState, column: str) -> None:
    write(two, f"UPDATE backfill SET {column} = NULL")

    again = two.ask(ClaimBackfill(terms=terms("again")))

    assert isinstance(again, BackfillClaimed) is (column != "owner_worker")
    if column != "owner_worker":
        assert two.ask(RenewBackfill(token=SCAN, lease_ms=1)) == NotOwner()


@pytest.mark.parametrize("value", ABSURD)
@pytest.mark.parametrize("column", ["lease_until_boot_ms", "renewed_boot_ms", "started_at_ms", "finished_at_ms"])
def test_absurd_numbers_in_a_lease_block_nobody_for_ever(two: MemoryState, column: str, value: int) -> None:
    extraction.claimed(two, "first", lease_ms=1_000)
    write(two, f"UPDATE extraction_jobs SET {column} = ? WHERE thread_id = ?", value, thread_id(2))
    two.clock.advance(86_400_000)

    assert two.ask(ListJobs()).jobs, "it can be looked at"
    assert claims(two, 2) == [thread_id(2), thread_id(1)]


@pytest.mark.parametrize("value", ABSURD)
def test_absurd_next_attempt_delays_only_its_own_job(two: MemoryState, value: int) -> None:
    write(two, "UPDATE extraction_jobs SET next_attempt_at_ms = ? WHERE thread_id = ?", value, thread_id(2))
    write(two, "UPDATE scopes SET next_attempt_at_ms = ? WHERE scope_key = ?", value, SHOP.key)

    assert thread_id(1) in claims(two, 2)
    scopes = {consolidation.claimed(two, token).scope for token in ("one", "two")}
    assert scopes == {SHOP, BLOG}, "a wait that is longer than any back-off is none"


def test_held_scope_that_lost_its_mark_fails_by_itself(two: MemoryState) -> None:
    first = consolidation.claimed(two, "first").scope
    consolidation.claimed(two, "second")
    write(two, "UPDATE scopes SET claimed_mark = NULL WHERE ownership_token = 'first'")
    before = two.tables()

    with pytest.raises(Exception, match=r"NOT NULL constraint failed: scopes\.consolidated_mark"):
        consolidation.publish(two, "first")
    assert two.tables() == before
    assert consolidation.publish(two, "second") != NotOwner()
    assert isinstance(two.ask(ClaimScope(terms=terms("again", stale_after_ms=0), scope=first)), ConsolidationClaimed)
    consolidation.publish(two, "again")


def test_damaged_leases_are_found_and_whole_ones_are_not(two: MemoryState) -> None:
    extraction.claimed(two, "first")
    consolidation.claimed(two, "scope")
    assert two.ask(ListDamagedLeases()) == ()

    write(two, "UPDATE backfill SET ownership_token = NULL")
    write(two, "UPDATE extraction_jobs SET lease_boot_id = NULL WHERE thread_id = ?", thread_id(2))
    write(two, "UPDATE extraction_jobs SET owner_worker = 'ghost' WHERE thread_id = ?", thread_id(1))
    write(two, "UPDATE scopes SET fencing_number = ? WHERE scope_key = ?", INTEGER_MAX, BLOG.key)

    def half(kind: str, job_id: str) -> DamagedLease:
        return DamagedLease(kind=kind, job_id=job_id, found="half a lease", can_be_claimed=True)

    assert set(two.ask(ListDamagedLeases())) == {
        half("backfill", ""),
        half("extraction", f"extraction:{thread_id(1)}"),
        half("extraction", f"extraction:{thread_id(2)}"),
        DamagedLease(
            kind="consolidation",
            job_id=f"consolidation:cwd:{BLOG.key}",
            found=f"the fencing number {INTEGER_MAX}",
            can_be_claimed=False,
        ),
    }


def test_claims_put_half_leases_right(two: MemoryState) -> None:
    write(two, "UPDATE backfill SET renewed_boot_ms = NULL")
    write(two, "UPDATE extraction_jobs SET owner_worker = 'ghost'")
    write(two, "UPDATE scopes SET lease_boot_id = 'ghost'")

    two.ask(ClaimBackfill(terms=terms("scan")))
    assert set(claims(two, 2)) == {thread_id(1), thread_id(2)}
    for token in ("one", "two"):
        consolidation.claimed(two, token)

    # What is done is claimed by nobody, so those two stay as they were written.
    assert {one.job_id for one in two.ask(ListDamagedLeases())} == {f"extraction:{thread_id(n)}" for n in (3, 4)}


@pytest.mark.parametrize("status", ["pending", "retry", "running"])
def test_job_whose_fencing_number_cannot_grow_costs_only_itself(two: MemoryState, status: str) -> None:
    if status == "running":
        extraction.claimed_of(two, "gone", thread_id(2))
    change = "UPDATE extraction_jobs SET fencing_number = ?, status = ? WHERE thread_id = ?"
    write(two, change, INTEGER_MAX, status, thread_id(2))
    two.clock.advance(LEASE_MS_MAX)
    before = two.rows("SELECT * FROM extraction_jobs WHERE thread_id = ?", thread_id(2))

    with pytest.raises(DamagedRowError, match=f"{thread_id(2)} in cwd:.* cannot grow"):
        extraction.claim_of(two, "by name", thread_id(2))
    assert set(claims(two, 1)) == {thread_id(1)}
    assert isinstance(extraction.claim(two, "next"), NothingToExtract)
    assert two.rows("SELECT * FROM extraction_jobs WHERE thread_id = ?", thread_id(2)) == before


def test_scan_whose_fencing_number_cannot_grow_is_said_to_be_damaged(two: MemoryState) -> None:
    write(two, "UPDATE backfill SET fencing_number = ?", INTEGER_MAX)
    before = two.tables()

    with pytest.raises(DamagedRowError, match="scan cannot grow"):
        two.ask(ClaimBackfill(terms=terms("scan", stale_after_ms=0)))
    assert two.tables() == before


def test_token_in_a_row_that_does_not_run_is_worth_nothing(two: MemoryState) -> None:
    extraction.claimed(two, "first")
    write(two, "UPDATE extraction_jobs SET status = 'dead' WHERE ownership_token = 'first'")
    before = two.tables()

    assert extraction.finish(two, "first", extraction.draft()) == NotOwner()
    assert extraction.fail(two, "first") == NotOwner()
    assert two.tables() == before


@pytest.mark.parametrize("boot_ms", [-(10**15), -1, 0, 2**62])
@pytest.mark.parametrize("wall_ms", [-(2**62), -1, 0, 2**62])
def test_absurd_clocks_grant_one_owner_at_a_time(two: MemoryState, boot_ms: int, wall_ms: int) -> None:
    two.clock.boot_ms, two.clock.wall_ms, two.clock.boot_id = boot_ms, wall_ms, "boot-2"

    assert isinstance(two.ask(ClaimBackfill(terms=terms("one"))), BackfillClaimed)
    assert not isinstance(two.ask(ClaimBackfill(terms=terms("two"))), BackfillClaimed)
    one = two.ask(ClaimScope(terms=terms("one"), scope=SHOP))
    assert isinstance(one, ConsolidationClaimed)
    assert not isinstance(two.ask(ClaimScope(terms=terms("two"), scope=SHOP)), ConsolidationClaimed)
    eligible = extraction.claim(two, "one")
    # By a clock before the session's last line nobody has been idle for long enough.
    assert isinstance(eligible, NothingToExtract) is (wall_ms <= 0)

    two.clock.boot_ms += 60_000
    assert isinstance(two.ask(ClaimScope(terms=terms("two"), scope=SHOP)), ConsolidationClaimed)
    assert consolidation.publish(two, "one") == NotOwner()
    assert two.ask(RenewBackfill(token=OwnershipToken("one"), lease_ms=60_000)) != NotOwner()
