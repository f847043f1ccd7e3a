"""Who may consolidate a scope: one judgement for whoever asks for any scope and for whoever asks for this one.

    clean --memory saved--> dirty --claim--> held --publish--> clean, cooling down where that is asked for
                              ^               |------fail----> dirty, backing off
                              |               |------release-> dirty
                              +-- new work makes a scope dirtier; it ends neither a back-off nor a cool-down

Both waits belong to the row: a claim that was given back, or whose owner died, leaves them as they were. They are wall
time, which people set; so a wait that began later than now, or is longer than any back-off, is none.
"""

import attrs

from state.errors import DamagedRowError
from state.ids import Instant, Scope
from state.messages.consolidation import (
    HOME_SCOPE,
    ClaimConsolidation,
    ClaimScope,
    ConsolidationClaimed,
    MarkScopeDirty,
    NothingToConsolidate,
    ReleaseConsolidation,
    RenewConsolidation,
    ScopeBackingOff,
    ScopeClean,
    ScopeCoolingDown,
    ScopeHeld,
    ScopeMarked,
)
from state.messages.leases import ClaimTerms, NotOwner, Released, Renewed
from state.rules import leases
from state.rules.backoff import BACKOFF_MS_MAX
from state.rules.scopes import mark_scope_dirty, scope_folder
from state.transaction import Transaction

OWNED = " WHERE ownership_token = :token"
_KEY = " WHERE scope_kind = :kind AND scope_key = :key"


@attrs.frozen(kw_only=True)
class ScopeRow(leases.LeaseRow):
    """What decides about a scope, and what its owner is told."""

    scope_kind: str
    scope_key: str
    inputs_mark: int
    consolidated_mark: int
    claimed_mark: int | None
    fencing_number: int
    generation: int
    published_digest: str | None
    attempts: int
    next_attempt_at_ms: int | None
    finished_at_ms: int | None
    reason: str | None

    @property
    def scope(self) -> Scope:
        """Which one it is."""
        return Scope(kind=self.scope_kind, key=self.scope_key)

    @property
    def is_dirty(self) -> bool:
        """Its memories changed since it was consolidated."""
        return self.inputs_mark > self.consolidated_mark

    @property
    def can_be_fenced(self) -> bool:
        """False when the fencing number cannot grow: nothing of ours has written it."""
        return leases.can_be_fenced(self.fencing_number)

    def claimed(self, fencing_number: int, mark: int) -> ConsolidationClaimed:
        """The reply to a claim that is granted."""
        return ConsolidationClaimed(
            scope=self.scope,
            scope_folder=scope_folder(self.scope),
            inputs_mark=mark,
            fencing_number=fencing_number,
            published_digest=self.published_digest,
        )

    def claimed_again(self) -> ConsolidationClaimed:
        """The reply to the token's owner: what it was told the first time."""
        return self.claimed(self.fencing_number, self.inputs_mark if self.claimed_mark is None else self.claimed_mark)


SCOPE = (
    f"SELECT {leases.COLUMNS}, scope_kind, scope_key, inputs_mark, consolidated_mark, claimed_mark, fencing_number,"
    " generation, published_digest, attempts, next_attempt_at_ms, finished_at_ms, reason FROM scopes"
)
"""SELECT that makes a ScopeRow."""


def why_not_now(
    row: ScopeRow, at: Instant, *, stale_after_ms: int | None = None, cooldown_ms: int = 0
) -> ScopeHeld | ScopeBackingOff | ScopeCoolingDown | None:
    """Say why the scope cannot be claimed at this moment; None when it can. Whether it is dirty is not asked here.

    A claimant's stale_after_ms overrules the owner's lease and nothing else.
    """
    if row.owner is not None and leases.is_held(row, at, stale_after_ms):
        return ScopeHeld(owner=row.owner, lease_left_ms=max(leases.lease_left_ms(row, at), 0))
    back_off_left_ms = (row.next_attempt_at_ms or 0) - at.wall_ms
    if row.next_attempt_at_ms is not None and 0 < back_off_left_ms <= BACKOFF_MS_MAX:
        return ScopeBackingOff(reason=row.reason or "", left_ms=back_off_left_ms)
    if row.scope != HOME_SCOPE and row.finished_at_ms is not None and row.reason is None:
        age_ms = at.wall_ms - row.finished_at_ms
        if 0 <= age_ms < cooldown_ms:
            return ScopeCoolingDown(left_ms=cooldown_ms - age_ms)
    return None


