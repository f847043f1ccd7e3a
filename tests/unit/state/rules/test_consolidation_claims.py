"""May a scope be claimed now: the lease, the back-off and the cool-down, for a claim of any scope and of this one."""

from typing import Any

import pytest

from state.errors import DamagedRowError, InvalidRequestError
from state.ids import OwnershipToken, ProcessUuid, Scope
from state.messages.consolidation import (
    HOME_SCOPE,
    ClaimConsolidation,
    ClaimScope,
    ConsolidationClaimed,
    MarkScopeDirty,
    NothingToConsolidate,
    ReleaseConsolidation,
    ScopeBackingOff,
    ScopeClean,
    ScopeCoolingDown,
    ScopeHeld,
)
from state.messages.leases import INTEGER_MAX
from state.messages.service import ReturnLeases
from state.rules.backoff import BACKOFF_MS_MAX, BACKOFF_MS_MIN
from tests.fakes.consolidation import BLOG, SHOP, claimed, fail, leave_unchanged, publish, remember
from tests.fakes.memory_state import MemoryState, terms

HOUR_MS = 3_600_000
COOLDOWN_MS = 6 * HOUR_MS


def ask_for(state: MemoryState, scope: Scope, token: str = "asking", **more: Any) -> Any:
    """Claim this scope."""
    only_if_dirty, cooldown_ms = more.pop("only_if_dirty", False), more.pop("cooldown_ms", 0)
    return state.ask(
        ClaimScope(terms=terms(token, **more), scope=scope, only_if_dirty=only_if_dirty, cooldown_ms=cooldown_ms)
    )


def ask_for_any(state: MemoryState, token: str = "asking", *, cooldown_ms: int = 0) -> Any:
    """Claim whatever is dirty."""
    return state.ask(ClaimConsolidation(terms=terms(token), cooldown_ms=cooldown_ms))


@pytest.fixture
def dirty(state: MemoryState) -> MemoryState:
    """A state with one dirty scope."""
    remember(state, 1)
    return state


@pytest.fixture
def done(dirty: MemoryState) -> MemoryState:
    """That scope was consolidated just now, and is dirty again. The home is clean."""
    claimed(dirty, "one")
    publish(dirty, "one")
    dirty.ask(MarkScopeDirty(scope=HOME_SCOPE, dirty=False))
    remember(dirty, 2)
    return dirty


def test_both_claims_say_the_same_of_a_scope_that_is_held(dirty: MemoryState) -> None:
    claimed(dirty, "one", process="process-2", lease_ms=1_000)
    dirty.clock.advance(400)

    refused = ask_for(dirty, SHOP)

    assert isinstance(refused, ScopeHeld)
    assert (refused.owner.process, refused.lease_left_ms) == (ProcessUuid("process-2"), 600)
    assert ask_for_any(dirty) == NothingToConsolidate(next_due_in_ms=600)


