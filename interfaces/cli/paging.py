"""How much a listing command prints at a time. The rest is reached with the cursor that it names."""

from typing import Annotated

from cyclopts import Parameter

from interfaces.cli.errors import UsageError

LIMIT_DEFAULT = 25
LIMIT_MAX = 1000
"""A page is held in memory and printed whole."""

Limit = Annotated[int, Parameter(help=f"at most so many, 1 to {LIMIT_MAX}")]


def checked_limit(limit: int) -> int:
    """The limit, if it is one.

    Raises:
      UsageError: it is below 1 or above LIMIT_MAX.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise UsageError(f"--limit must be 1 to {LIMIT_MAX}")
    return limit
