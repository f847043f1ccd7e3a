"""Extraction jobs: every arrow of the diagram in state/rules/extraction.py."""

from typing import Any

import pytest

from state.ids import OwnershipToken, ProcessUuid, Scope
from state.messages.extraction import (
    ATTEMPTS_MAX,
    DeadLettered,
    ExtractionFinished,
    ExtractorId,
    FailureClass,
    FinishResult,
    LastExtraction,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    ReopenForExtractor,
    RetryScheduled,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import ReturnLeases
from state.rules.backoff import BACKOFF_MS_MIN
from tests.fakes.extraction import EMPTY, EXTRACTOR, claim, claimed, draft, fail, finish
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, path_of, thread_id

SHOP = Scope(kind="cwd", key="/home/ann/shop")


def job(state: MemoryState) -> dict[str, Any]:
    """The one job's columns that people look at."""
    names = (
        "status", "attempts", "given_back", "reason", "next_attempt_at_ms", "ownership_token", "scope_key",
        "claimed_revision", "done_revision", "fencing_number",
    )  # fmt: skip
    ((*values,),) = state.rows(f"SELECT {', '.join(names)} FROM extraction_jobs")
    return dict(zip(names, values, strict=True))


def grow(state: MemoryState, revision: int) -> None:
    """Let the thread's content change, so that it has this revision."""
    index(state, facts(1, content_digest=f"digest-{revision}"), size_bytes=100 + revision)
    assert state.value("SELECT content_revision FROM threads") == revision


def die(state: MemoryState, process: str = "process-1") -> None:
    """Let a process end; somebody who can take its lock returns what it held."""
    state.ask(ReturnLeases(process=ProcessUuid(process)))


@pytest.fixture
def indexed(state: MemoryState) -> MemoryState:
    """A state with one thread, and so with one pending job."""
    index(state, facts(1))
    return state


def test_new_content_makes_a_pending_job(indexed: MemoryState) -> None:
    assert (job(indexed)["status"], job(indexed)["attempts"]) == ("pending", 0)


def test_claim_says_what_to_read_and_counts_the_attempt(indexed: MemoryState) -> None:
    work = claimed(indexed, "one")

    assert (work.thread_id, work.scope, work.rollout_path) == (thread_id(1), SHOP, path_of(1))
    assert (work.content_revision, work.fencing_number, work.attempt, work.last) == (1, 1, 1, None)
    assert (job(indexed)["status"], job(indexed)["attempts"]) == ("running", 1)


def test_running_job_is_claimed_by_nobody_else(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert claim(indexed, "two") == NothingToExtract(next_due_in_ms=None)


def test_same_token_is_given_the_same_job_again(indexed: MemoryState) -> None:
    index(indexed, facts(2))
    first = claimed(indexed, "one")
    before = indexed.tables()

    assert claimed(indexed, "one") == first
    assert indexed.tables() == before


def test_newest_content_is_claimed_first_and_ties_go_by_id(state: MemoryState) -> None:
    index(state, facts(1, content_at_ms=CONTENT_AT_MS))
    index(state, facts(2, content_at_ms=CONTENT_AT_MS + 1))
    index(state, facts(3, content_at_ms=CONTENT_AT_MS))

    assert [claimed(state, token).thread_id for token in "abc"] == [thread_id(2), thread_id(3), thread_id(1)]


def test_finished_job_has_saved_its_memory_and_made_its_scope_dirty(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert finish(indexed, "one", draft("use tabs")) == ExtractionFinished(result=FinishResult.SAVED)

    assert (job(indexed)["status"], job(indexed)["attempts"], job(indexed)["ownership_token"]) == ("succeeded", 0, None)
    assert indexed.rows("SELECT raw_memory, source_at_ms FROM memories") == [("- use tabs", CONTENT_AT_MS)]
    assert indexed.rows("SELECT text, line FROM memory_notes") == [("use tabs", 1)]
    assert indexed.rows("SELECT scope_key, inputs_mark, consolidated_mark FROM scopes") == [(SHOP.key, 1, 0)]


def test_succeeded_job_is_not_claimed_again(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft())

    assert claim(indexed, "two") == NothingToExtract(next_due_in_ms=None)


def test_empty_answer_ends_the_job_and_saves_nothing(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert finish(indexed, "one", EMPTY) == ExtractionFinished(result=FinishResult.EMPTY)
    assert job(indexed)["status"] == "empty"
    assert indexed.rows("SELECT * FROM memories") == []
    assert indexed.rows("SELECT * FROM scopes") == []


def test_empty_answer_never_deletes_a_good_memory(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("use tabs"))
    grow(indexed, 2)
    claimed(indexed, "two")

    assert finish(indexed, "two", EMPTY) == ExtractionFinished(result=FinishResult.UNCHANGED)
    assert job(indexed)["status"] == "succeeded"
    assert indexed.rows("SELECT raw_memory FROM memories") == [("- use tabs",)]
    assert indexed.value("SELECT inputs_mark FROM scopes") == 1


@pytest.mark.parametrize(("first", "status"), [(draft(), "succeeded"), (EMPTY, "empty")])
def test_input_that_did_not_change_ends_the_job_without_a_model(indexed: MemoryState, first: Any, status: str) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", first)
    grow(indexed, 2)
    work = claimed(indexed, "two")
    assert work.last == LastExtraction(input_digest="input-1", extractor=EXTRACTOR)

    assert finish(indexed, "two", None) == ExtractionFinished(result=FinishResult.UNCHANGED)
    assert job(indexed)["status"] == status


def test_memory_that_is_what_it_was_leaves_its_scope_clean(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("use tabs"))
    grow(indexed, 2)
    claimed(indexed, "two")
    before = indexed.rows("SELECT * FROM memories"), indexed.rows("SELECT * FROM scopes")

    assert finish(indexed, "two", draft("use tabs")) == ExtractionFinished(result=FinishResult.UNCHANGED)
    assert (indexed.rows("SELECT * FROM memories"), indexed.rows("SELECT * FROM scopes")) == before


@pytest.mark.parametrize("second", [draft(), None], ids=["same-answer", "same-input"])
def test_memory_that_is_what_it_was_is_known_to_be_of_the_newer_content(indexed: MemoryState, second: Any) -> None:
    """The file may have been read before the row knew that it had grown; the next claim finds nothing new in it."""
    claimed(indexed, "t1")
    finish(indexed, "t1", draft())
    later_ms = CONTENT_AT_MS + 60_000
    index(indexed, facts(1, content_digest="digest-2", content_at_ms=later_ms), size_bytes=200)
    marked = indexed.value("SELECT inputs_mark FROM scopes")

    claimed(indexed, "t2")
    assert finish(indexed, "t2", second) == ExtractionFinished(result=FinishResult.UNCHANGED)

    assert indexed.value("SELECT source_at_ms FROM memories") == later_ms
    assert indexed.value("SELECT inputs_mark FROM scopes") == marked + 1, "its files say when the last session was"


def test_thread_that_grew_meanwhile_is_pending_at_once(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    grow(indexed, 2)

    assert finish(indexed, "one", draft()) == ExtractionFinished(result=FinishResult.SAVED)
    assert (job(indexed)["status"], job(indexed)["done_revision"]) == ("pending", 1)
    assert claimed(indexed, "two").content_revision == 2


def test_memory_is_stamped_later_with_every_change_also_within_one_millisecond(indexed: MemoryState) -> None:
    stamps = []
    for revision, text in enumerate(("one", "two", "three"), 1):
        if revision > 1:
            grow(indexed, revision)
        claimed(indexed, text)
        finish(indexed, text, draft(text))
        stamps.append(indexed.value("SELECT updated_at_ms FROM memories"))

    assert stamps == [indexed.clock.wall_ms, indexed.clock.wall_ms + 1, indexed.clock.wall_ms + 2]


def test_memory_is_stamped_later_also_after_the_wall_clock_went_back(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("one"))
    first = indexed.value("SELECT updated_at_ms FROM memories")
    indexed.clock.wall_ms -= 3_600_000
    grow(indexed, 2)
    claimed(indexed, "two")
    finish(indexed, "two", draft("two"))

    assert indexed.value("SELECT updated_at_ms FROM memories") == first + 1


def test_replaced_memory_keeps_how_often_it_was_used(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("one"))
    indexed.rows("UPDATE memories SET usage_count = 7, last_used_at_ms = 5")
    grow(indexed, 2)
    claimed(indexed, "two")
    finish(indexed, "two", draft("two"))

    assert indexed.rows("SELECT usage_count, last_used_at_ms, raw_memory FROM memories") == [(7, 5, "- two")]
    assert indexed.rows("SELECT text FROM memory_notes") == [("two",)]


def test_failed_job_waits_out_its_back_off_and_is_then_claimed_again(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    due_at_ms = indexed.clock.wall_ms + BACKOFF_MS_MIN
    assert fail(indexed, "one") == RetryScheduled(next_attempt_at_ms=due_at_ms)
    assert (job(indexed)["status"], job(indexed)["reason"]) == ("retry", "the model did not answer")

    indexed.clock.advance(BACKOFF_MS_MIN - 1)
    assert claim(indexed, "two") == NothingToExtract(next_due_in_ms=1)
    indexed.clock.advance(1)
    assert claimed(indexed, "two").attempt == 2


def test_longer_wait_that_the_model_asks_for_is_honoured(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert fail(indexed, "one", retry_after_ms=10 * BACKOFF_MS_MIN) == RetryScheduled(
        next_attempt_at_ms=indexed.clock.wall_ms + 10 * BACKOFF_MS_MIN
    )


def test_shorter_wait_that_the_model_asks_for_is_not(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert fail(indexed, "one", retry_after_ms=1) == RetryScheduled(
        next_attempt_at_ms=indexed.clock.wall_ms + BACKOFF_MS_MIN
    )


def test_failed_job_leaves_an_earlier_memory_in_place(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("use tabs"))
    grow(indexed, 2)
    claimed(indexed, "two")
    fail(indexed, "two", FailureClass.PERMANENT)

    assert indexed.rows("SELECT raw_memory FROM memories") == [("- use tabs",)]


def test_permanent_failure_is_a_dead_letter_with_its_reason(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert fail(indexed, "one", FailureClass.PERMANENT, reason="it is too large") == DeadLettered()
    assert (job(indexed)["status"], job(indexed)["reason"]) == ("dead", "it is too large")
    indexed.clock.advance(86_400_000)
    assert claim(indexed, "two") == NothingToExtract(next_due_in_ms=None)


def test_job_that_fails_as_often_as_it_may_is_a_dead_letter(indexed: MemoryState) -> None:
    outcomes = []
    for attempt in range(ATTEMPTS_MAX):
        claimed(indexed, f"token-{attempt}")
        outcomes.append(type(fail(indexed, f"token-{attempt}")))
        indexed.clock.advance(3_600_000)

    assert outcomes == [RetryScheduled] * (ATTEMPTS_MAX - 1) + [DeadLettered]
    assert job(indexed)["attempts"] == ATTEMPTS_MAX


def test_job_that_kills_its_owner_as_often_as_it_may_is_a_dead_letter_with_a_reason(indexed: MemoryState) -> None:
    for attempt in range(ATTEMPTS_MAX):
        assert claimed(indexed, f"token-{attempt}").attempt == attempt + 1
        die(indexed)

    assert claim(indexed, "last") == NothingToExtract(next_due_in_ms=None)
    assert job(indexed)["status"] == "dead"
    assert job(indexed)["reason"] == f"the process that worked on it ended {ATTEMPTS_MAX} times before it was done"


def test_job_whose_lease_runs_out_as_often_as_it_may_is_a_dead_letter_too(indexed: MemoryState) -> None:
    for attempt in range(ATTEMPTS_MAX):
        claimed(indexed, f"token-{attempt}", lease_ms=1_000)
        indexed.clock.advance(1_000)

    assert claim(indexed, "last") == NothingToExtract(next_due_in_ms=None)
    assert (job(indexed)["status"], job(indexed)["ownership_token"]) == ("dead", None)


def test_burying_one_job_gives_the_next_one_in_the_same_claim(indexed: MemoryState) -> None:
    for attempt in range(ATTEMPTS_MAX):
        claimed(indexed, f"token-{attempt}")
        die(indexed)
    index(indexed, facts(2, content_at_ms=CONTENT_AT_MS - 1))

    assert claimed(indexed, "next").thread_id == thread_id(2)


def test_reason_of_the_last_failure_outlives_the_owner_who_died_afterwards(indexed: MemoryState) -> None:
    claimed(indexed, "first")
    fail(indexed, "first", reason="the model did not answer")
    indexed.clock.advance(3_600_000)
    for attempt in range(ATTEMPTS_MAX - 1):
        claimed(indexed, f"token-{attempt}")
        die(indexed)
    claim(indexed, "last")

    assert (job(indexed)["status"], job(indexed)["reason"]) == ("dead", "the model did not answer")


def test_job_that_was_given_back_is_claimable_at_once_and_nothing_is_held_against_it(indexed: MemoryState) -> None:
    for number in range(3 * ATTEMPTS_MAX):
        claimed(indexed, f"token-{number}")
        assert indexed.ask(ReleaseExtraction(token=OwnershipToken(f"token-{number}"))) == Released()

    assert (job(indexed)["status"], job(indexed)["reason"]) == ("pending", None)
    assert claimed(indexed, "next").attempt == 3 * ATTEMPTS_MAX + 1


def test_deaths_are_counted_without_the_claims_that_were_given_back(indexed: MemoryState) -> None:
    for number in range(ATTEMPTS_MAX):
        claimed(indexed, f"given-back-{number}")
        indexed.ask(ReleaseExtraction(token=OwnershipToken(f"given-back-{number}")))
        claimed(indexed, f"died-{number}")
        die(indexed)
    claim(indexed, "last")

    assert job(indexed)["status"] == "dead"
    assert job(indexed)["reason"] == f"the process that worked on it ended {ATTEMPTS_MAX} times before it was done"


@pytest.mark.parametrize("ending", ["succeeded", "empty", "retry", "dead", "buried", "died", "given back"])
def test_new_content_reopens_every_ended_state_and_sets_the_attempts_back(indexed: MemoryState, ending: str) -> None:
    claimed(indexed, "first")
    die(indexed)
    claimed(indexed, "one")
    if ending == "succeeded":
        finish(indexed, "one", draft())
    elif ending == "empty":
        finish(indexed, "one", EMPTY)
    elif ending == "retry":
        fail(indexed, "one")
    elif ending == "dead":
        fail(indexed, "one", FailureClass.PERMANENT)
    elif ending == "buried":
        die(indexed)
        for number in range(ATTEMPTS_MAX - 2):
            claimed(indexed, f"token-{number}")
            die(indexed)
        claim(indexed, "last")
    elif ending == "died":
        die(indexed)
    else:
        indexed.ask(ReleaseExtraction(token=OwnershipToken("one")))

    grow(indexed, 2)

    row = job(indexed)
    assert (row["status"], row["attempts"], row["given_back"]) == ("pending", 0, 0)
    assert (row["reason"], row["next_attempt_at_ms"]) == (None, None)
    assert claimed(indexed, "again").content_revision == 2


@pytest.mark.parametrize("ending", ["retry", "dead", "died", "given back"])
@pytest.mark.parametrize("done_before", [False, True])
def test_reading_the_same_content_again_sets_nothing_back(indexed: MemoryState, ending: str, done_before: bool) -> None:
    if done_before:
        claimed(indexed, "earlier")
        finish(indexed, "earlier", draft())
        grow(indexed, 2)
    claimed(indexed, "first")
    die(indexed)
    claimed(indexed, "one")
    if ending == "retry":
        fail(indexed, "one")
    elif ending == "dead":
        fail(indexed, "one", FailureClass.PERMANENT)
    elif ending == "died":
        die(indexed)
    else:
        indexed.ask(ReleaseExtraction(token=OwnershipToken("one")))
    before = job(indexed)

    index(indexed, facts(1, content_digest="digest-2" if done_before else "digest-1"), mtime_ns=1)

    assert job(indexed) == before


def test_failure_of_an_older_content_is_not_held_against_the_newer_one(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    grow(indexed, 2)

    assert isinstance(fail(indexed, "one", FailureClass.PERMANENT), RetryScheduled)
    assert job(indexed)["attempts"] == 0


def test_newer_content_is_tried_although_the_older_one_killed_its_last_owner(indexed: MemoryState) -> None:
    for attempt in range(ATTEMPTS_MAX):
        claimed(indexed, f"token-{attempt}")
        if attempt == ATTEMPTS_MAX - 1:
            grow(indexed, 2)
        die(indexed)

    work = claimed(indexed, "next")
    assert (work.content_revision, work.attempt) == (2, 1)


def test_content_of_a_running_job_does_not_take_it_from_its_owner(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    grow(indexed, 2)

    assert job(indexed)["ownership_token"] == "one"
    assert isinstance(indexed.ask(RenewExtraction(token=OwnershipToken("one"), lease_ms=1_000)), Renewed)


def test_stale_job_is_stolen_with_a_higher_fencing_number(indexed: MemoryState) -> None:
    claimed(indexed, "one", lease_ms=1_000)
    indexed.clock.advance(999)
    assert isinstance(claim(indexed, "two", process="process-2"), NothingToExtract)
    indexed.clock.advance(1)

    stolen = claimed(indexed, "two", process="process-2")

    assert (stolen.fencing_number, stolen.attempt) == (2, 2)
    assert finish(indexed, "one", draft("late")) == NotOwner()
    assert indexed.rows("SELECT * FROM memories") == []


def test_forced_claim_takes_a_job_of_this_very_instant(indexed: MemoryState) -> None:
    claimed(indexed, "one")

    assert claimed(indexed, "two", stale_after_ms=0).fencing_number == 2


def test_late_renewal_before_any_steal_is_granted(indexed: MemoryState) -> None:
    claimed(indexed, "one", lease_ms=1_000)
    indexed.clock.advance(5_000)

    assert indexed.ask(RenewExtraction(token=OwnershipToken("one"), lease_ms=1_000)) == Renewed(
        lease_until_boot_ms=indexed.clock.boot_ms + 1_000
    )
    assert isinstance(claim(indexed, "two"), NothingToExtract)


def test_job_of_another_boot_is_claimed_at_once(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    indexed.clock.reboot()

    assert claimed(indexed, "two").attempt == 2


@pytest.mark.parametrize("wrong", ["never-granted", "stolen", "finished"])
def test_wrong_token_changes_nothing_at_all(indexed: MemoryState, wrong: str) -> None:
    index(indexed, facts(2, content_at_ms=CONTENT_AT_MS - 1))
    claimed(indexed, "finished")
    finish(indexed, "finished", draft("kept"))
    claimed(indexed, "stolen")
    claimed(indexed, "owner", stale_after_ms=0)
    before = indexed.tables()

    assert finish(indexed, wrong, draft("forged")) == NotOwner()
    assert fail(indexed, wrong, FailureClass.PERMANENT) == NotOwner()
    assert indexed.ask(RenewExtraction(token=OwnershipToken(wrong), lease_ms=1)) == NotOwner()
    assert indexed.ask(ReleaseExtraction(token=OwnershipToken(wrong))) == NotOwner()
    assert indexed.tables() == before


def test_thread_that_moves_takes_its_job_along_and_is_forgotten_where_it_was(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("use tabs"))
    marks = dict(indexed.rows("SELECT scope_key, inputs_mark FROM scopes"))

    index(indexed, facts(1, cwd="/home/ann/blog"), size_bytes=200)

    assert (job(indexed)["scope_key"], job(indexed)["status"]) == ("/home/ann/blog", "pending")
    assert indexed.rows("SELECT * FROM memories") == []
    assert indexed.rows("SELECT * FROM memory_notes") == []
    assert indexed.rows("SELECT scope_key, inputs_mark FROM scopes") == [(SHOP.key, marks[SHOP.key] + 1)]
    work = claimed(indexed, "two")
    assert (work.scope.key, work.last) == ("/home/ann/blog", None)


def test_owner_loses_the_job_of_a_thread_that_moved(indexed: MemoryState) -> None:
    first = claimed(indexed, "one")
    index(indexed, facts(1, cwd="/home/ann/blog"), size_bytes=200)

    assert finish(indexed, "one", draft("for the old folder")) == NotOwner()
    assert indexed.rows("SELECT * FROM memories") == []
    assert claimed(indexed, "two").fencing_number > first.fencing_number


def test_newer_version_of_the_extractor_opens_again_what_it_did_before(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("old"))
    newer = ExtractorId(name="builtin", version=2)

    assert indexed.ask(ReopenForExtractor(extractor=EXTRACTOR)) == 0
    assert indexed.ask(ReopenForExtractor(extractor=ExtractorId(name="other", version=9))) == 0
    assert indexed.ask(ReopenForExtractor(extractor=newer)) == 1
    assert indexed.ask(ReopenForExtractor(extractor=newer)) == 0
    assert claimed(indexed, "two").attempt == 1


def test_newer_version_opens_again_what_an_older_one_gave_up_after_a_success(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft("old"))
    grow(indexed, 2)
    claimed(indexed, "two")
    fail(indexed, "two", FailureClass.PERMANENT)

    assert indexed.ask(ReopenForExtractor(extractor=ExtractorId(name="builtin", version=2))) == 1
    assert (job(indexed)["status"], job(indexed)["attempts"], job(indexed)["reason"]) == ("pending", 0, None)


def test_deleted_thread_takes_its_job_and_its_memory_along(indexed: MemoryState) -> None:
    claimed(indexed, "one")
    finish(indexed, "one", draft())
    indexed.rows("DELETE FROM threads")

    assert indexed.rows("SELECT * FROM extraction_jobs") == []
    assert indexed.rows("SELECT * FROM memory_notes") == []
