"""The state in memory: rules run on it one at a time, without a store around them."""

from pathlib import Path
from typing import Any, TypeVar

import apsw

from state.ids import OwnershipToken, ProcessUuid
from state.journal import MemoryJournal
from state.messages.base import Request
from state.messages.leases import ClaimTerms, Owner
from state.migrate import migrate
from state.rules.registry import RULES
from state.sqlite_transaction import SqliteTransaction, drive
from tests.fakes.clock import ManualClock

ReplyT = TypeVar("ReplyT")

Tables = dict[str, list[tuple[Any, ...]]]
"""Every row of every table, by table name."""


class MemoryState:
    """A migrated database that no disk holds, the journal beside it, and the clock that its rules are told."""

    def __init__(self, memories_dir: Path = Path("/nowhere"), *, journal: MemoryJournal | None = None) -> None:
        self.clock = ManualClock()
        self.journal = journal or MemoryJournal()
        self._connection = apsw.Connection(":memory:")
        self._connection.pragma("foreign_keys", True)
        migrate(self._connection)
        self._transaction = SqliteTransaction(self._connection, memories_dir, self.journal)
        self._tables = [
            str(name) for (name,) in self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Run the request's rule now; a rule that raises leaves nothing behind."""
        with self._connection:
            reply: ReplyT = drive(RULES[type(request)](self._transaction, request, self.clock()))
        return reply

    def tables(self) -> Tables:
        """A picture of everything that is stored, to compare with another one."""
        return {table: list(self._connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")) for table in self._tables}

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Answer the rows of any statement."""
        return list(self._connection.execute(sql, parameters))

    def value(self, sql: str, *parameters: Any) -> Any:
        """Answer the first column of the one row of any statement."""
        ((value, *_),) = self.rows(sql, *parameters)
        return value

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


def terms(
    token: str, *, process: str = "process-1", lease_ms: int = 60_000, stale_after_ms: int | None = None
) -> ClaimTerms:
    """What the claimant `process` brings."""
    return ClaimTerms(
        token=OwnershipToken(token),
        owner=Owner(process=ProcessUuid(process), worker="worker"),
        lease_ms=lease_ms,
        stale_after_ms=stale_after_ms,
    )
