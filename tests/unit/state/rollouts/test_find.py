"""Every rollout is found, newest first; what cannot be used is said, and costs nothing else."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from state.rollouts.find import find_rollouts
from state.rollouts.model import UnreadablePath
from tests.unit.state.rollouts.transcript import OTHER_THREAD, THREAD, rollout_file_name, write_rollout


def _paths(codex_home: Path) -> list[str]:
    return [rollout.path for rollout in find_rollouts(codex_home)[0]]


@pytest.mark.parametrize("folders", [[], ["sessions"], ["sessions", "archived_sessions"]])
def test_home_without_rollouts_is_empty(tmp_path: Path, folders: list[str]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()

    assert find_rollouts(tmp_path) == ([], [])
    assert find_rollouts(tmp_path / "missing") == ([], [])


def test_rollout_is_shown_as_stat_shows_it(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, b"four")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    (found,), unreadable = find_rollouts(tmp_path)

    assert unreadable == []
    assert found.path == f"sessions/2026/11/20/{rollout_file_name()}"
    assert not found.archived
    assert (found.size_bytes, found.mtime_ns, found.inode) == (4, 1_700_000_000_123_456_789, path.stat().st_ino)


def test_newest_stamp_comes_first_over_both_folders_and_any_depth(tmp_path: Path) -> None:
    for day, folder in [("18", "sessions"), ("21", "archived_sessions"), ("19", "sessions/2026/11/19/more/and/more")]:
        write_rollout(tmp_path, b"", name=rollout_file_name(name_stamp=f"2026-11-{day}T00-00-00"), folder=folder)
    write_rollout(tmp_path, b"", name="rollout-undated.jsonl", folder="archived_sessions/old")
    found, _ = find_rollouts(tmp_path)

    assert [(rollout.path.partition("2026-11-")[2][:2], rollout.archived) for rollout in found] == [
        ("21", True),
        ("19", False),
        ("18", False),
        ("", True),
    ]


def test_equal_stamps_are_ordered_by_path(tmp_path: Path) -> None:
    for thread in (THREAD, OTHER_THREAD):
        for folder in ("sessions", "archived_sessions"):
            write_rollout(tmp_path, b"", name=rollout_file_name(thread), folder=folder)

    assert _paths(tmp_path) == sorted(_paths(tmp_path), reverse=True)
    assert len(_paths(tmp_path)) == 4


@pytest.mark.parametrize(
    "name", [f"{rollout_file_name()}.zst.tmp", f"{rollout_file_name()}.bak", "notes.jsonl.zst", "notes.jsonl", "x"]
)
def test_files_with_other_names_are_passed_over_in_silence(tmp_path: Path, name: str) -> None:
    write_rollout(tmp_path, b"", name=name)

    assert find_rollouts(tmp_path) == ([], [])


def test_linked_rollout_is_reported_and_not_followed(tmp_path: Path) -> None:
    target = write_rollout(tmp_path, b"{}", folder="elsewhere")
    link = tmp_path / "sessions" / rollout_file_name()
    link.parent.mkdir()
    link.symlink_to(target)

    assert find_rollouts(tmp_path) == (
        [],
        [UnreadablePath(path=f"sessions/{link.name}", reason="a symbolic link, which is not followed")],
    )


def test_linked_folder_is_reported_and_not_followed(tmp_path: Path) -> None:
    write_rollout(tmp_path, b"{}", folder="elsewhere")
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "sessions" / "loop").symlink_to(tmp_path / "sessions")
    found, unreadable = find_rollouts(tmp_path)

    assert found == []
    assert [path.path for path in unreadable] == ["sessions/loop", "sessions/more"]


def test_link_that_has_nothing_to_do_with_rollouts_is_passed_over(tmp_path: Path) -> None:
    write_rollout(tmp_path, b"{}")
    (tmp_path / "sessions" / "readme.txt").symlink_to(tmp_path / "missing")

    assert len(_paths(tmp_path)) == 1
    assert find_rollouts(tmp_path)[1] == []


def test_top_folder_may_be_a_link(tmp_path: Path) -> None:
    """People move their history to another disk that way."""
    write_rollout(tmp_path / "disk", b"{}", folder="history/2026")
    home = tmp_path / "home"
    home.mkdir()
    (home / "sessions").symlink_to(tmp_path / "disk" / "history")

    assert _paths(home) == [f"sessions/2026/{rollout_file_name()}"]


def test_pipe_with_the_name_of_a_rollout_is_reported(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    os.mkfifo(tmp_path / "sessions" / rollout_file_name())

    assert [path.reason for path in find_rollouts(tmp_path)[1]] == ["not a regular file"]


def test_folder_with_the_name_of_a_rollout_is_a_folder(tmp_path: Path) -> None:
    write_rollout(tmp_path, b"{}", folder="sessions/rollout-folder.jsonl")

    assert _paths(tmp_path) == [f"sessions/rollout-folder.jsonl/{rollout_file_name()}"]


def test_name_that_is_not_utf8_is_reported_in_printable_form(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / os.fsdecode(b"rollout-\xff.jsonl")).write_bytes(b"{}")
    write_rollout(tmp_path, b"{}")
    found, unreadable = find_rollouts(tmp_path)

    assert len(found) == 1
    assert unreadable == [UnreadablePath(path="sessions/rollout-\\xff.jsonl", reason="its name is not UTF-8")]


Listing = AbstractContextManager[Iterable[os.DirEntry[str]]]


@pytest.fixture
def folder_named_broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Listing], Listing]], None]:
    """Lets every listing of a folder called `broken` go through a function of the test's."""
    real = os.scandir

    def use(spoil: Callable[[Listing], Listing]) -> None:
        monkeypatch.setattr(os, "scandir", lambda path: spoil(real(path)) if path.name == "broken" else real(path))

    return use


