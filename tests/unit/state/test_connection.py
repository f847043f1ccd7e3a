"""How connections are opened: which SQLite is refused, which settings hold, how long a lock is waited for."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from state import connection as connection_module
from state.connection import (
    JitteredBusyHandler,
    close_untouched,
    open_reader,
    open_writer,
    refuse_broken_sqlite,
    truncate_wal,
)
from state.errors import StateFolderError


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one table, closed."""
    path = tmp_path / "state.sqlite"
    connection = open_writer(path)
    connection.execute("CREATE TABLE note (text TEXT)")
    connection.close()
    return path


@pytest.fixture
def writer(database: Path) -> Iterator[apsw.Connection]:
    """A connection that writes, with a short patience."""
    connection = open_writer(database, busy_deadline_ms=20)
    yield connection
    connection.close()


class FakeTime:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.46.0", "3.51.1", "3.51.2"])
def test_sqlite_that_can_corrupt_a_shared_log_is_refused(version: str) -> None:
    with pytest.raises(StateFolderError, match=f"SQLite {version} can corrupt") as refused:
        refuse_broken_sqlite(version)
    assert "apsw 3.51.3" in refused.value.hint


@pytest.mark.parametrize("version", ["3.6.23", "3.51.3", "3.52.0", "3.53.0.1", "4.0.0"])
def test_sqlite_outside_the_broken_range_is_accepted(version: str) -> None:
    refuse_broken_sqlite(version)


def test_installed_sqlite_is_outside_the_broken_range() -> None:
    refuse_broken_sqlite(apsw.sqlite_lib_version())


@pytest.mark.parametrize("open_one", [open_writer, open_reader])
def test_no_connection_is_opened_with_a_broken_sqlite(
    database: Path, monkeypatch: pytest.MonkeyPatch, open_one: object
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.46.0")

    with pytest.raises(StateFolderError):
        open_one(database)  # type: ignore[operator]  # both take a path


def test_writer_has_every_setting_that_the_promises_need(writer: apsw.Connection) -> None:
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("synchronous") == 2, "FULL"
    assert writer.pragma("foreign_keys") == 1
    assert writer.pragma("temp_store") == 2, "MEMORY"
    assert writer.pragma("journal_size_limit") == 16 * 1024 * 1024


def test_reader_cannot_write(database: Path) -> None:
    reader = open_reader(database)

    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO note VALUES ('no')")
    reader.close()


def test_reader_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(apsw.CantOpenError):
        open_reader(tmp_path / "missing.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_busy_handler_naps_with_jitter_until_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime()
    monkeypatch.setattr(connection_module, "time", time)
    handler = JitteredBusyHandler(50)

    tries = 0
    while handler(tries):
        tries += 1

    assert 50 <= tries <= 500
    assert sum(time.naps) >= 0.050
    assert all(0.000_1 <= nap <= 0.001 for nap in time.naps)
    assert len(set(time.naps)) > 1, "a fixed nap would keep contenders in step"


def test_busy_handler_starts_its_deadline_anew_for_each_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime()
    monkeypatch.setattr(connection_module, "time", time)
    handler = JitteredBusyHandler(50)
    while handler(len(time.naps)):
        pass

    time.naps.clear()
    assert handler(0)


def test_truncating_empties_the_log(writer: apsw.Connection, database: Path) -> None:
    writer.execute("INSERT INTO note VALUES ('kept')")
    log = database.with_name("state.sqlite-wal")
    assert log.stat().st_size > 0

    truncate_wal(writer)

    assert log.stat().st_size == 0
    assert writer.execute("SELECT text FROM note").fetchall() == [("kept",)]


def test_truncating_is_refused_while_somebody_reads(writer: apsw.Connection, database: Path) -> None:
    writer.execute("INSERT INTO note VALUES ('kept')")
    reader = open_reader(database)
    reader.execute("BEGIN")
    reader.execute("SELECT text FROM note").fetchall()
    writer.execute("INSERT INTO note VALUES ('newer')")

    with pytest.raises(apsw.BusyError):
        truncate_wal(writer)
    reader.execute("COMMIT")
    reader.close()
    truncate_wal(writer)


def test_closing_untouched_leaves_the_log(database: Path) -> None:
    connection = open_writer(database)
    connection.execute("INSERT INTO note VALUES ('kept')")
    log = database.with_name("state.sqlite-wal")
    before = (database.read_bytes(), log.read_bytes())

    close_untouched(connection)
    close_untouched(connection)

    assert (database.read_bytes(), log.read_bytes()) == before


def test_damaged_file_is_left_untouched_when_it_cannot_be_opened(database: Path) -> None:
    log = database.with_name("state.sqlite-wal")
    database.write_bytes(b"not a database, but long enough to look at" * 100)
    log.write_bytes(b"left behind")

    with pytest.raises(apsw.NotADBError):
        open_writer(database)

    assert log.read_bytes() == b"left behind"


def test_statement_that_is_seldom_run_stays_prepared(writer: apsw.Connection) -> None:
    seldom = [f"SELECT text FROM note LIMIT {number}" for number in range(20)]
    for _ in range(10):
        for sql in seldom:
            writer.execute(sql).fetchall()
        for _ in range(200):
            writer.execute("SELECT 1").fetchall()

    assert writer.cache_stats()["misses"] < 2 * len(seldom)
