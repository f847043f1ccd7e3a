"""What rules see of SQLite, and how a rule is driven without an event loop."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import attrs
import pytest

from state.sqlite_transaction import RuleSuspendedError, SqliteTransaction, drive, point_link
from state.transaction import in_list


@attrs.frozen(kw_only=True)
class Pair:
    number: int
    word: str


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    """A database with three pairs."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE pair (number INTEGER, word TEXT)")
    connection.executemany("INSERT INTO pair VALUES (?, ?)", [(1, "one"), (2, "two"), (3, "three")])
    yield connection
    connection.close()


@pytest.fixture
def tx(connection: apsw.Connection, tmp_path: Path) -> SqliteTransaction:
    """A transaction on it."""
    return SqliteTransaction(connection, tmp_path)


def test_one_row_becomes_its_shape(tx: SqliteTransaction) -> None:
    assert drive(tx.one(Pair, "SELECT number, word FROM pair WHERE number = :number", number=2)) == Pair(
        number=2, word="two"
    )


def test_no_row_becomes_nothing(tx: SqliteTransaction) -> None:
    none = "SELECT number, word FROM pair WHERE number = 9"

    assert drive(tx.one(Pair, none)) is None
    assert drive(tx.all(Pair, none)) == []
    assert drive(tx.count("SELECT number FROM pair WHERE number = 9")) == 0


def test_all_rows_come_in_the_order_of_the_statement(tx: SqliteTransaction) -> None:
    pairs = drive(tx.all(Pair, "SELECT number, word FROM pair ORDER BY number DESC"))

    assert [pair.number for pair in pairs] == [3, 2, 1]


def test_columns_of_one_text_are_told_apart_after_many_others(tx: SqliteTransaction) -> None:
    for number in range(600):
        drive(tx.all(Pair, f"SELECT number, word FROM pair WHERE number = 1 -- {number}"))

    assert drive(tx.one(Pair, "SELECT word, number FROM pair WHERE number = 1 -- a text of its own")) == Pair(
        number=1, word="one"
    )


def test_change_answers_how_many_rows_it_changed(tx: SqliteTransaction) -> None:
    assert drive(tx.execute("UPDATE pair SET word = 'new' WHERE number > :low", low=1)) == 2
    assert drive(tx.execute("UPDATE pair SET word = 'new' WHERE number > :low", low=9)) == 0


def test_change_that_answers_rows_runs_to_its_end(tx: SqliteTransaction) -> None:
    drive(tx.execute("INSERT INTO pair VALUES (4, 'four'), (5, 'five') RETURNING number"))

    assert drive(tx.count("SELECT count(*) FROM pair")) == 5


@pytest.mark.parametrize("values", [(), ("one",), ("one", "three")])
def test_list_matches_exactly_its_values(tx: SqliteTransaction, values: tuple[str, ...]) -> None:
    text, parameters = in_list("word", values)

    pairs = drive(tx.all(Pair, f"SELECT number, word FROM pair WHERE word {text}", **parameters))

    assert {pair.word for pair in pairs} == set(values)


def test_driving_answers_what_the_rule_returns(tx: SqliteTransaction) -> None:
    async def rule() -> str:
        return f"{await tx.count('SELECT count(*) FROM pair')} pairs"

    assert drive(rule()) == "3 pairs"


def test_driving_raises_what_the_rule_raises(tx: SqliteTransaction) -> None:
    async def rule() -> None:
        await tx.count("SELECT count(*) FROM pair")
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        drive(rule())


def test_rule_that_waits_for_something_else_is_closed() -> None:
    class Elsewhere:
        def __await__(self) -> Any:
            yield

    ended = []

    async def rule() -> None:
        try:
            await Elsewhere()
        finally:
            ended.append(True)

    with pytest.raises(RuleSuspendedError) as suspended:
        drive(rule())
    assert ended == [True], f"closed before {suspended.value!r} is forgotten"


def test_link_is_made_and_moved(tmp_path: Path) -> None:
    (tmp_path / "generations" / "one").mkdir(parents=True)
    (tmp_path / "generations" / "two").mkdir()

    assert point_link(tmp_path, "scopes/shop", "generations/one") is True
    assert (tmp_path / "scopes" / "shop").resolve() == tmp_path / "generations" / "one"
    assert point_link(tmp_path, "scopes/shop", "generations/two") is True
    assert (tmp_path / "scopes" / "shop").resolve() == tmp_path / "generations" / "two"


def test_link_that_names_its_target_already_is_left_alone(tmp_path: Path) -> None:
    point_link(tmp_path, "current", "generations/one")
    inode = os.lstat(tmp_path / "current").st_ino

    assert point_link(tmp_path, "current", "generations/one") is False
    assert os.lstat(tmp_path / "current").st_ino == inode


def test_link_is_relative_so_that_the_folder_can_be_moved(tmp_path: Path) -> None:
    point_link(tmp_path, "scopes/shop", "generations/one")

    assert os.readlink(tmp_path / "scopes" / "shop") == "../generations/one"


def test_folder_in_the_place_of_a_link_is_not_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()
    (tmp_path / "current" / "mine.md").write_text("by hand")

    with pytest.raises(OSError, match="directory"):
        point_link(tmp_path, "current", "generations/one")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["current"]
    assert (tmp_path / "current" / "mine.md").read_text() == "by hand"
