"""The words of leases: who claims, what a renewal answers.

A claim is valid while its row holds its token. The token is random and minted by the asker, so that a claim whose
reply was lost can be asked again with the same token and is simply granted again.

What a claimant brings is checked where the request is made: a lease that was cut, or a number that was read as another
one, would be found out by nobody until two believe to own a row.
"""

from typing import Any

import attrs

from state.errors import InvalidRequestError
from state.ids import OwnershipToken, ProcessUuid

LEASE_MS_MAX = 24 * 3_600_000
"""The longest lease, so that no typing error can block a row for longer than a day."""

INTEGER_MAX = 2**63 - 1
"""The largest number that a row holds."""


def check_whole_number(low: int, high: int = INTEGER_MAX) -> Any:
    """A check of a field: a whole number from `low` to `high`, ends included, or None where the field allows it.

    A truth value and a number with a fraction are refused too: both compare with integers and are none.
    """

    def check(request: Any, field: "attrs.Attribute[Any]", value: object) -> None:
        if value is None and field.default is None:
            return
        # Not isinstance: a truth value is an int to Python.
        if type(value) is not int or not low <= value <= high:
            raise _refused(request, field, value, f"a whole number from {low} to {high}")

    return check


def check_text(request: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    """A check of a field: a text that says something."""
    if not _says_something(value):
        raise _refused(request, field, value, "a text that is not empty")


def check_owner(request: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    """A check of a field: an Owner whose process and worker say something."""
    if not isinstance(value, Owner) or not _says_something(value.process) or not _says_something(value.worker):
        raise _refused(request, field, value, "an Owner whose process and worker are texts that are not empty")


def _says_something(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _refused(request: Any, field: "attrs.Attribute[Any]", value: object, bound: str) -> InvalidRequestError:
    return InvalidRequestError(f"{type(request).__name__}.{field.name} must be {bound}, not {value!r}")


check_lease_ms = check_whole_number(1, LEASE_MS_MAX)
"""A check of a field: how long a lease lasts, 1 ms to 24 h."""


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
        at least that long ago; 0 takes it from anyone, and a negative number is the same as 0. For an operator's
        forced take-over.

    Raises:
      InvalidRequestError: a value that no claim can mean; it names the field, the value and the bound.
    """

    token: OwnershipToken = attrs.field(validator=check_text)
    owner: Owner = attrs.field(validator=check_owner)
    lease_ms: int = attrs.field(validator=check_lease_ms)
    stale_after_ms: int | None = attrs.field(default=None, validator=check_whole_number(-INTEGER_MAX - 1))


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
