"""Claiming jobs by name and as they come: what the parity tests leave open."""

import apsw
import pytest

from state.ids import OwnershipToken, Scope
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ExtractionCapacityReached,
    ExtractionClaimed,
    FailureClass,
    NothingToExtract,
    ReleaseExtraction,
)
from state.messages.extraction_claims import SkippedExhausted, SkippedTerminalFailure, SkippedUpToDate
from tests.fakes.extraction import SHOP, claim, claim_of, claimed, claimed_of, draft, fail, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id

TEAM = Scope(kind="team", key="shop")


@pytest.fixture
def indexed(state: MemoryState) -> MemoryState:
    """A state with one thread, and so with one pending job."""
    index(state, facts(1))
    return state


def test_claim_by_name_and_claim_of_the_next_job_grant_the_same(indexed: MemoryState) -> None:
    by_name = claimed_of(indexed, "one")
    row = indexed.rows("SELECT * FROM extraction_jobs")
    indexed.ask(ReleaseExtraction(token=OwnershipToken("one")))
    indexed.rows("UPDATE extraction_jobs SET attempts = 0, given_back = 0, fencing_number = 0, claimed_revision = NULL")

    assert claimed(indexed, "one") == by_name
    assert indexed.rows("SELECT * FROM extraction_jobs") == row


def test_job_that_was_made_by_a_claim_is_like_any_other(indexed: MemoryState) -> None:
    claimed_of(indexed, "one", scope=TEAM)
    claimed(indexed, "own")
    indexed.ask(ReleaseExtraction(token=OwnershipToken("one")))

    work = claimed(indexed, "two")
    assert (work.scope, work.attempt) == (TEAM, 2)
    finish(indexed, "two", draft())
    assert indexed.rows("SELECT scope_kind, scope_key FROM memories") == [(TEAM.kind, TEAM.key)]
    assert indexed.rows("SELECT scope_kind, scope_key, inputs_mark FROM scopes") == [(TEAM.kind, TEAM.key, 1)]


def test_jobs_of_one_thread_come_in_the_order_of_their_scopes(indexed: MemoryState) -> None:
    for kind in ("team", "area"):
        claimed_of(indexed, kind, scope=Scope(kind=kind, key="shop"))
        indexed.ask(ReleaseExtraction(token=OwnershipToken(kind)))

    assert [claimed(indexed, token).scope.kind for token in "abc"] == ["area", "cwd", "team"]


def test_thread_without_content_can_be_claimed_by_name(state: MemoryState) -> None:
    index(state, facts(1, preview="", content_at_ms=None))
    assert claim(state, "one") == NothingToExtract(next_due_in_ms=None)

    assert claimed_of(state, "one").content_revision == 1


def test_token_that_holds_one_job_cannot_take_another(indexed: MemoryState) -> None:
    claimed_of(indexed, "one")
    before = indexed.tables()

    with pytest.raises(apsw.ConstraintError):
        claim_of(indexed, "one", scope=TEAM)
    assert indexed.tables() == before


def test_more_content_than_there_is_counts_as_all_that_there_is(indexed: MemoryState) -> None:
    claimed_of(indexed, "one")
    finish(indexed, "one", draft())

    assert claim_of(indexed, "two", content_revision=9) == SkippedUpToDate()


def test_exhausted_job_is_buried_even_where_the_cap_is_reached(indexed: MemoryState) -> None:
    for attempt in range(ATTEMPTS_MAX):
        claimed_of(indexed, f"token-{attempt}", lease_ms=1_000)
        indexed.clock.advance(1_000)

    assert claim_of(indexed, "last", running_max=0) == SkippedExhausted()
    assert isinstance(claim_of(indexed, "last", running_max=0), SkippedTerminalFailure)


def test_where_nothing_waits_the_cap_is_not_the_reason(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert claim(indexed, "two", running_max=1) == NothingToExtract(next_due_in_ms=None)


def test_same_token_is_given_its_job_again_although_the_cap_is_reached(indexed: MemoryState) -> None:
    first = claimed(indexed, "one", running_max=1)

    assert claimed(indexed, "one", running_max=1) == first
    assert claimed_of(indexed, "one", running_max=1) == first


def test_capped_claim_leaves_the_job_to_the_next_one(indexed: MemoryState) -> None:
    index(indexed, facts(2, content_at_ms=CONTENT_AT_MS - 1))
    claimed(indexed, "one", running_max=1)
    before = indexed.tables()

    assert claim(indexed, "two", running_max=1) == ExtractionCapacityReached()
    assert indexed.tables() == before
    finish(indexed, "one", draft())
    assert claimed(indexed, "two", running_max=1).thread_id == thread_id(2)


def test_stale_job_is_stolen_although_the_cap_was_reached_by_it(indexed: MemoryState) -> None:
    claimed(indexed, "one", running_max=1, lease_ms=1_000)
    indexed.clock.advance(1_000)

    assert claimed(indexed, "two", running_max=1).attempt == 2


def test_job_taken_over_by_force_does_not_count_against_itself(indexed: MemoryState) -> None:
    claimed(indexed, "one", running_max=1)

    assert isinstance(claim(indexed, "two", running_max=1, stale_after_ms=0), ExtractionClaimed)


def test_scope_is_not_found_by_a_part_of_it(indexed: MemoryState) -> None:
    claimed_of(indexed, "one", scope=Scope(kind="cwd", key=SHOP.key + "/src"))

    assert claimed_of(indexed, "two").fencing_number == 1


@pytest.mark.parametrize("failure", [FailureClass.PERMANENT, FailureClass.TRANSIENT])
def test_newer_content_is_claimable_by_name_also_where_no_reading_has_opened_the_job(
    indexed: MemoryState, failure: FailureClass
) -> None:
    """As when what is new is nothing that makes a thread eligible: only whoever names the thread wants it."""
    claimed_of(indexed, "one")
    fail(indexed, "one", failure)
    index(indexed, facts(1, content_digest="digest-2", preview="", content_at_ms=None), size_bytes=200)
    assert indexed.value("SELECT status FROM extraction_jobs") in ("dead", "retry")

    work = claimed_of(indexed, "two")
    assert (work.content_revision, work.attempt) == (2, 1)
