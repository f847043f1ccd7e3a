"""The baseline's phase-1 jobs, rule for rule: `try_claim_phase1_job`, how a claim is renewed, and how it ends.

Each docstring says which behaviour of the baseline it pins; where the later runtime has mended it, or memoryd means
something else, the docstring says that too. The baseline let the claimant say how old a claim must be to count as
stale: that is `stale_after_ms` here, in milliseconds.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from state.ids import OwnershipToken, Scope
from state.messages.extraction import (
    DeadLettered,
    ExtractionClaimed,
    ExtractionFinished,
    FailureClass,
    FinishResult,
    RenewExtraction,
)
from state.messages.extraction_claims import (
    SkippedRunning,
    SkippedTerminalFailure,
    SkippedUpToDate,
)
from state.messages.leases import NotOwner, Renewed
from state.messages.threads import UnknownThread
from tests.fakes.extraction import (
    EMPTY,
    SHOP,
    claim_of,
    claimed_of,
    draft,
    fail,
    finish,
    save_under_claim,
)
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

LEASE_MS = 60_000
TEAM = Scope(kind="team", key="shop")
NOBODY = thread_id(99)


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """A state that knows one thread, with its first content."""
    state = MemoryState()
    index(state, facts(1))
    yield state
    state.close()


def grow(state: MemoryState, revision: int) -> None:
    """Let the thread's content change, so that it has this revision."""
    index(state, facts(1, content_digest=f"digest-{revision}"), size_bytes=100 + revision)


def job(state: MemoryState, *columns: str, scope: Scope = SHOP) -> tuple[Any, ...]:
    """Columns of the thread's job in a scope."""
    ((*values,),) = state.rows(
        f"SELECT {', '.join(columns)} FROM extraction_jobs WHERE scope_kind = ? AND scope_key = ?",
        scope.kind,
        scope.key,
    )
    return tuple(values)


def renew(state: MemoryState, token: str) -> Renewed | NotOwner:
    """Renew the lease of this token."""
    return state.ask(RenewExtraction(token=OwnershipToken(token), lease_ms=LEASE_MS))


def test_claim_of_a_job_that_is_not_there_makes_it_running(state: MemoryState) -> None:
    """Baseline, step 1: no row -> insert one that runs, with owner, token and time -> Claimed."""
    work = claimed_of(state, "one", scope=TEAM, process="process-7")

    assert (work.thread_id, work.scope, work.content_revision) == (thread_id(1), TEAM, 1)
    columns = "status", "owner_process", "ownership_token", "started_at_ms", "finished_at_ms", "reason"
    assert job(state, *columns, scope=TEAM) == ("running", "process-7", "one", state.clock.wall_ms, None, None)


def test_claim_for_a_thread_that_is_unknown_says_so_and_makes_nothing(state: MemoryState) -> None:
    """Baseline, step 1: the foreign key refuses the row; there it is an error, here a typed reply."""
    before = state.tables()

    assert claim_of(state, "one", NOBODY) == UnknownThread(thread_id=NOBODY)
    assert state.tables() == before


def test_claims_in_two_scopes_of_a_thread_do_not_meet(state: MemoryState) -> None:
    """Baseline: the key of a job is (thread, scope kind, scope key)."""
    first, second = claimed_of(state, "one"), claimed_of(state, "two", scope=TEAM)

    assert (first.scope, second.scope) == (SHOP, TEAM)
    assert finish(state, "one", draft("tabs")) == ExtractionFinished(result=FinishResult.SAVED)
    assert job(state, "status", "ownership_token", scope=TEAM) == ("running", "two")


def test_failed_job_is_not_claimed_again(state: MemoryState) -> None:
    """Baseline, step 2: failed -> SkippedTerminalFailure. Here that is what was given up: a permanent failure."""
    claimed_of(state, "one")
    assert fail(state, "one", FailureClass.PERMANENT, reason="too large") == DeadLettered()
    state.clock.advance(365 * 86_400_000)
    before = state.tables()

    assert claim_of(state, "two") == SkippedTerminalFailure(reason="too large")
    assert claim_of(state, "two", stale_after_ms=0) == SkippedTerminalFailure(reason="too large")
    assert state.tables() == before


def test_newer_content_opens_a_failed_job(state: MemoryState) -> None:
    """Mended: in the baseline a failure was terminal even for newer content."""
    claimed_of(state, "one")
    fail(state, "one", FailureClass.PERMANENT)
    grow(state, 2)

    work = claimed_of(state, "two")
    assert (work.content_revision, work.attempt) == (2, 1)


