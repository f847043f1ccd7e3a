"""The baseline's dirty flag of a scope: `mark_memory_scope_dirty(kind, key, bool)`, an upsert."""

from collections.abc import Iterator

import pytest

from state.ids import OwnershipToken, Scope
from state.messages.consolidation import (
    HOME_SCOPE,
    ClaimScope,
    ConsolidationUnchanged,
    MarkScopeDirty,
    ReleaseConsolidation,
    ScopeClean,
    ScopeMarked,
)
from tests.fakes.consolidation import BLOG, SHOP, claim, claimed, leave_unchanged, remember
from tests.fakes.memory_state import MemoryState, terms


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """A state in which no scope has a row."""
    state = MemoryState()
    yield state
    state.close()


def mark(state: MemoryState, dirty: bool, scope: Scope = SHOP) -> ScopeMarked:
    """Set or clear the flag."""
    return state.ask(MarkScopeDirty(scope=scope, dirty=dirty))


def is_dirty(state: MemoryState, scope: Scope = SHOP) -> bool:
    """Whether the scope would be claimed as a dirty one."""
    token = OwnershipToken(f"look at {scope.key}")
    reply = state.ask(ClaimScope(terms=terms(token), scope=scope, only_if_dirty=True))
    state.ask(ReleaseConsolidation(token=token))
    return reply != ScopeClean()


@pytest.mark.parametrize("dirty", [True, False])
def test_flag_of_a_scope_without_a_row_is_inserted(state: MemoryState, dirty: bool) -> None:
    """Baseline: no row -> insert with the flag as told."""
    assert mark(state, dirty).is_dirty is dirty
    assert is_dirty(state) is dirty
    assert state.rows("SELECT scope_kind, scope_key FROM scopes") == [("cwd", SHOP.key)]


@pytest.mark.parametrize("flags", [(True, False), (False, True), (True, True), (False, False), (True, False, True)])
def test_flag_is_what_was_said_last(state: MemoryState, flags: tuple[bool, ...]) -> None:
    """Baseline: on conflict the flag is replaced; there is one row a scope."""
    for flag in flags:
        mark(state, flag)

    assert is_dirty(state) is flags[-1]
    assert state.value("SELECT count(*) FROM scopes") == 1


def test_flags_of_two_scopes_do_not_meet(state: MemoryState) -> None:
    """Baseline: the key is kind and key together, compared exactly."""
    mark(state, True, SHOP)
    mark(state, False, BLOG)
    mark(state, True, Scope(kind="other", key=BLOG.key))

    assert [is_dirty(state, scope) for scope in (SHOP, BLOG)] == [True, False]


def test_marked_scope_is_claimed_and_a_cleared_one_is_not(state: MemoryState) -> None:
    """Baseline: the consolidation looks at the flag by itself. Here the claim does."""
    mark(state, True)
    assert claimed(state, "one").scope == SHOP
    state.ask(ReleaseConsolidation(token=OwnershipToken("one")))

    mark(state, False)
    assert not hasattr(claim(state, "two"), "scope")


def test_clearing_covers_only_what_was_there(state: MemoryState) -> None:
    """Baseline: clearing races with new work, which is lost. Here what is saved after the one transaction counts."""
    remember(state, 1)
    mark(state, False)
    assert not is_dirty(state)

    remember(state, 2)
    assert is_dirty(state)


def test_consolidation_in_work_does_not_make_a_cleared_scope_dirty_again(state: MemoryState) -> None:
    """Beyond the baseline: marks never go back, whoever ends later."""
    mark(state, True)
    claimed(state, "one")
    mark(state, True)
    mark(state, False)

    assert leave_unchanged(state, "one") == ConsolidationUnchanged()
    assert not is_dirty(state)


def test_flag_touches_no_claim(state: MemoryState) -> None:
    """Baseline: flag and lock are two tables."""
    mark(state, True)
    claimed(state, "one")
    lease = state.rows("SELECT ownership_token, fencing_number, lease_until_boot_ms, claimed_mark FROM scopes")

    mark(state, True)
    mark(state, False)

    assert state.rows("SELECT ownership_token, fencing_number, lease_until_boot_ms, claimed_mark FROM scopes") == lease


def test_home_has_a_flag_like_any_other_scope(state: MemoryState) -> None:
    """Beyond the baseline, which knows no scope for everything."""
    assert mark(state, True, HOME_SCOPE) == ScopeMarked(is_dirty=True, inputs_mark=1)
    assert claimed(state, "one").scope == HOME_SCOPE