def test_listing_that_breaks_off_costs_the_rest_of_that_folder_only(
    tmp_path: Path, folder_named_broken: Callable[[Callable[[Listing], Listing]], None]
) -> None:
    @contextmanager
    def break_off(listing: Listing) -> Iterator[Iterable[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            yield from readable
            raise OSError(errno.EIO, "Input/output error")

        with listing as readable:
            yield entries()

    write_rollout(tmp_path, b"{}", folder="sessions/broken")
    write_rollout(tmp_path, b"{}", name=rollout_file_name(OTHER_THREAD), folder="sessions/whole")
    folder_named_broken(break_off)
    found, unreadable = find_rollouts(tmp_path)

    assert [rollout.path.split("/")[1] for rollout in found] == ["whole", "broken"]
    assert unreadable == [UnreadablePath(path="sessions/broken", reason="the disk reported an error")]


def test_folder_that_may_not_be_listed_is_reported(
    tmp_path: Path, folder_named_broken: Callable[[Callable[[Listing], Listing]], None]
) -> None:
    @contextmanager
    def refuse(listing: Listing) -> Iterator[Iterable[os.DirEntry[str]]]:
        with listing:
            raise PermissionError(errno.EACCES, "Permission denied")
        yield ()

    write_rollout(tmp_path, b"{}", folder="sessions/broken")
    write_rollout(tmp_path, b"{}", folder="sessions/whole")
    folder_named_broken(refuse)
    found, unreadable = find_rollouts(tmp_path)

    assert [rollout.path.split("/")[1] for rollout in found] == ["whole"]
    assert unreadable == [UnreadablePath(path="sessions/broken", reason="no permission to read it")]


def test_file_that_vanishes_behind_its_listing_is_passed_over(
    tmp_path: Path, folder_named_broken: Callable[[Callable[[Listing], Listing]], None]
) -> None:
    going = write_rollout(tmp_path, b"{}", folder="sessions/broken")

    @contextmanager
    def archive_meanwhile(listing: Listing) -> Iterator[Iterable[os.DirEntry[str]]]:
        with listing as entries:
            seen = list(entries)
        going.unlink()
        yield seen

    folder_named_broken(archive_meanwhile)

    assert find_rollouts(tmp_path) == ([], [])
