"""Finding a row by the beginning of its id, as people type it."""

import attrs

from state.ids import ThreadId
from state.transaction import Transaction

SIMILAR_MAX = 5
"""How many candidates an ambiguous beginning names; more would not help a person to choose."""


@attrs.frozen(kw_only=True)
class _Id:
    id: ThreadId


async def ids_with_prefix(tx: Transaction, table: str, column: str, prefix: str) -> list[ThreadId]:
    """The exact id alone if there is one, else up to SIMILAR_MAX ids that begin with `prefix`, in ascending order.

    `table` and `column` are names from the code, never from a person. An empty prefix matches nothing.
    """
    wanted = prefix.strip().lower()
    if not wanted:
        return []
    rows = await tx.all(
        _Id,
        f"SELECT DISTINCT {column} AS id FROM {table} WHERE {column} >= :prefix AND {column} < :end"
        f" ORDER BY {column} LIMIT {SIMILAR_MAX}",
        prefix=wanted,
        end=wanted + "\U0010ffff",
    )
    ids = [row.id for row in rows]
    return [ThreadId(wanted)] if wanted in ids else ids
