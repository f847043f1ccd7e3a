"""The Transaction of rules, on an APSW connection. Every await in here returns at once."""

import os
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from state.folder import sync_folder
from state.journal import Journal
from state.transaction import Edit, JournalEntry, SqlValue

T = TypeVar("T")


class RuleSuspendedError(Exception):
    """A rule awaited something that is not its transaction: a bug in the rule."""


def drive(rule: Coroutine[Any, Any, T]) -> T:
    """Run a rule to its end without an event loop.

    Raises:
      RuleSuspendedError: the rule tried to wait; it was closed.
      Exception: whatever the rule raised.
    """
    try:
        rule.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    rule.close()
    raise RuleSuspendedError("a rule waited for something other than its transaction")


class SqliteTransaction:
    """What rules see of one connection. Beginning and ending the transaction is the caller's business.

    A connection that only reads has no journal.
    """

    def __init__(self, connection: apsw.Connection, memories_dir: Path, journal: Journal | None = None) -> None:
        self._connection = connection
        self._memories_dir = memories_dir
        self._journal = journal
        # Column names by statement text: rules use a fixed set of texts, but for lists of varying length.
        self._names: dict[str, tuple[str, ...]] = {}

    async def one(self, shape: Callable[..., T], sql: str, /, **parameters: SqlValue) -> T | None:
        cursor = self._connection.execute(sql, parameters)
        row = cursor.fetchone()
        if row is None:
            return None
        names = self._columns(sql, cursor)
        cursor.close()
        return shape(**dict(zip(names, row, strict=True)))

    async def all(self, shape: Callable[..., T], sql: str, /, **parameters: SqlValue) -> list[T]:
        cursor = self._connection.execute(sql, parameters)
        first = cursor.fetchone()
        if first is None:
            return []
        names = self._columns(sql, cursor)
        rows = [shape(**dict(zip(names, first, strict=True)))]
        rows.extend(shape(**dict(zip(names, row, strict=True))) for row in cursor)
        return rows

    async def count(self, sql: str, /, **parameters: SqlValue) -> int:
        cursor = self._connection.execute(sql, parameters)
        row = cursor.fetchone()
        cursor.close()
        if row is None:
            return 0
        (number,) = row
        assert isinstance(number, int), "count() is for statements that answer one integer"
        return number

    async def execute(self, sql: str, /, **parameters: SqlValue) -> int:
        for _ in self._connection.execute(sql, parameters):
            pass
        return self._connection.changes()

    async def execute_each(self, sql: str, rows: Sequence[Mapping[str, SqlValue]], /) -> None:
        self._connection.executemany(sql, rows)

    async def point(self, link: str, target: str) -> bool:
        return point_link(self._memories_dir, link, target)

    async def journal(self, entry: JournalEntry) -> None:
        assert self._journal is not None, "a connection that only reads has no journal"
        self._journal.append(entry)

    async def journaled(self, thread_id: str) -> Mapping[str, Edit]:
        assert self._journal is not None, "a connection that only reads has no journal"
        return self._journal.edits_of(thread_id)

    async def journaled_among(self, thread_ids: Sequence[str]) -> frozenset[str]:
        assert self._journal is not None, "a connection that only reads has no journal"
        return self._journal.named_among(thread_ids)

    def _columns(self, sql: str, cursor: apsw.Cursor) -> tuple[str, ...]:
        names = self._names.get(sql)
        if names is None:
            names = tuple(column[0] for column in cursor.get_description())
            if len(self._names) < 500:  # enough for every fixed text; lists of odd lengths are looked up again
                self._names[sql] = names
        return names


def point_link(memories_dir: Path, link: str, target: str) -> bool:
    """Make memories_dir/link a symbolic link to memories_dir/target, by one atomic rename.

    Returns:
      True when the link named something else, or nothing, before. Asking again is safe.
    """
    path = memories_dir / link
    wanted = os.path.relpath(memories_dir / target, path.parent)
    try:
        if os.readlink(path) == wanted:
            return False
    except OSError:
        # Missing, or not a link: a real folder in this place is somebody's mistake, and the rename below says so.
        pass
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.symlink(wanted, temporary)
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    sync_folder(path.parent)
    return True
