"""A helper that was started beforehand is taken by whoever needs one first, and is gone when nobody did."""

import os
import sys
from pathlib import Path

import pytest

from state.rollouts import find_rollouts
from tests.fakes.codex_home import CodexHome
from workers.reading import spare
from workers.reading.files import read_files
from workers.reading.helpers import Helper

DATABASE = Path("no database yet")


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A history that is long at first sight."""
    home = CodexHome(tmp_path / "codex")
    for number in range(3):
        home.session(cwd=f"/project/{number}").user("hello")
    return home


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "LONG_FROM_FILES", 3)
    monkeypatch.setattr(spare, "cores", lambda: 2)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_first_helper_is_the_one_that_was_started_beforehand(home: CodexHome) -> None:
    with spare.helper_beforehand(home.path, home.path / DATABASE):
        (process,) = spare._spare
        first, second = Helper(), Helper()
        try:
            assert first.pid == process.pid != second.pid
            first.wait_ready()
            files, _ = find_rollouts(home.path)
            assert list(first.read_files(home.path, files, {})) == list(read_files(home.path, files, {}))
        finally:
            first.end()
            second.end()


def test_what_was_taken_is_left_to_who_took_it(home: CodexHome) -> None:
    with spare.helper_beforehand(home.path, home.path / DATABASE):
        helper = Helper()
    try:
        helper.wait_ready()
    finally:
        helper.end()
    assert is_gone(helper.pid)


def test_what_nobody_takes_is_gone_after_the_block(home: CodexHome) -> None:
    with spare.helper_beforehand(home.path, home.path / DATABASE):
        (process,) = spare._spare
        assert not is_gone(process.pid)
    assert is_gone(process.pid)
    assert spare.take_spare() is None


@pytest.mark.parametrize(
    "why", ["there is an index", "the history is short", "there is no history", "there is one core", "it cannot start"]
)
def test_nothing_is_started_where_it_is_not_likely_to_be_wanted(
    why: str, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, codex_home = home.path / DATABASE, home.path
    match why:
        case "there is an index":
            database.touch()
        case "the history is short":
            monkeypatch.setattr(spare, "LONG_FROM_FILES", 4)
        case "there is no history":
            codex_home = home.path / "nowhere"
        case "there is one core":
            monkeypatch.setattr(spare, "cores", lambda: 1)
        case _:
            monkeypatch.setattr(sys, "executable", "/no/such/python")
    with spare.helper_beforehand(codex_home, database):
        assert spare.take_spare() is None