def test_job_that_is_done_for_this_content_is_up_to_date(state: MemoryState) -> None:
    """Baseline, step 3: succeeded, and the stored watermark >= the one that is asked for -> SkippedUpToDate."""
    claimed_of(state, "one")
    finish(state, "one", draft())
    before = state.tables()

    assert claim_of(state, "two") == SkippedUpToDate()
    assert claim_of(state, "two", content_revision=1) == SkippedUpToDate()
    assert claim_of(state, "two", content_revision=0) == SkippedUpToDate()
    assert claim_of(state, "two", stale_after_ms=0) == SkippedUpToDate(), "a take-over is of leases, not of results"
    assert state.tables() == before


def test_job_that_is_done_is_claimed_for_newer_content_only(state: MemoryState) -> None:
    """Baseline, step 3: a stored watermark below the one that is asked for does not count as up to date."""
    claimed_of(state, "one")
    finish(state, "one", draft())
    grow(state, 2)

    assert claimed_of(state, "two", content_revision=2).content_revision == 2


def test_older_content_that_is_asked_for_never_takes_the_watermark_back(state: MemoryState) -> None:
    """Mended: in the baseline a steal could lower the watermark. A claim is bound to what there is, not to less."""
    claimed_of(state, "one")
    grow(state, 2)

    assert claimed_of(state, "two", content_revision=1, stale_after_ms=0).content_revision == 2
    finish(state, "two", draft())
    assert job(state, "done_revision") == (2,)


def test_nothing_worth_remembering_counts_as_done(state: MemoryState) -> None:
    """Mended: the baseline could not record it. The later runtime's succeeded-without-output, with its watermark, is
    the status `empty` here."""
    claimed_of(state, "one")
    assert finish(state, "one", EMPTY) == ExtractionFinished(result=FinishResult.EMPTY)

    assert job(state, "status", "done_revision") == ("empty", 1)
    assert claim_of(state, "two") == SkippedUpToDate()


def test_nothing_worth_remembering_keeps_an_earlier_memory(state: MemoryState) -> None:
    """Meant differently: the later runtime deletes an existing output here. memoryd keeps it, since an empty answer
    never deletes a memory: forgetting is something that a person asks for (ARCHITECTURE.md)."""
    claimed_of(state, "one")
    finish(state, "one", draft("tabs"))
    grow(state, 2)
    claimed_of(state, "two")

    assert finish(state, "two", EMPTY) == ExtractionFinished(result=FinishResult.UNCHANGED)
    assert state.rows("SELECT raw_memory FROM memories") == [("- tabs",)]
    assert job(state, "status", "done_revision") == ("succeeded", 2)


def test_fresh_claim_is_not_taken_over(state: MemoryState) -> None:
    """Baseline, step 4: running and younger than the claimant's lease -> SkippedRunning."""
    claimed_of(state, "one", lease_ms=LEASE_MS)
    state.clock.advance(LEASE_MS - 1)
    before = state.tables()

    assert claim_of(state, "two", stale_after_ms=LEASE_MS) == SkippedRunning()
    assert claim_of(state, "two") == SkippedRunning()
    assert state.tables() == before


@pytest.mark.parametrize("stale_after_ms", [LEASE_MS, None])
def test_claim_exactly_as_old_as_its_lease_is_stolen(state: MemoryState, stale_after_ms: int | None) -> None:
    """Baseline, steps 4 and 5: fresh means strictly younger, so equal means expired. The owner's own lease decides
    where the claimant says nothing: that is mended."""
    first = claimed_of(state, "one", lease_ms=LEASE_MS)
    state.clock.advance(LEASE_MS)

    stolen = claimed_of(state, "two", stale_after_ms=stale_after_ms, process="process-2")
    assert stolen.fencing_number == first.fencing_number + 1
    assert job(state, "ownership_token", "owner_process") == ("two", "process-2")


def test_claimants_short_lease_steals_from_an_owner_with_a_long_one(state: MemoryState) -> None:
    """Baseline: it is the claimant's argument that counts, whatever the owner asked for."""
    claimed_of(state, "one", lease_ms=3_600_000)
    state.clock.advance(1_000)

    assert claim_of(state, "two", stale_after_ms=1_001) == SkippedRunning()
    assert claimed_of(state, "two", stale_after_ms=1_000).attempt == 2


def test_lease_of_nothing_steals_in_the_very_same_instant(state: MemoryState) -> None:
    """Baseline: lease 0 makes a job that was claimed just now stealable."""
    claimed_of(state, "one")

    assert isinstance(claim_of(state, "two", stale_after_ms=0), ExtractionClaimed)


def test_steal_clears_how_the_job_ended_before(state: MemoryState) -> None:
    """Baseline, step 5: the new claim empties finished_at and what the last end left."""
    claimed_of(state, "one")
    finish(state, "one", draft())
    grow(state, 2)
    claimed_of(state, "two")

    columns = "status", "finished_at_ms", "started_at_ms"
    assert job(state, *columns) == ("running", None, state.clock.wall_ms)