async def claim_consolidation(
    tx: Transaction, request: ClaimConsolidation, at: Instant
) -> ConsolidationClaimed | NothingToConsolidate:
    """Claim the first dirty scope that may be claimed; the home comes after all others."""
    mine = await tx.one(ScopeRow, SCOPE + OWNED, token=request.terms.token)
    if mine is not None:
        return mine.claimed_again()
    due_in_ms: list[int] = []
    limit = _JUDGED_AT_ONCE
    while True:
        rows = await _dirty_scopes(tx, request, at, limit)
        for row in rows:
            refusal = why_not_now(row, at, stale_after_ms=request.terms.stale_after_ms, cooldown_ms=request.cooldown_ms)
            if refusal is None:
                return await _grant(tx, row, request.terms, at)
            due_in_ms.append(refusal.lease_left_ms if isinstance(refusal, ScopeHeld) else refusal.left_ms)
        if len(rows) < limit:
            break
        limit *= _JUDGED_AT_ONCE
    due_in_ms += await _ends_of_waits(tx, request, at)
    return NothingToConsolidate(next_due_in_ms=min(due_in_ms, default=None))


_DIRTY = f" WHERE inputs_mark > consolidated_mark AND {leases.CAN_BE_FENCED}"
_BACKS_OFF = (
    "next_attempt_at_ms IS NOT NULL AND next_attempt_at_ms > :wall_ms"
    f" AND next_attempt_at_ms <= :wall_ms + {BACKOFF_MS_MAX}"
)
_RESTS = (
    f"NOT (scope_kind = '{HOME_SCOPE.kind}' AND scope_key = '{HOME_SCOPE.key}') AND reason IS NULL"
    " AND finished_at_ms IS NOT NULL AND finished_at_ms <= :wall_ms AND finished_at_ms > :wall_ms - :cooldown_ms"
)
"""What `why_not_now` says of a scope that nobody has claimed, in SQL, so that those that wait are passed by in the
index. It still judges each that is not, and a property test holds the two against each other."""

_JUDGED_AT_ONCE = 16
"""Scopes that are read for a claim. The first can be claimed, unless it is held, and few are held at a time."""


async def _dirty_scopes(tx: Transaction, request: ClaimConsolidation, at: Instant, limit: int) -> list[ScopeRow]:
    """The first dirty scopes, without those that surely wait; recent content first, and the home last."""
    return await tx.all(
        ScopeRow,
        f"{SCOPE} INDEXED BY scopes_dirty{_DIRTY}"
        f" AND NOT (ownership_token IS NULL AND (({_BACKS_OFF}) OR ({_RESTS})))"
        # Written as the index is, with the kind of the home as a text, or it would not be taken for its order.
        f" ORDER BY scope_kind = '{HOME_SCOPE.kind}', coalesce(source_at_ms, 0) DESC, scope_kind, scope_key"
        " LIMIT :limit",
        wall_ms=at.wall_ms,
        cooldown_ms=request.cooldown_ms,
        limit=limit,
    )


async def _ends_of_waits(tx: Transaction, request: ClaimConsolidation, at: Instant) -> list[int]:
    """In how many ms the first back-off and the first rest end, among dirty scopes that nobody has claimed."""
    free = f"{_DIRTY} AND ownership_token IS NULL"
    left_ms = await tx.count(
        "SELECT coalesce(min(next_attempt_at_ms) - :wall_ms, 0) FROM scopes INDEXED BY scopes_backing_off"
        f"{free} AND {_BACKS_OFF}",
        wall_ms=at.wall_ms,
    )
    ends = [left_ms] if left_ms else []
    if request.cooldown_ms:
        left_ms = await tx.count(
            "SELECT coalesce(min(finished_at_ms) + :cooldown_ms - :wall_ms, 0) FROM scopes INDEXED BY scopes_resting"
            f"{free} AND {_RESTS} AND NOT ({_BACKS_OFF})",
            wall_ms=at.wall_ms,
            cooldown_ms=request.cooldown_ms,
        )
        ends += [left_ms] if left_ms else []
    return ends


