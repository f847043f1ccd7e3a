"""What a rule sees of the database: a few verbs, no engine.

With SQLite every await returns at once, so the store's thread drives a rule by itself; another engine may really wait.
SQL uses named parameters (`:name`) and stays in the subset that SQLite and PostgreSQL share where it can.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import attrs

T = TypeVar("T")

SqlValue = int | float | str | bytes | None


@attrs.frozen(kw_only=True)
class Edit:
    """What was said of one field of a thread, and when (Unix ms). None clears the field."""

    value: str | None
    edited_at_ms: int


@attrs.frozen(kw_only=True)
class JournalEntry:
    """What one request said of a thread.

    Attributes:
      values: by field; None clears the field. Empty: the thread is forgotten, and what was said of it before with it.
    """

    thread_id: str
    edited_at_ms: int
    values: Mapping[str, str | None]


class Transaction(Protocol):
    """One open transaction. Everything that a rule does through it is kept together or not at all."""

    async def one(self, shape: Callable[..., T], sql: str, /, **parameters: SqlValue) -> T | None:
        """Answer the first row as shape(**columns), or None when there is none."""
        ...

    async def all(self, shape: Callable[..., T], sql: str, /, **parameters: SqlValue) -> list[T]:
        """Answer every row as shape(**columns), in the statement's order."""
        ...

    async def count(self, sql: str, /, **parameters: SqlValue) -> int:
        """Answer the one integer of the one row that the statement gives; 0 when there is no row."""
        ...

    async def execute(self, sql: str, /, **parameters: SqlValue) -> int:
        """Change rows; answer how many were changed. The number is the verdict of a guarded write."""
        ...

    async def execute_each(self, sql: str, rows: Sequence[Mapping[str, SqlValue]], /) -> None:
        """Run one statement that gives no rows once for each mapping of parameters, in their order.

        How many rows each run changed is not told: whoever needs a verdict asks before, in the same transaction.
        """
        ...

    async def point(self, link: str, target: str) -> bool:
        """Make `link`, a path in the memories folder, name `target` atomically; answer whether it named another.

        One of the two things that a transaction does outside the database. It happens while the write lock is held, so
        that what the link names is never older than what the rows say.
        """
        ...

    async def journal(self, entry: JournalEntry) -> None:
        """Have the entry on disk outside the database. The last thing that a rule does.

        The other thing outside the database. An entry whose transaction then fails is not taken back: it was asked
        for, and comes back when the database is rebuilt. A deletion takes the thread's entries out.

        Raises:
          JournalError: it could not be written.
        """
        ...

    async def journaled(self, thread_id: str) -> Mapping[str, Edit]:
        """Answer what the journal holds of a thread, by field: for a thread whose row is new to this database.

        Raises:
          JournalError: the journal is there and could not be read.
        """
        ...

    async def journaled_among(self, thread_ids: Sequence[str]) -> frozenset[str]:
        """Answer of which of these threads the journal holds something. Raises as `journaled` does."""
        ...


def in_list(name: str, values: Sequence[str]) -> tuple[str, dict[str, SqlValue]]:
    """Write `IN (...)` for `values` with numbered parameters; an empty list gives a list that holds nothing.

    Returns:
      The text, and the parameters to pass with it.
    """
    parameters: dict[str, SqlValue] = {f"{name}_{number}": value for number, value in enumerate(values)}
    return f"IN ({', '.join(':' + key for key in parameters) or 'NULL'})", parameters