def test_second_of_two_claims_in_one_instant_is_skipped(state: MemoryState) -> None:
    """Baseline, step 5: the compare-and-set lets one of two racing claimants through."""
    claimed_of(state, "one", process="process-1")

    assert claim_of(state, "two", process="process-2") == SkippedRunning()


def test_claim_whose_reply_was_lost_is_granted_again(state: MemoryState) -> None:
    """Mended: the baseline minted the token itself, so a lost reply cost a whole lease."""
    first = claimed_of(state, "one", scope=TEAM)
    before = state.tables()

    assert claimed_of(state, "one", scope=TEAM) == first
    assert state.tables() == before


@pytest.mark.parametrize("wrong", ["never-granted", "stolen"])
def test_wrong_token_ends_nothing_and_renews_nothing(state: MemoryState, wrong: str) -> None:
    """Baseline: succeeded, failed and renew all need the current token of a running job, and answer False else."""
    claimed_of(state, "stolen")
    claimed_of(state, "owner", stale_after_ms=0)
    before = state.tables()

    assert finish(state, wrong, draft("forged")) == NotOwner()
    assert fail(state, wrong) == NotOwner()
    assert renew(state, wrong) == NotOwner()
    assert save_under_claim(state, wrong, "forged") == NotOwner()
    assert state.tables() == before


def test_token_of_a_job_that_ended_is_worth_nothing(state: MemoryState) -> None:
    """Baseline: the guard asks for status running too, so nobody ends a job twice."""
    claimed_of(state, "one")
    finish(state, "one", draft())
    before = state.tables()

    assert finish(state, "one", draft("again")) == NotOwner()
    assert fail(state, "one") == NotOwner()
    assert renew(state, "one") == NotOwner()
    assert save_under_claim(state, "one", "again") == NotOwner()
    assert state.tables() == before


def test_renewal_keeps_a_job_beyond_its_first_lease(state: MemoryState) -> None:
    """Baseline: renewal starts the lease anew from now."""
    claimed_of(state, "one", lease_ms=LEASE_MS)
    state.clock.advance(LEASE_MS - 1)
    assert isinstance(renew(state, "one"), Renewed)
    state.clock.advance(LEASE_MS - 1)

    assert claim_of(state, "two") == SkippedRunning()
    assert claim_of(state, "two", stale_after_ms=LEASE_MS) == SkippedRunning()
    state.clock.advance(1)
    assert isinstance(claim_of(state, "two", stale_after_ms=LEASE_MS), ExtractionClaimed)


def test_renewal_leaves_the_time_of_the_start_alone(state: MemoryState) -> None:
    """Mended: the baseline renewed by overwriting started_at."""
    claimed_of(state, "one")
    started_at_ms = state.clock.wall_ms
    state.clock.advance(1_000)
    renew(state, "one")

    assert job(state, "started_at_ms") == (started_at_ms,)


def test_late_renewal_revives_a_lease_that_nobody_stole(state: MemoryState) -> None:
    """Baseline: renewal does not ask whether the lease still lasts."""
    claimed_of(state, "one", lease_ms=LEASE_MS)
    state.clock.advance(10 * LEASE_MS)

    assert isinstance(renew(state, "one"), Renewed)
    assert claim_of(state, "two") == SkippedRunning()
    assert finish(state, "one", draft()) == ExtractionFinished(result=FinishResult.SAVED)


def test_late_renewal_after_a_steal_is_refused_and_the_thiefs_is_not(state: MemoryState) -> None:
    """Baseline: after a steal the old token gets False everywhere, the new one True."""
    claimed_of(state, "one", lease_ms=LEASE_MS)
    state.clock.advance(LEASE_MS)
    claimed_of(state, "two")

    assert renew(state, "one") == NotOwner()
    assert isinstance(renew(state, "two"), Renewed)
    assert finish(state, "one", draft("late")) == NotOwner()
    assert finish(state, "two", draft("in time")) == ExtractionFinished(result=FinishResult.SAVED)
    assert state.rows("SELECT raw_memory FROM memories") == [("- in time",)]


def test_watermark_of_a_finished_job_is_what_was_claimed(state: MemoryState) -> None:
    """Baseline: finalisation keeps the watermark of the claim, so what came meanwhile is not taken for done."""
    claimed_of(state, "one")
    grow(state, 2)
    finish(state, "one", draft())

    assert job(state, "done_revision") == (1,)
    assert claimed_of(state, "two").content_revision == 2


def test_deleted_thread_takes_its_jobs_along(state: MemoryState) -> None:
    """Baseline: ON DELETE CASCADE."""
    claimed_of(state, "one")
    claimed_of(state, "two", scope=TEAM)
    state.rows("DELETE FROM threads")

    assert state.rows("SELECT * FROM extraction_jobs") == []
    assert finish(state, "one", draft()) == NotOwner()