def test_both_claims_say_the_same_of_a_scope_that_backs_off(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    fail(dirty, "one", "the disk is full")
    dirty.clock.advance(BACKOFF_MS_MIN - 1)

    assert ask_for(dirty, SHOP) == ScopeBackingOff(reason="the disk is full", left_ms=1)
    assert ask_for_any(dirty) == NothingToConsolidate(next_due_in_ms=1)

    dirty.clock.advance(1)
    assert isinstance(ask_for(dirty, SHOP), ConsolidationClaimed)


def test_both_claims_say_the_same_of_a_scope_that_cools_down(done: MemoryState) -> None:
    done.clock.advance(COOLDOWN_MS - 1)

    assert ask_for(done, SHOP, cooldown_ms=COOLDOWN_MS) == ScopeCoolingDown(left_ms=1)
    assert ask_for_any(done, cooldown_ms=COOLDOWN_MS) == NothingToConsolidate(next_due_in_ms=1)

    done.clock.advance(1)
    assert ask_for_any(done, cooldown_ms=COOLDOWN_MS).scope == SHOP


def test_without_a_cool_down_a_scope_is_claimed_at_once(done: MemoryState) -> None:
    assert ask_for_any(done).scope == SHOP


@pytest.mark.parametrize("end", ["released", "died", "unchanged"])
def test_claim_that_came_to_nothing_does_not_end_the_cool_down(done: MemoryState, end: str) -> None:
    done.clock.advance(HOUR_MS)
    ask_for_any(done, "two")
    match end:
        case "released":
            done.ask(ReleaseConsolidation(token=OwnershipToken("two")))
        case "died":
            done.ask(ReturnLeases(process=ProcessUuid("process-1")))
        case _:
            leave_unchanged(done, "two")  # a success of its own, from which the rest is counted

    left_ms = COOLDOWN_MS if end == "unchanged" else COOLDOWN_MS - HOUR_MS
    assert ask_for(done, SHOP, cooldown_ms=COOLDOWN_MS) == ScopeCoolingDown(left_ms=left_ms)


def test_new_work_ends_neither_wait(done: MemoryState) -> None:
    remember(done, 3)
    done.ask(MarkScopeDirty(scope=SHOP, dirty=True))
    assert isinstance(ask_for(done, SHOP, cooldown_ms=COOLDOWN_MS), ScopeCoolingDown)

    ask_for_any(done, "two")
    fail(done, "two")
    remember(done, 4)
    done.ask(MarkScopeDirty(scope=SHOP, dirty=True))
    assert isinstance(ask_for(done, SHOP), ScopeBackingOff)


def test_failure_is_followed_by_its_back_off_and_not_by_a_cool_down(done: MemoryState) -> None:
    ask_for_any(done, "two")
    fail(done, "two")
    done.clock.advance(BACKOFF_MS_MIN)

    assert isinstance(ask_for(done, SHOP, cooldown_ms=COOLDOWN_MS), ConsolidationClaimed)


def test_home_takes_no_rest(done: MemoryState) -> None:
    ask_for(done, HOME_SCOPE, "home")
    publish(done, "home")
    done.ask(MarkScopeDirty(scope=HOME_SCOPE, dirty=True))

    assert ask_for_any(done, cooldown_ms=COOLDOWN_MS).scope == HOME_SCOPE


def test_home_backs_off_like_any_other(state: MemoryState) -> None:
    ask_for(state, HOME_SCOPE, "home")
    fail(state, "home")

    assert isinstance(ask_for(state, HOME_SCOPE), ScopeBackingOff)


def test_claimants_measure_of_staleness_overrules_the_lease_and_no_wait(done: MemoryState) -> None:
    assert isinstance(ask_for(done, SHOP, stale_after_ms=0, cooldown_ms=COOLDOWN_MS), ScopeCoolingDown)
    ask_for_any(done, "two")
    fail(done, "two")
    assert isinstance(ask_for(done, SHOP, stale_after_ms=0), ScopeBackingOff)


@pytest.mark.parametrize("wall_ms", [-(2**62), -HOUR_MS, 2**62])
def test_wall_clock_that_jumps_blocks_no_scope(done: MemoryState, wall_ms: int) -> None:
    """A success that lies ahead was written by another clock; it cools nothing down."""
    done.clock.wall_ms = wall_ms if abs(wall_ms) > HOUR_MS else done.clock.wall_ms + wall_ms

    assert isinstance(ask_for(done, SHOP, cooldown_ms=COOLDOWN_MS), ConsolidationClaimed)


def test_wall_clock_that_goes_back_by_a_day_ends_a_back_off(dirty: MemoryState) -> None:
    claimed(dirty, "one")
    fail(dirty, "one")
    dirty.clock.wall_ms -= BACKOFF_MS_MAX
    assert isinstance(ask_for(dirty, SHOP), ConsolidationClaimed)


def test_clean_scope_is_granted_unless_only_a_dirty_one_is_wanted(state: MemoryState) -> None:
    assert ask_for(state, BLOG, only_if_dirty=True) == ScopeClean()
    assert state.value("SELECT count(*) FROM scopes") == 0

    state.ask(MarkScopeDirty(scope=BLOG, dirty=False))
    assert ask_for(state, BLOG, only_if_dirty=True) == ScopeClean()
    assert isinstance(ask_for(state, BLOG), ConsolidationClaimed)


def test_scope_that_was_clean_when_it_was_claimed_is_covered_up_to_there(state: MemoryState) -> None:
    first = ask_for(state, SHOP, "one")
    state.ask(MarkScopeDirty(scope=SHOP, dirty=True))

    assert ask_for(state, SHOP, "one") == first
    assert first.inputs_mark == 0
    publish(state, "one")
    assert ask_for(state, SHOP, only_if_dirty=True).inputs_mark == 1


def test_owners_second_claim_is_granted_whatever_else_is_asked(done: MemoryState) -> None:
    first = ask_for(done, SHOP, "one")
    done.ask(MarkScopeDirty(scope=SHOP, dirty=False))

    assert ask_for(done, SHOP, "one", only_if_dirty=True, cooldown_ms=COOLDOWN_MS) == first


def test_token_that_holds_another_scope_is_refused_and_changes_nothing(dirty: MemoryState) -> None:
    ask_for(dirty, SHOP, "one")
    before = dirty.tables()

    with pytest.raises(Exception, match=r"UNIQUE constraint failed: scopes\.ownership_token"):
        ask_for(dirty, BLOG, "one")
    assert dirty.tables() == before


def test_scope_whose_fencing_number_cannot_grow_costs_only_itself(dirty: MemoryState) -> None:
    remember(dirty, 2, scope=BLOG)
    dirty.rows("UPDATE scopes SET fencing_number = ?, source_at_ms = 1 WHERE scope_key = ?", INTEGER_MAX, SHOP.key)
    before = dirty.tables()

    with pytest.raises(DamagedRowError, match="cwd:/home/ann/shop cannot grow"):
        ask_for(dirty, SHOP)
    assert dirty.tables() == before
    assert ask_for_any(dirty).scope == BLOG


@pytest.mark.parametrize("scope", [None, "cwd", Scope(kind="", key="/x"), Scope(kind=" ", key="")])
@pytest.mark.parametrize("message", [ClaimScope, MarkScopeDirty])
def test_scope_without_a_kind_is_refused(message: Any, scope: Any) -> None:
    more: dict[str, Any] = {"terms": terms("one")} if message is ClaimScope else {"dirty": True}

    with pytest.raises(InvalidRequestError, match=rf"{message.__name__}\.scope must be a Scope with a kind"):
        message(scope=scope, **more)


@pytest.mark.parametrize("cooldown_ms", [-1, 2**63, 0.5, True, None])
def test_cool_down_is_a_whole_number(cooldown_ms: Any) -> None:
    for make in (
        lambda: ClaimConsolidation(terms=terms("one"), cooldown_ms=cooldown_ms),
        lambda: ClaimScope(terms=terms("one"), scope=SHOP, cooldown_ms=cooldown_ms),
    ):
        with pytest.raises(InvalidRequestError, match="cooldown_ms must be a whole number from 0"):
            make()
