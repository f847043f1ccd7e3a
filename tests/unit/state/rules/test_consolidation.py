"""Consolidation: dirty marks, one publisher at a time, and a link that never goes back."""

import os
from pathlib import Path
from typing import Any

import pytest

from state.ids import OwnershipToken, ProcessUuid, Scope
from state.messages.consolidation import (
    HOME_SCOPE,
    ConsolidationPublished,
    ConsolidationTotals,
    ConsolidationUnchanged,
    GetConsolidationTotals,
    GetHomeGeneration,
    ListPublishedScopes,
    LoadScopeMemories,
    NothingPublished,
    NothingToConsolidate,
    PointCurrent,
    Pointed,
    ReleaseConsolidation,
    RenewConsolidation,
    ReportGenerationLost,
)
from state.messages.extraction import RetryScheduled
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import ReturnLeases
from state.rules.backoff import BACKOFF_MS_MIN
from state.rules.scopes import scope_folder
from tests.fakes.consolidation import BLOG, SHOP, claim, claimed, fail, leave_unchanged, publish, remember
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, path_of, thread_id

NOTHING = NothingToConsolidate(next_due_in_ms=None)


def scope_row(state: MemoryState, key: str = SHOP.key) -> dict[str, Any]:
    """The columns of a scope that tell where it stands."""
    names = (
        "inputs_mark", "consolidated_mark", "claimed_mark", "generation", "generation_folder", "attempts", "reason",
        "next_attempt_at_ms", "ownership_token", "fencing_number", "source_at_ms",
    )  # fmt: skip
    ((*values,),) = state.rows(f"SELECT {', '.join(names)} FROM scopes WHERE scope_key = ?", key)
    return dict(zip(names, values, strict=True))


def loaded(state: MemoryState, *, limit: int = 10, unused_ms_max: int | None = None) -> list[str]:
    """The ids of the memories that the shop's files are made of."""
    memories = state.ask(LoadScopeMemories(scope=SHOP, limit=limit, unused_ms_max=unused_ms_max))
    return [memory.thread_id for memory in memories]


@pytest.fixture
def dirty(state: MemoryState) -> MemoryState:
    """A state with one dirty scope."""
    remember(state, 1)
    return state


def test_clean_state_has_nothing_to_consolidate(state: MemoryState) -> None:
    assert claim(state, "one") == NOTHING


def test_dirty_scope_is_claimed_with_all_that_its_owner_needs(dirty: MemoryState) -> None:
    job = claimed(dirty, "one")

    assert (job.scope, job.scope_folder, job.inputs_mark) == (SHOP, scope_folder(SHOP), 1)
    assert (job.fencing_number, job.published_digest) == (1, None)


def test_claimed_scope_is_claimed_by_nobody_else_until_its_lease_ends(dirty: MemoryState) -> None:
    claimed(dirty, "one", lease_ms=1_000)
    dirty.clock.advance(400)
    assert claim(dirty, "two") == NothingToConsolidate(next_due_in_ms=600)

    dirty.clock.advance(600)
    assert claimed(dirty, "two").fencing_number == 2


def test_same_token_is_given_the_same_scope_again(dirty: MemoryState) -> None:
    first = claimed(dirty, "one")
    remember(dirty, 2)
    before = dirty.tables()

    assert claimed(dirty, "one") == first
    assert dirty.tables() == before


@pytest.mark.parametrize("stale_after_ms", [0, -1])
def test_forced_claim_takes_a_scope_of_this_very_instant(dirty: MemoryState, stale_after_ms: int) -> None:
    claimed(dirty, "one")

    assert claimed(dirty, "two", stale_after_ms=stale_after_ms).fencing_number == 2


