"""What a request about a scope may do."""

from typing import Any

from chaos.requests.deed import BACKOFF_MS, BLANK, Deed, Expected, WrongError, backoff_ms, freed, owned
from chaos.rows import Lease, ScopeState
from state.messages.consolidation import (
    ClaimScope,
    ConsolidationClaimed,
    ConsolidationPublished,
    NothingToConsolidate,
    ScopeBackingOff,
    ScopeClean,
    ScopeHeld,
)

HOME = "home:"


def claim_scope(deed: Deed) -> Expected:
    terms, reply = deed.request.terms, deed.reply
    mine = deed.held_by("consolidation", terms.token)
    if isinstance(reply, NothingToConsolidate):
        for scope, state in deed.before.scopes.items():
            is_free = deed.is_over(deed.lease(("consolidation", scope)), terms.stale_after_ms)
            if state.inputs_mark > state.consolidated_mark and is_free and not _is_backing_off(deed, state):
                raise WrongError(f"scope {scope} is dirty and free: {state}")
        return Expected()
    scope = _scope(reply.scope if isinstance(reply, ConsolidationClaimed) else deed.request.scope)
    key, state = ("consolidation", scope), deed.before.scopes.get(scope, BLANK)
    lease = deed.lease(key)
    is_free = deed.is_over(lease, terms.stale_after_ms)
    if not isinstance(reply, ConsolidationClaimed):
        if mine == scope:
            raise WrongError("its token has the scope")
        if isinstance(reply, ScopeHeld) and is_free:
            raise WrongError(f"at {deed.boot_ms} nobody else has it: {lease}")
        if isinstance(reply, ScopeBackingOff) and not _is_backing_off(deed, state):
            raise WrongError(f"at {deed.wall_ms} it does not wait: {state}")
        if isinstance(reply, ScopeClean) and state.inputs_mark > state.consolidated_mark:
            raise WrongError(f"it is dirty: {state}")
        # A refusal makes the row of a scope that had none.
        return Expected() if scope in deed.before.scopes or scope not in deed.after.scopes else _made(scope, lease)
    if mine is not None:
        deed.must_be_told(lease.fencing_number)
        again = isinstance(deed.request, ClaimScope)
        return Expected(leases={key: deed.renewed(lease, terms.lease_ms)} if again else {})
    if not is_free:
        raise WrongError(f"at {deed.boot_ms} it was held: {lease}")
    if _is_backing_off(deed, state):
        raise WrongError(f"at {deed.wall_ms} it waits: {state}")
    deed.must_be_told(lease.fencing_number + 1)
    return Expected(
        leases={key: deed.granted(lease, terms)}, scopes={scope: state._replace(claimed_mark=state.inputs_mark)}
    )


def _made(scope: str, lease: Lease) -> Expected:
    return Expected(leases={("consolidation", scope): lease}, scopes={scope: BLANK})


def _is_backing_off(deed: Deed, state: ScopeState) -> bool:
    left_ms = (state.next_attempt_at_ms or 0) - deed.wall_ms
    return 0 < left_ms <= BACKOFF_MS[1]


def _scope(scope: Any) -> str:
    return f"{scope.kind}:{scope.key}"


def release_scope(deed: Deed) -> Expected:
    scope = owned(deed, "consolidation")
    return Expected() if scope is None else _scope_ended(deed, scope, deed.before.scopes[scope])


def _scope_ended(deed: Deed, scope: str, state: ScopeState) -> Expected:
    key = ("consolidation", scope)
    return Expected(leases={key: freed(deed.lease(key))}, scopes={scope: state._replace(claimed_mark=None)})


def fail_scope(deed: Deed) -> Expected:
    scope = owned(deed, "consolidation")
    if scope is None:
        return Expected()
    state = deed.before.scopes[scope]
    due_ms = deed.wall_ms + backoff_ms(state.attempts + 1, deed.request.jitter_permille)
    if deed.reply.next_attempt_at_ms != due_ms:
        raise WrongError(f"it was told {deed.reply.next_attempt_at_ms}, and waits until {due_ms}")
    return _scope_ended(deed, scope, state._replace(attempts=state.attempts + 1, next_attempt_at_ms=due_ms))


def publish(deed: Deed) -> Expected:
    scope = owned(deed, "consolidation")
    if scope is None:
        return Expected()
    request, state = deed.request, deed.before.scopes[scope]
    if request.staged != isinstance(deed.reply, ConsolidationPublished):
        raise WrongError("it does not say whether there is a new generation")
    state = state._replace(
        consolidated_mark=max(state.consolidated_mark, state.claimed_mark or 0), attempts=0, next_attempt_at_ms=None
    )
    if request.staged:
        state = state._replace(generation=state.generation + 1, generation_folder=request.generation_folder)
    expected = _scope_ended(deed, scope, state)
    if request.selected:
        expected.marked[scope] += 1
    if scope != HOME and request.staged:
        home = deed.before.scopes.get(HOME, BLANK)
        expected.scopes[HOME] = home._replace(inputs_mark=home.inputs_mark + 1)
        expected.leases["consolidation", HOME] = deed.lease(("consolidation", HOME))
    elif scope != HOME:
        expected.marked[HOME] += 1
    return expected


def mark(deed: Deed) -> Expected:
    scope = _scope(deed.request.scope)
    state = deed.before.scopes.get(scope, BLANK)
    if deed.request.dirty:
        state = state._replace(inputs_mark=state.inputs_mark + 1)
    else:
        state = state._replace(consolidated_mark=max(state.consolidated_mark, state.inputs_mark))
    return Expected(leases={("consolidation", scope): deed.lease(("consolidation", scope))}, scopes={scope: state})
