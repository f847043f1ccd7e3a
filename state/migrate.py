"""Migrations: plain numbered files, each run in one transaction, each proven to have run to its last statement.

A file is called NNNN_verb_noun.sql and ends with `PRAGMA user_version = NNNN;`. SQLite keeps that number inside the
transaction, so reading it back proves that every statement before it ran. Landed files never change.
"""

import functools
import re
from collections.abc import Sequence
from importlib import resources

import apsw
import attrs

from state.errors import StateFolderError


@attrs.frozen(kw_only=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str


@functools.cache
def migrations(package: str = "state.migrations") -> tuple[Migration, ...]:
    """All migrations of a package that this version knows, in order, without gaps."""
    found = []
    for file in resources.files(package).iterdir():
        named = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", file.name)
        if named:
            number = int(named[1])
            found.append(Migration(number=number, name=file.name, sql=file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    assert [m.number for m in found] == list(range(1, len(found) + 1)), "migration numbers have a gap or a double"
    return tuple(found)


def schema_version(connection: apsw.Connection) -> int:
    """The number of the last migration that ran on this database; 0 for a new one."""
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    return version


def migrate(connection: apsw.Connection, known: Sequence[Migration] | None = None) -> int:
    """Run what is missing; answer how many ran. The caller holds the migration lock.

    Args:
      known: all migrations of this kind of database; the state database's where none are named.

    Raises:
      StateFolderError: the database was written by a newer version of memoryd.
    """
    known = migrations() if known is None else known
    version = schema_version(connection)
    refuse_newer_schema(version, known)
    for migration in known[version:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Iterating runs every statement: APSW stops at the first one that answers rows otherwise.
            for _ in connection.execute(migration.sql):
                pass
            if schema_version(connection) != migration.number:
                raise AssertionError(f"{migration.name} did not run to its last statement")
        except BaseException:
            # A full disk makes SQLite end the transaction by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return len(known) - version


def refuse_newer_schema(version: int, known: Sequence[Migration] | None = None) -> None:
    """Refuse a database that a newer memoryd has migrated; older code would not understand its rows."""
    newest = len(migrations() if known is None else known)
    if version > newest:
        raise StateFolderError(
            f"the database has schema {version}, and this memoryd knows schemas up to {newest}",
            hint="it was written by a newer memoryd: upgrade this one, or name another --state-dir",
        )


def schema_text(connection: apsw.Connection) -> str:
    """The final schema as one text, sorted by kind and name; state/schema.sql holds it for people to read."""
    rows = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        " ORDER BY type = 'index', tbl_name, name"
    )
    return "\n\n".join(f"{sql};" for (sql,) in rows) + "\n"


if __name__ == "__main__":
    # `make schema` writes state/schema.sql with this.
    _connection = apsw.Connection(":memory:")
    migrate(_connection)
    print(schema_text(_connection), end="")
