"""Migration 3: every rollout in the index is read once more from its start; nothing else changes."""

from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from state.migrate import migrations


@pytest.fixture
def database() -> Iterator[apsw.Connection]:
    """An index that schema 2 made: a fork and a usual thread, with a file of each status for each."""
    connection = apsw.Connection(":memory:")
    connection.pragma("foreign_keys", True)
    for migration in migrations()[:2]:
        connection.execute(migration.sql).fetchall()
    for thread, forked_from in (("fork", "parent"), ("usual", None)):
        _insert(
            connection,
            "threads",
            id=thread,
            forked_from_id=forked_from,
            memory_mode="enabled",
        )
        for status in ("pending", "indexed", "shadowed", "skipped", "failed", "vanished"):
            path = f"{thread} {status}"
            _insert(connection, "rollout_files", path=path, status=status, thread_id=thread, fold_state=b"fold")
    yield connection
    connection.close()


def _insert(connection: apsw.Connection, table: str, **row: Any) -> None:
    """Insert a row; what is not given is NULL where that is allowed, else 0 or an empty text."""
    columns = connection.execute('SELECT name, type FROM pragma_table_info(?) WHERE "notnull"', (table,)).fetchall()
    whole = {str(name): 0 if kind == "INTEGER" else "" for name, kind in columns} | row
    names, values = ", ".join(whole), ", ".join(f":{name}" for name in whole)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", whole)


def test_files_that_were_read_are_read_anew(database: apsw.Connection) -> None:
    before = database.execute("SELECT path, status, fold_state FROM rollout_files").fetchall()
    database.execute(migrations()[2].sql).fetchall()
    after = database.execute("SELECT path, status, fold_state FROM rollout_files").fetchall()
    reread = {f"{thread} {status}" for thread in ("fork", "usual") for status in ("indexed", "shadowed")}

    assert {row[0] for row in after if row not in before} == reread
    assert {row[1:] for row in after if row[0] in reread} == {("pending", None)}


def test_threads_stay_as_they_are_until_then(database: apsw.Connection) -> None:
    before = database.execute("SELECT * FROM threads ORDER BY id").fetchall()
    database.execute(migrations()[2].sql).fetchall()

    assert database.execute("SELECT * FROM threads ORDER BY id").fetchall() == before
