"""The words of leases: who claims, what a renewal answers.

A claim is valid while its row holds its token. The token is random and minted by the asker, so that a claim whose
reply was lost can be asked again with the same token and is simply granted again.
"""

import attrs

from state.ids import OwnershipToken, ProcessUuid


@attrs.frozen(kw_only=True)
class Owner:
    """Who holds a lease: a process (by its fresh UUID, never its pid) and the worker within it."""

    process: ProcessUuid
    worker: str


@attrs.frozen(kw_only=True)
class ClaimTerms:
    """What a claimant brings.

    Attributes:
      token: fresh and random; becomes the ownership token if the claim is granted.
      lease_ms: how long the lease lasts unless renewed, 1 ms to 24 h.
      stale_after_ms: None lets the owner's lease decide. A number takes the row from any owner that last renewed
        at least that long ago; 0 takes it from anyone. For an operator's forced take-over.
    """

    token: OwnershipToken
    owner: Owner
    lease_ms: int
    stale_after_ms: int | None = None


@attrs.frozen(kw_only=True)
class Renewed:
    """The lease was extended; lease_until_boot_ms is on the machine's boot clock."""

    lease_until_boot_ms: int


@attrs.frozen(kw_only=True)
class NotOwner:
    """The token is not the row's token (any more). Nothing was changed; the work must not be saved."""


@attrs.frozen(kw_only=True)
class Released:
    """The lease was given back; the row can be claimed at once."""
