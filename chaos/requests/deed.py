"""One request with the rows around it, and the words in which a model says what must become of them."""

from collections import Counter
from typing import Any

import attrs

from chaos.rows import Job, Lease, RowKey, Rows, ScopeState
from state.messages.leases import LEASE_MS_MAX, ClaimTerms, NotOwner

BACKOFF_MS = (30_000, 3_600_000)
"""The first wait after a failure and the longest one."""

BLANK = ScopeState(0, 0, None, 0, None, 0, None)
FREE = Lease(None, None, None, 0, None, None, None)


class WrongError(Exception):
    """What a request did cannot be. The text says why."""


@attrs.define
class Expected:
    """How rows must look afterwards, as far as they differ from before.

    Attributes:
      marked: scopes whose inputs mark may have grown by so much besides, as it pleases.
      memories: those that may have changed.
    """

    leases: dict[RowKey, Lease] = attrs.field(factory=dict)
    jobs: dict[str, Job] = attrs.field(factory=dict)
    scopes: dict[str, ScopeState] = attrs.field(factory=dict)
    marked: Counter[str] = attrs.field(factory=Counter)
    memories: set[tuple[str, str]] = attrs.field(factory=set)

    def add(self, later: "Expected") -> None:
        """Let something else become of the rows after this."""
        self.leases.update(later.leases)
        self.jobs.update(later.jobs)
        self.scopes.update(later.scopes)
        self.marked += later.marked
        self.memories |= later.memories

    def over(self, rows: Rows) -> Rows:
        """The rows as far as it is told what they are afterwards."""
        if not (self.leases or self.jobs or self.scopes):
            return rows
        return attrs.evolve(
            rows,
            leases={**rows.leases, **self.leases},
            jobs={**rows.jobs, **self.jobs},
            scopes={**rows.scopes, **self.scopes},
        )


@attrs.frozen(kw_only=True)
class Deed:
    """One request, what it was answered, and the rows around it."""

    request: Any
    reply: Any
    before: Rows
    after: Rows
    boot_ms: int
    wall_ms: int
    boot_id: str

    # --- words ----------------------------------------------------------------------------------------------------

    def lease(self, key: RowKey) -> Lease:
        return self.before.leases.get(key, FREE)

    def held_by(self, kind: str, token: str) -> str | None:
        """The key of the row of this kind that has the token."""
        for (of, key), lease in self.before.leases.items():
            if of == kind and lease.token == token:
                return key
        return None

    def is_over(self, lease: Lease, stale_after_ms: int | None = None) -> bool:
        """Say whether somebody else may have the row: equal means expired."""
        if None in (lease.token, lease.process, lease.until_boot_ms, lease.renewed_boot_ms):
            return True
        assert lease.until_boot_ms is not None, "just looked at"
        assert lease.renewed_boot_ms is not None, "just looked at"
        if lease.boot_id != self.boot_id:
            return True
        if stale_after_ms is not None:
            return self.boot_ms - lease.renewed_boot_ms >= max(stale_after_ms, 0)
        return not self.boot_ms < lease.until_boot_ms <= self.boot_ms + LEASE_MS_MAX

    def granted(self, lease: Lease, terms: ClaimTerms) -> Lease:
        """The lease of a claim that is granted now."""
        return Lease(
            process=terms.owner.process,
            worker=terms.owner.worker,
            token=terms.token,
            fencing_number=lease.fencing_number + 1,
            boot_id=self.boot_id,
            until_boot_ms=self.boot_ms + terms.lease_ms,
            renewed_boot_ms=self.boot_ms,
        )

    def renewed(self, lease: Lease, lease_ms: int) -> Lease:
        """The lease after a renewal."""
        until = self.boot_ms + lease_ms
        return lease._replace(boot_id=self.boot_id, until_boot_ms=until, renewed_boot_ms=self.boot_ms)

    def must_be_told(self, number: int) -> None:
        """A claim is answered by the fencing number that its row has."""
        if self.reply.fencing_number != number:
            raise WrongError(f"its claim is number {number}, and it was told {self.reply.fencing_number}")


def freed(lease: Lease) -> Lease:
    """The same row without an owner."""
    return FREE._replace(fencing_number=lease.fencing_number)


def owned(deed: Deed, kind: str) -> str | None:
    """The row that the request's token owns; None when it must be, and was, refused."""
    key = deed.held_by(kind, deed.request.token)
    if key is None and not isinstance(deed.reply, NotOwner):
        raise WrongError("nobody has its token")
    if key is not None and isinstance(deed.reply, NotOwner):
        raise WrongError(f"its token has {kind} {key}")
    return key


def backoff_ms(failures: int, jitter_permille: int) -> int:
    first, longest = BACKOFF_MS
    whole: int = min(first * 2 ** min(max(failures, 1) - 1, 30), longest)
    return whole // 2 + whole // 2 * min(max(jitter_permille, 0), 1000) // 1000
