"""One look at a rollout finds what a search would find, and tells whether it is still what it was."""

import os
from pathlib import Path

import pytest

from state.rollouts import find_rollouts
from state.rollouts.as_read import is_as_read, look_at
from state.rollouts.model import FoundRollout
from tests.fakes.codex_home import CodexHome
from tests.fakes.readings import thread_id


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A home with an active and an archived rollout."""
    home = CodexHome(tmp_path / "codex")
    home.path.mkdir()
    home.session(thread_id=thread_id(1)).user("one")
    home.session(thread_id=thread_id(2), archived=True).user("two")
    return home


def _active(home: CodexHome) -> FoundRollout:
    (found,) = find_rollouts(home.path, ("sessions",))[0]
    return found


def _is_as_read(home: CodexHome, found: FoundRollout) -> bool:
    return is_as_read(home.path, found.path, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns, inode=found.inode)


def test_a_look_finds_what_a_search_finds(home: CodexHome) -> None:
    found, _ = find_rollouts(home.path)
    assert [look_at(home.path, one.path) for one in found] == found
    assert {one.archived for one in found} == {False, True}


def test_a_compressed_rollout_is_found_by_its_plain_name(home: CodexHome) -> None:
    path = _active(home).path
    os.rename(home.path / path, f"{home.path / path}.zst")
    assert look_at(home.path, path) == _active(home)


def test_a_rollout_that_nobody_touched_is_as_read(home: CodexHome) -> None:
    assert _is_as_read(home, _active(home))


def test_what_was_appended_to_or_put_in_its_place_is_not_as_read(home: CodexHome) -> None:
    found = _active(home)
    path = home.path / found.path
    text = path.read_bytes()
    path.write_bytes(text + b"\n")
    os.utime(path, ns=(found.mtime_ns, found.mtime_ns))
    assert not _is_as_read(home, found)

    beside = path.with_suffix(".new")
    beside.write_bytes(text)
    os.utime(beside, ns=(found.mtime_ns, found.mtime_ns))
    os.rename(beside, path)
    assert not _is_as_read(home, found)


def test_a_rollout_that_is_gone_is_not_found(home: CodexHome) -> None:
    found = _active(home)
    os.unlink(home.path / found.path)
    assert look_at(home.path, found.path) is None
    assert not _is_as_read(home, found)


def test_a_link_is_not_followed_on_the_way_nor_at_its_end(home: CodexHome) -> None:
    found = _active(home)
    path = home.path / found.path
    elsewhere = home.path / "elsewhere"
    os.rename(path.parent, elsewhere)
    path.parent.symlink_to(elsewhere)
    assert look_at(home.path, found.path) is None

    path.parent.unlink()
    path.parent.mkdir()
    path.symlink_to(elsewhere / path.name)
    assert look_at(home.path, found.path) is None


def test_the_top_folder_may_be_a_link(home: CodexHome) -> None:
    found = _active(home)
    os.rename(home.path / "sessions", home.path / "moved")
    (home.path / "sessions").symlink_to(home.path / "moved")
    assert look_at(home.path, found.path) == found


@pytest.mark.parametrize("path", ["", "sessions", "auth.json", "/etc/hosts", "sessions/../auth.json", "sessions//x"])
def test_nothing_is_found_outside_the_folders_of_rollouts(home: CodexHome, path: str) -> None:
    (home.path / "auth.json").write_text("{}")
    assert look_at(home.path, path) is None
