"""When Codex last consolidated, read from a copy of its database and never from the database itself."""

import os
import sqlite3
from pathlib import Path

import pytest

from state.codex_jobs import ConsolidationRun, last_consolidation


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A job database with two finished runs and one that failed."""
    path = tmp_path / "codex" / "memories_1.sqlite"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE jobs (kind TEXT, status TEXT, started_at INTEGER, finished_at INTEGER)")
    rows = [
        ("memory_consolidate_global", "done", 10, 20),
        ("memory_consolidate_global", "done", 30, 40),
        ("memory_consolidate_global", "error", 50, 60),
        ("memory_stage1", "done", 70, 80),
    ]
    connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def test_the_last_run_that_succeeded_counts(database: Path, tmp_path: Path) -> None:
    assert last_consolidation(database) == ConsolidationRun(started_at_s=30, finished_at_s=40)


def test_nothing_is_left_behind_and_nothing_is_made_beside_the_database(database: Path, tmp_path: Path) -> None:
    before = os.listdir(database.parent), database.read_bytes()
    last_consolidation(database)

    assert (os.listdir(database.parent), database.read_bytes()) == before
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("data", [None, b"", b"garbage" * 1000])
def test_what_cannot_be_read_says_nothing(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "memories_1.sqlite"
    if data is not None:
        path.write_bytes(data)

    assert last_consolidation(path) is None
    assert not (tmp_path / "copy").exists()


def test_a_link_is_followed_as_codex_follows_it(database: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked.sqlite"
    link.symlink_to(database)

    assert last_consolidation(link) == last_consolidation(database)
    assert last_consolidation(link) is not None


def test_a_database_of_another_shape_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memories_1.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE jobs (kind TEXT)")
    connection.close()

    assert last_consolidation(path) is None
