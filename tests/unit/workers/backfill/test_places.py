"""Which reports matter, and what they are about."""

import os
from pathlib import Path
from typing import Any

import pytest

from state.rollouts import logical_name
from tests.unit.state.rollouts.transcript import rollout_file_name
from workers.backfill.places import Root, folders_below, places_of

NAME = rollout_file_name()
HOME = Root(place="", folder="/home/ann/.codex", identity=(1, 1))
SESSIONS = Root(place="sessions", folder="/disk/history", identity=(1, 2))
ARCHIVED = Root(place="archived_sessions", folder="/home/ann/.codex/archived_sessions", identity=(1, 3))


def place_of(happened: str, path: str, *roots: Root) -> set[str]:
    """The places that one report is about."""
    return places_of({(happened, path)}, roots or (SESSIONS, ARCHIVED))


@pytest.mark.parametrize("happened", ["added", "modified", "deleted"])
def test_rollout_is_named_by_its_path_below_the_home_wherever_the_folder_leads(happened: str) -> None:
    assert place_of(happened, f"/disk/history/2026/11/20/{NAME}") == {f"sessions/2026/11/20/{NAME}"}
    assert place_of(happened, f"{ARCHIVED.folder}/{NAME}") == {f"archived_sessions/{NAME}"}


def test_compressed_rollout_is_named_by_its_plain_path() -> None:
    assert place_of("added", f"/disk/history/{NAME}.zst") == {f"sessions/{NAME}"}
    assert logical_name(f"{NAME}.zst") == NAME
    assert logical_name("notes.zst") == "notes.zst"


@pytest.mark.parametrize("happened", ["added", "modified"])
@pytest.mark.parametrize("name", ["notes.txt", f"{NAME}.tmp", ".DS_Store", "history.jsonl"])
def test_file_with_another_name_does_not_matter(tmp_path: Path, happened: str, name: str) -> None:
    (tmp_path / name).touch()
    root = Root(place="sessions", folder=str(tmp_path), identity=(1, 2))

    assert place_of(happened, f"{tmp_path}/{name}", root) == set()


@pytest.mark.parametrize("happened", ["added", "modified"])
def test_folder_is_a_place_since_nobody_heard_what_came_into_it_before(tmp_path: Path, happened: str) -> None:
    (tmp_path / "2026").mkdir()
    root = Root(place="sessions", folder=str(tmp_path), identity=(1, 2))

    assert place_of(happened, f"{tmp_path}/2026", root) == {"sessions/2026"}


def test_what_is_gone_may_have_been_a_folder() -> None:
    assert place_of("deleted", "/disk/history/2026") == {"sessions/2026"}


def test_folder_of_the_rollouts_itself_is_a_place() -> None:
    assert place_of("modified", "/disk/history") == {"sessions"}


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("session_index.jsonl", {"session_index.jsonl"}),
        ("sessions", {"sessions"}),
        ("archived_sessions", {"archived_sessions"}),
        ("state_5.sqlite-wal", set()),
        ("history.jsonl", set()),
        ("log/codex.log", set()),
        (f"log/{NAME}", set()),
    ],
)
def test_of_the_home_only_the_names_and_the_folders_of_the_rollouts_matter(path: str, places: set[str]) -> None:
    assert place_of("modified", f"{HOME.folder}/{path}", HOME) == places
    assert place_of("deleted", f"{HOME.folder}/{path}", HOME) == places


def test_home_itself_is_the_empty_place() -> None:
    assert place_of("deleted", HOME.folder, HOME) == {""}


def test_report_of_somewhere_else_is_no_place() -> None:
    assert place_of("added", f"/disk/history-of-mine/{NAME}") == set()
    assert place_of("added", f"/elsewhere/{NAME}") == set()


def test_folders_are_listed_and_a_link_to_one_is_told_and_not_followed(tmp_path: Path) -> None:
    top = tmp_path / "sessions"
    (top / "2026" / "11").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (top / "readme").symlink_to(tmp_path / "missing")
    every = {str(top), str(top / "2026"), str(top / "2026" / "11")}
    folders, is_plain = folders_below([str(top)])
    assert (set(folders), is_plain) == (every, True)

    (top / "2026" / "more").symlink_to(tmp_path / "elsewhere")
    folders, is_plain = folders_below([str(top)])
    assert (set(folders), is_plain) == (every, False)


def test_folder_that_cannot_be_listed_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "open").mkdir()
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    folders, is_plain = folders_below([str(tmp_path)])

    assert (set(folders), is_plain) == ({str(tmp_path), str(tmp_path / "open")}, False)
