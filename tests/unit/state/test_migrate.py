"""Migrations: every file runs to its end or not at all, and schema.sql shows what comes out."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import state
from state import migrate as migrate_module
from state.errors import StateFolderError
from state.migrate import Migration, migrate, migrations, refuse_newer_schema, schema_text, schema_version


@pytest.fixture
def database() -> Iterator[apsw.Connection]:
    """An empty database in memory."""
    connection = apsw.Connection(":memory:")
    yield connection
    connection.close()


def use(monkeypatch: pytest.MonkeyPatch, *scripts: str) -> None:
    """Let these scripts be the migrations."""
    known = tuple(
        Migration(number=number, name=f"{number:04}_test.sql", sql=sql) for number, sql in enumerate(scripts, 1)
    )
    monkeypatch.setattr(migrate_module, "migrations", lambda: known)


FIRST = "CREATE TABLE one (a INTEGER); PRAGMA user_version = 1;"


def test_numbers_begin_with_one_and_have_no_gap() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.parametrize("migration", migrations(), ids=lambda migration: migration.name)
def test_migration_ends_with_its_own_number(migration: Migration) -> None:
    assert migration.sql.rstrip().splitlines()[-1] == f"PRAGMA user_version = {migration.number};"


@pytest.mark.parametrize("migration", migrations(), ids=lambda migration: migration.name)
def test_migration_says_why_in_its_first_line(migration: Migration) -> None:
    assert migration.sql.startswith("-- ")


def test_schema_file_equals_what_the_migrations_make(database: apsw.Connection) -> None:
    migrate(database)

    written = (Path(state.__file__).parent / "schema.sql").read_text(encoding="utf-8")

    assert written == schema_text(database), "`make schema` writes it anew"


def test_every_table_is_strict(database: apsw.Connection) -> None:
    migrate(database)

    assert database.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict").fetchall() == [
        ("sqlite_schema",)
    ]


def test_only_what_is_missing_runs(database: apsw.Connection) -> None:
    assert migrate(database) == len(migrations())
    assert migrate(database) == 0
    assert schema_version(database) == len(migrations())


def test_migration_starts_where_the_last_one_ended(database: apsw.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FIRST)
    migrate(database)
    use(monkeypatch, FIRST, "ALTER TABLE one ADD COLUMN b INTEGER; PRAGMA user_version = 2;")

    assert migrate(database) == 1

    assert [name for _, name, *_ in database.execute("PRAGMA table_info(one)")] == ["a", "b"]


@pytest.mark.parametrize(
    "broken",
    [
        "CREATE TABLE two (a INTEGER); INSERT INTO nowhere VALUES (1); PRAGMA user_version = 2;",
        "CREATE TABLE two (a INTEGER); PRAGMA user_version = 2; CREATE TABLE two (a INTEGER);",
    ],
    ids=["in the middle", "after its number"],
)
def test_migration_that_stops_half_way_leaves_nothing(
    database: apsw.Connection, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    use(monkeypatch, FIRST, broken)

    with pytest.raises(apsw.SQLError):
        migrate(database)

    assert schema_version(database) == 1
    assert "two" not in schema_text(database)
    assert not database.in_transaction


def test_migration_that_does_not_reach_its_last_statement_leaves_nothing(
    database: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "CREATE TABLE one (a INTEGER);")

    with pytest.raises(AssertionError, match="did not run to its last statement"):
        migrate(database)

    assert schema_text(database) == "\n"
    assert not database.in_transaction


def test_statements_after_one_that_answers_rows_run_too(
    database: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "CREATE TABLE one (a INTEGER); SELECT 1; CREATE TABLE two (a INTEGER); PRAGMA user_version = 1;")

    migrate(database)

    assert "two" in schema_text(database)


def test_full_disk_in_a_migration_is_named_as_such(database: apsw.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite may end the transaction by itself then, and there is nothing left to roll back."""
    database.pragma("max_page_count", 2)
    use(monkeypatch, FIRST, "INSERT INTO one VALUES (zeroblob(100000)); PRAGMA user_version = 2;")

    with pytest.raises(apsw.FullError):
        migrate(database)

    assert schema_version(database) == 1


def test_newer_schema_is_refused() -> None:
    refuse_newer_schema(len(migrations()))

    with pytest.raises(StateFolderError, match=f"knows schemas up to {len(migrations())}") as refused:
        refuse_newer_schema(len(migrations()) + 1)
    assert "upgrade" in refused.value.hint
