"""A look at the folders tells which rollouts came and went, and costs nothing where nothing did."""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.fakes.codex_home import CodexHome
from workers.backfill.folders import COARSE_NS, FolderMap


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    home = CodexHome(tmp_path / "codex")
    home.path.mkdir()
    return home


def place(home: CodexHome, path: Path) -> str:
    return str(path.relative_to(home.path)).removesuffix(".zst")


def settle(home: CodexHome) -> None:
    """Have the folders look as if nothing had happened in them for a while."""
    long_ago_ns = time.time_ns() - 100 * COARSE_NS
    for folder, _, _ in os.walk(home.path):
        os.utime(folder, ns=(long_ago_ns, long_ago_ns))


def test_first_look_says_that_everything_is_to_be_looked_at(home: CodexHome) -> None:
    home.session()
    folders = FolderMap(home.path)

    assert folders.changed() is None
    assert folders.changed() == frozenset()
    folders.forget()
    assert folders.changed() is None


def test_rollouts_that_come_move_and_go_are_named(home: CodexHome) -> None:
    first = home.session()
    folders = FolderMap(home.path)
    folders.changed()

    second = home.session(hours_ago=24 * 40)
    assert folders.changed() == frozenset({place(home, second.path)})
    archived = home.path / "archived_sessions" / first.path.name
    archived.parent.mkdir()
    first.path.rename(archived)
    assert folders.changed() == frozenset({place(home, first.path), place(home, archived)})
    shutil.rmtree(second.path.parent)
    assert folders.changed() == frozenset({place(home, second.path)})
    assert folders.changed() == frozenset()


def test_file_that_changes_its_form_keeps_its_place(home: CodexHome) -> None:
    rollout = home.session()
    folders = FolderMap(home.path)
    folders.changed()

    rollout.path.rename(rollout.path.with_name(rollout.path.name + ".zst"))
    home.file("notes.txt", b"no rollout")
    assert folders.changed() == frozenset()


def test_folder_that_has_been_still_is_not_listed_again(home: CodexHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home.session()
    settle(home)
    folders = FolderMap(home.path)
    folders.changed()

    def listed(path: Path) -> None:
        raise AssertionError(f"{path} was listed again")

    monkeypatch.setattr(os, "scandir", listed)
    assert folders.changed() == frozenset()


def test_change_within_one_tick_of_the_clock_is_seen_by_the_next_look(home: CodexHome) -> None:
    first = home.session()
    folders = FolderMap(home.path)
    folders.changed()
    before = first.path.parent.stat()

    second = home.session()
    os.utime(first.path.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folders.changed() == frozenset({place(home, second.path)})


def test_home_without_sessions_is_no_error(tmp_path: Path) -> None:
    folders = FolderMap(tmp_path / "nothing")

    assert folders.changed() is None
    assert folders.changed() == frozenset()