async def claim_scope(
    tx: Transaction, request: ClaimScope, at: Instant
) -> ConsolidationClaimed | ScopeHeld | ScopeBackingOff | ScopeCoolingDown | ScopeClean:
    """Claim this scope, or renew the claim of the token's owner."""
    row = await scope_row(tx, request.scope)
    if row is not None and row.ownership_token == request.terms.token:
        renewed = await tx.execute(
            f"UPDATE scopes SET {leases.RENEW}{OWNED}",
            **leases.renew_parameters(request.terms.token, request.terms.lease_ms, at),
        )
        assert renewed == 1, "the row was just seen to be held by this token"
        return row.claimed_again()
    if request.only_if_dirty and (row is None or not row.is_dirty):
        return ScopeClean()
    if row is None:
        await _insert_clean(tx, request.scope)
        row = await scope_row(tx, request.scope)
        assert row is not None, "it was just inserted"
    refusal = why_not_now(row, at, stale_after_ms=request.terms.stale_after_ms, cooldown_ms=request.cooldown_ms)
    if refusal is not None:
        return refusal
    if not row.can_be_fenced:
        raise DamagedRowError(
            f"the fencing number of {row.scope_kind}:{row.scope_key} cannot grow any more; nothing of memoryd wrote it"
        )
    return await _grant(tx, row, request.terms, at)


async def scope_row(tx: Transaction, scope: Scope) -> ScopeRow | None:
    """The row of this scope, or None."""
    return await tx.one(ScopeRow, SCOPE + _KEY, kind=scope.kind, key=scope.key)


async def _insert_clean(tx: Transaction, scope: Scope) -> None:
    await tx.execute(
        "INSERT INTO scopes (scope_kind, scope_key, inputs_mark, consolidated_mark, generation, published_memories,"
        " attempts, fencing_number) VALUES (:kind, :key, 0, 0, 0, 0, 0, 0)"
        " ON CONFLICT (scope_kind, scope_key) DO NOTHING",
        kind=scope.kind,
        key=scope.key,
    )


async def _grant(tx: Transaction, row: ScopeRow, terms: ClaimTerms, at: Instant) -> ConsolidationClaimed:
    # When it last ended stays: the cool-down is counted from there, also after a claim that came to nothing.
    await tx.execute(
        f"UPDATE scopes SET {leases.GRANT}, claimed_mark = inputs_mark{_KEY}",
        **leases.grant_parameters(terms, at),
        kind=row.scope_kind,
        key=row.scope_key,
    )
    return row.claimed(row.fencing_number + 1, row.inputs_mark)


async def renew_consolidation(tx: Transaction, request: RenewConsolidation, at: Instant) -> Renewed | NotOwner:
    """Extend the lease of the token's owner, late or not."""
    changed = await tx.execute(
        f"UPDATE scopes SET {leases.RENEW}{OWNED}",
        **leases.renew_parameters(request.token, request.lease_ms, at),
    )
    return Renewed(lease_until_boot_ms=leases.lease_until(request.lease_ms, at)) if changed else NotOwner()


async def release_consolidation(tx: Transaction, request: ReleaseConsolidation, at: Instant) -> Released | NotOwner:
    """Give the scope back; it stays as dirty as it was."""
    changed = await tx.execute(
        f"UPDATE scopes SET {leases.FREE}, claimed_mark = NULL{OWNED}",
        token=request.token,
    )
    return Released() if changed else NotOwner()


async def mark_scope(tx: Transaction, request: MarkScopeDirty, at: Instant) -> ScopeMarked:
    """Mark the scope as told, within this transaction."""
    if request.dirty:
        await mark_scope_dirty(tx, request.scope)
    else:
        await _insert_clean(tx, request.scope)
        await tx.execute(
            f"UPDATE scopes SET consolidated_mark = max(consolidated_mark, inputs_mark){_KEY}",
            kind=request.scope.kind,
            key=request.scope.key,
        )
    row = await scope_row(tx, request.scope)
    assert row is not None, "marking makes the row"
    return ScopeMarked(is_dirty=row.is_dirty, inputs_mark=row.inputs_mark)