def test_scope_of_another_boot_is_claimed_at_once(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    dirty.clock.reboot()

    assert claimed(dirty, "two").fencing_number == 2


def test_published_scope_is_clean_and_makes_the_home_dirty(dirty: MemoryState) -> None:
    claimed(dirty, "one")

    assert publish(dirty, "one") == ConsolidationPublished(generation=1)

    row = scope_row(dirty)
    assert (row["inputs_mark"], row["consolidated_mark"], row["claimed_mark"]) == (1, 1, None)
    assert (row["generation"], row["generation_folder"], row["ownership_token"]) == (1, "generations/shop/one", None)
    assert claimed(dirty, "two").scope == HOME_SCOPE


def test_published_home_makes_nothing_dirty(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    claimed(dirty, "two")

    assert publish(dirty, "two") == ConsolidationPublished(generation=1)
    assert claim(dirty, "three") == NOTHING


def test_memory_saved_during_a_consolidation_leaves_the_scope_dirty(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    remember(dirty, 2)
    publish(dirty, "one")

    row = scope_row(dirty)
    assert (row["inputs_mark"], row["consolidated_mark"]) == (2, 1)
    again = claimed(dirty, "two")
    assert (again.scope, again.inputs_mark) == (SHOP, 2)


def test_files_that_would_be_the_same_make_no_generation_and_no_dirty_home(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    claimed(dirty, "home")
    publish(dirty, "home")
    remember(dirty, 1, text="again")
    assert claimed(dirty, "two").published_digest == "digest-1"

    assert leave_unchanged(dirty, "two") == ConsolidationUnchanged()

    row = scope_row(dirty)
    assert (row["inputs_mark"], row["consolidated_mark"], row["generation"]) == (2, 2, 1)
    assert claim(dirty, "three") == NOTHING


def test_scope_whose_files_stay_the_same_is_known_to_be_of_the_newer_content(dirty: MemoryState) -> None:
    """The home-wide files have the most recent project first, whether its own files changed or not."""
    claimed(dirty, "one")
    publish(dirty, "one", source_at_ms=100)
    home = claimed(dirty, "home")
    assert home.scope == HOME_SCOPE
    publish(dirty, "home")
    remember(dirty, 1, text="again")
    claimed(dirty, "two")

    assert leave_unchanged(dirty, "two", source_at_ms=200) == ConsolidationUnchanged()

    assert scope_row(dirty)["source_at_ms"] == 200
    assert claimed(dirty, "home-again").scope == HOME_SCOPE


def test_late_owner_publishes_nothing(dirty: MemoryState) -> None:
    claimed(dirty, "late", lease_ms=1_000)
    dirty.clock.advance(1_000)
    claimed(dirty, "new")
    publish(dirty, "new")
    before = dirty.tables()

    assert publish(dirty, "late") == NotOwner()
    assert dirty.tables() == before
    assert scope_row(dirty)["generation_folder"] == "generations/shop/new"


def test_owner_whose_lease_ended_may_publish_as_long_as_nobody_took_the_scope(dirty: MemoryState) -> None:
    claimed(dirty, "late", lease_ms=1_000)
    dirty.clock.advance(5_000)

    assert publish(dirty, "late") == ConsolidationPublished(generation=1)


@pytest.mark.parametrize("wrong", ["never-granted", "stolen", "published"])
def test_wrong_token_changes_nothing_at_all(dirty: MemoryState, wrong: str) -> None:
    claimed(dirty, "published")
    publish(dirty, "published")
    remember(dirty, 2)
    claimed(dirty, "stolen")
    claimed(dirty, "owner", stale_after_ms=0)
    before = dirty.tables()

    assert publish(dirty, wrong) == NotOwner()
    assert leave_unchanged(dirty, wrong) == NotOwner()
    assert fail(dirty, wrong) == NotOwner()
    assert dirty.ask(RenewConsolidation(token=OwnershipToken(wrong), lease_ms=1)) == NotOwner()
    assert dirty.ask(ReleaseConsolidation(token=OwnershipToken(wrong))) == NotOwner()
    assert dirty.tables() == before


def test_renewal_extends_the_lease(dirty: MemoryState) -> None:
    claimed(dirty, "one", lease_ms=1_000)
    dirty.clock.advance(999)

    assert dirty.ask(RenewConsolidation(token=OwnershipToken("one"), lease_ms=1_000)) == Renewed(
        lease_until_boot_ms=dirty.clock.boot_ms + 1_000
    )
    dirty.clock.advance(999)
    assert claim(dirty, "two") == NothingToConsolidate(next_due_in_ms=1)


def test_scope_that_was_given_back_stays_dirty_and_is_claimable_at_once(dirty: MemoryState) -> None:
    claimed(dirty, "one")

    assert dirty.ask(ReleaseConsolidation(token=OwnershipToken("one"))) == Released()
    assert claimed(dirty, "two").fencing_number == 2


def test_scope_of_a_dead_process_stays_dirty_and_is_claimable_at_once(dirty: MemoryState) -> None:
    claimed(dirty, "one")

    assert dirty.ask(ReturnLeases(process=ProcessUuid("process-1"))).consolidations == 1
    assert scope_row(dirty)["claimed_mark"] is None
    assert claimed(dirty, "two").fencing_number == 2


def test_home_comes_after_all_others(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    remember(dirty, 2, scope=BLOG)

    assert claimed(dirty, "two").scope == BLOG
    assert claimed(dirty, "three").scope == HOME_SCOPE


def test_failed_scope_waits_out_its_back_off(dirty: MemoryState) -> None:
    claimed(dirty, "one")

    assert fail(dirty, "one") == RetryScheduled(next_attempt_at_ms=dirty.clock.wall_ms + BACKOFF_MS_MIN)

    assert (scope_row(dirty)["attempts"], scope_row(dirty)["reason"]) == (1, "the disk is full")
    dirty.clock.advance(BACKOFF_MS_MIN - 1)
    assert claim(dirty, "two") == NothingToConsolidate(next_due_in_ms=1)
    dirty.clock.advance(1)
    claimed(dirty, "two")
    assert fail(dirty, "two") == RetryScheduled(next_attempt_at_ms=dirty.clock.wall_ms + 2 * BACKOFF_MS_MIN)


def test_new_work_does_not_erase_the_back_off(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    fail(dirty, "one")
    remember(dirty, 2)

    assert claim(dirty, "two") == NothingToConsolidate(next_due_in_ms=BACKOFF_MS_MIN)


def test_success_forgets_the_failures_before_it(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    fail(dirty, "one")
    dirty.clock.advance(BACKOFF_MS_MIN)
    claimed(dirty, "two")
    publish(dirty, "two")

    row = scope_row(dirty)
    assert (row["attempts"], row["reason"], row["next_attempt_at_ms"]) == (0, None, None)


def test_scope_that_waits_does_not_hold_up_the_others(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    fail(dirty, "one")
    remember(dirty, 2, scope=BLOG)

    assert claimed(dirty, "two").scope == BLOG


def test_link_names_the_rows_generation_and_pointing_again_changes_nothing(dirty: MemoryState, tmp_path: Path) -> None:
    link = tmp_path / "memories" / "scopes" / scope_folder(SHOP)
    assert dirty.ask(PointCurrent(scope=SHOP)) == NothingPublished()
    claimed(dirty, "one")
    publish(dirty, "one")

    assert dirty.ask(PointCurrent(scope=SHOP)) == Pointed(generation_folder="generations/shop/one", changed=True)
    assert dirty.ask(PointCurrent(scope=SHOP)) == Pointed(generation_folder="generations/shop/one", changed=False)
    assert os.readlink(link) == "../generations/shop/one"


def test_link_never_goes_back(dirty: MemoryState, tmp_path: Path) -> None:
    """An owner that published, slept, and asks for its link only after its successor did, repeats the truth."""
    link = tmp_path / "memories" / "scopes" / scope_folder(SHOP)
    claimed(dirty, "slow")
    publish(dirty, "slow")
    remember(dirty, 2)
    claimed(dirty, "new")
    publish(dirty, "new")
    dirty.ask(PointCurrent(scope=SHOP))

    assert dirty.ask(PointCurrent(scope=SHOP)) == Pointed(generation_folder="generations/shop/new", changed=False)
    assert os.readlink(link) == "../generations/shop/new"


def test_what_agents_read_stands_at_the_top_and_follows_the_home(dirty: MemoryState, tmp_path: Path) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    claimed(dirty, "home")
    publish(dirty, "home")

    dirty.ask(PointCurrent(scope=HOME_SCOPE))

    memories = tmp_path / "memories"
    assert os.readlink(memories / "current") == "generations/shop/home"
    assert os.readlink(memories / "memory_summary.md") == "current/memory_summary.md"
    assert os.readlink(memories / "MEMORY.md") == "current/MEMORY.md"


def test_lost_generation_is_written_again_with_nothing_to_compare_with(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    report = ReportGenerationLost(scope=SHOP, generation_folder="generations/shop/one")

    assert dirty.ask(report) is True
    assert dirty.ask(report) is False
    assert claimed(dirty, "two").published_digest is None


def test_loss_of_a_folder_that_is_not_the_rows_is_nobodys_loss(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    before = dirty.tables()

    assert dirty.ask(ReportGenerationLost(scope=SHOP, generation_folder="generations/shop/older")) is False
    assert dirty.tables() == before


def test_memories_come_with_all_that_a_citation_needs(dirty: MemoryState) -> None:
    (memory,) = dirty.ask(LoadScopeMemories(scope=SHOP, limit=10, unused_ms_max=None))

    assert (memory.thread_id, memory.rollout_path, memory.cwd) == (thread_id(1), path_of(1), SHOP.key)
    assert (memory.git_branch, memory.source_at_ms) == ("main", CONTENT_AT_MS)
    assert [note.text for note in memory.notes] == ["memory 1"]


def test_memories_are_those_of_exactly_this_scope_in_the_order_of_their_ids(state: MemoryState) -> None:
    for number in (3, 1, 2):
        remember(state, number)
    remember(state, 4, scope=BLOG)
    remember(state, 5, scope=Scope(kind="cwd", key=SHOP.key + "/"))

    assert loaded(state) == [thread_id(1), thread_id(2), thread_id(3)]


def test_memories_of_threads_that_nobody_wants_remembered_are_left_out(state: MemoryState) -> None:
    remember(state, 1)
    remember(state, 2)
    remember(state, 3)
    index(state, facts(2, memory_mode="polluted", content_digest="memory 2"), size_bytes=300)
    state.rows("UPDATE memories SET invalidated_at_ms = 1 WHERE thread_id = ?", thread_id(3))

    assert loaded(state) == [thread_id(1)]


def test_best_memories_are_the_most_used_and_then_the_newest(state: MemoryState) -> None:
    for number in range(1, 5):
        remember(state, number, content_at_ms=CONTENT_AT_MS + number)
    state.rows("UPDATE memories SET usage_count = 9 WHERE thread_id = ?", thread_id(1))

    assert loaded(state, limit=2) == [thread_id(1), thread_id(4)]
    assert loaded(state, limit=0) == []


def test_memory_that_was_unused_for_exactly_as_long_as_it_may_is_kept(state: MemoryState) -> None:
    remember(state, 1)
    age_ms = state.clock.wall_ms - CONTENT_AT_MS

    assert loaded(state, unused_ms_max=age_ms) == [thread_id(1)]
    assert loaded(state, unused_ms_max=age_ms - 1) == []
    state.rows("UPDATE memories SET last_used_at_ms = ?", CONTENT_AT_MS + 1)
    assert loaded(state, unused_ms_max=age_ms - 1) == [thread_id(1)]


def test_published_scopes_are_listed_newest_content_first_without_the_home(state: MemoryState) -> None:
    remember(state, 1)
    claimed(state, "one")
    publish(state, "one", source_at_ms=5)
    remember(state, 2, scope=BLOG)
    claimed(state, "two")
    publish(state, "two", source_at_ms=9)
    claimed(state, "home")
    publish(state, "home")

    assert [one.scope for one in state.ask(ListPublishedScopes())] == [BLOG, SHOP]


def test_scope_whose_files_hold_no_memory_is_not_listed(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one", memories=0)

    assert dirty.ask(ListPublishedScopes()) == ()


def test_the_homes_generation_is_known_once_it_is_published(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    assert dirty.ask(GetHomeGeneration()) is None
    claimed(dirty, "home")
    publish(dirty, "home", source_at_ms=7)
    home = dirty.ask(GetHomeGeneration())

    assert home is not None
    assert (home.scope, home.generation, home.source_at_ms) == (HOME_SCOPE, 1, 7)
    assert home.generation_folder == "generations/shop/home"


def test_totals_count_projects_and_not_the_home(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    publish(dirty, "one")
    remember(dirty, 2, scope=BLOG)
    claimed(dirty, "two")
    fail(dirty, "two")

    assert dirty.ask(GetConsolidationTotals()) == ConsolidationTotals(
        scopes=2, dirty=1, running=0, failing=1, published=1
    )


def test_totals_of_an_empty_state_are_zero(state: MemoryState) -> None:
    assert state.ask(GetConsolidationTotals()) == ConsolidationTotals(
        scopes=0, dirty=0, running=0, failing=0, published=0
    )
