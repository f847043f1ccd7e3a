"""Statements that fail on purpose, at the place where SQLite would fail.

busy            BEGIN IMMEDIATE answers that somebody else has the write lock
refused         a statement fails with an I/O error; the transaction lives on
void            the same, and SQLite ends the whole transaction with it
full            a statement finds the disk full, and the transaction ends
commit lost     COMMIT fails, and nothing was kept
commit kept     COMMIT fails, and everything was kept all the same
"""

from collections.abc import Callable

import apsw
import attrs

KINDS = ("busy", "refused", "void", "full", "commit lost", "commit kept")


@attrs.define
class SqlFault:
    """One failure to come. left: how many statements of its sort still go well."""

    kind: str
    left: int

    def concerns(self, sql: str) -> bool:
        """Say whether this statement is of the sort that it lets fail."""
        if self.kind == "busy":
            return sql == "BEGIN IMMEDIATE"
        if self.kind.startswith("commit"):
            return sql == "COMMIT"
        return sql.startswith(("UPDATE", "INSERT", "DELETE", "SELECT"))


def is_writing(connection: apsw.Connection) -> bool:
    """Say whether it is in the middle of a transaction that writes. What only reads has nothing to lose at its end."""
    return connection.txn_state("main") == apsw.SQLITE_TXN_WRITE


def fail_if_due(faults: list[SqlFault], connection: apsw.Connection, sql: str, hit: Callable[[str], None]) -> None:
    """Raise what the first due fault says; it is used up then.

    Raises:
      apsw.Error: as SQLite would.
    """
    for fault in faults:
        if not fault.concerns(sql) or (fault.kind != "busy" and not is_writing(connection)):
            continue
        if fault.left > 0:
            fault.left -= 1
            continue
        faults.remove(fault)
        _fail(fault.kind, connection, hit)


def _fail(kind: str, connection: apsw.Connection, hit: Callable[[str], None]) -> None:
    hit(f"sql: {kind}")
    if kind == "busy":
        raise apsw.BusyError("database is locked (on purpose)")
    if kind == "commit kept":
        connection.execute("COMMIT")
        raise apsw.IOError("disk I/O error (on purpose, after the commit)")
    if kind != "refused":
        connection.execute("ROLLBACK")
    if kind == "full":
        raise apsw.FullError("database or disk is full (on purpose)")
    raise apsw.IOError("disk I/O error (on purpose)")
