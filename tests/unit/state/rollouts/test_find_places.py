"""Looking at single places finds what a whole search would find there, and looks nowhere else."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.rollouts.find import find_rollouts
from state.rollouts.model import UnreadablePath
from tests.unit.state.rollouts.transcript import OTHER_THREAD, rollout_file_name, write_rollout

NAME = rollout_file_name()
LINK = "a symbolic link, which is not followed"


def found_at(codex_home: Path, *places: str) -> list[str]:
    """The paths of the rollouts in these places; nothing there may be unreadable."""
    found, unreadable = find_rollouts(codex_home, places)
    assert unreadable == []
    return [rollout.path for rollout in found]


def test_file_is_found_as_a_whole_search_finds_it(tmp_path: Path) -> None:
    write_rollout(tmp_path, b"{}")
    write_rollout(tmp_path, b"{}", folder="archived_sessions", name=rollout_file_name(OTHER_THREAD))
    whole, _ = find_rollouts(tmp_path)

    assert len(whole) == 2
    assert find_rollouts(tmp_path, [rollout.path for rollout in whole]) == (whole, [])
    for rollout in whole:
        assert find_rollouts(tmp_path, [rollout.path]) == ([rollout], [])


def test_folder_is_walked_and_its_neighbours_are_not(tmp_path: Path) -> None:
    for day in ("19", "20"):
        write_rollout(tmp_path, b"{}", folder=f"sessions/2026/11/{day}")

    assert found_at(tmp_path, "sessions/2026/11/20") == [f"sessions/2026/11/20/{NAME}"]
    assert len(found_at(tmp_path, "sessions/2026")) == 2
    assert len(found_at(tmp_path, "sessions")) == 2
    assert found_at(tmp_path, "archived_sessions") == []


def test_place_within_another_is_found_once(tmp_path: Path) -> None:
    write_rollout(tmp_path, b"{}")
    path = f"sessions/2026/11/20/{NAME}"

    assert found_at(tmp_path, path, "sessions/2026/11", "sessions", path) == [path]


@pytest.mark.parametrize(
    "place",
    [
        f"sessions/2026/11/20/{OTHER_THREAD}",
        f"sessions/2027/{NAME}",
        f"sessions/2026/11/20/{NAME}/{NAME}",
        "sessions/2027",
        f"elsewhere/{NAME}",
        f"sessions/../elsewhere/{NAME}",
        f"sessions//2026/11/20/{NAME}",
        f"sessions/2026/./11/20/{NAME}",
        "session_index.jsonl",
        "",
        "/",
    ],
)
def test_missing_place_and_place_elsewhere_hold_no_rollouts(tmp_path: Path, place: str) -> None:
    write_rollout(tmp_path, b"{}")
    write_rollout(tmp_path, b"{}", folder="elsewhere")

    assert found_at(tmp_path, place) == []


def test_linked_rollout_is_reported_and_not_followed(tmp_path: Path) -> None:
    target = write_rollout(tmp_path, b"{}", folder="elsewhere")
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / NAME).symlink_to(target)

    assert find_rollouts(tmp_path, [f"sessions/{NAME}"]) == (
        [],
        [UnreadablePath(path=f"sessions/{NAME}", reason=LINK)],
    )


def test_place_behind_a_linked_folder_is_not_reached_and_the_folder_is_reported_once(tmp_path: Path) -> None:
    write_rollout(tmp_path, b"{}", folder="elsewhere/20")
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "more").symlink_to(tmp_path / "elsewhere")
    trouble = [UnreadablePath(path="sessions/more", reason=LINK)]

    assert find_rollouts(tmp_path, ["sessions/more"]) == ([], trouble)
    assert find_rollouts(tmp_path, [f"sessions/more/20/{NAME}", f"sessions/more/21/{NAME}"]) == ([], trouble)


def test_link_to_nothing_with_another_name_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "readme").symlink_to(tmp_path / "missing")

    assert found_at(tmp_path, "sessions/readme") == []


def test_top_folder_may_be_a_link(tmp_path: Path) -> None:
    write_rollout(tmp_path / "disk", b"{}", folder="history/2026")
    home = tmp_path / "home"
    home.mkdir()
    (home / "sessions").symlink_to(tmp_path / "disk" / "history")

    assert found_at(home, f"sessions/2026/{NAME}") == [f"sessions/2026/{NAME}"]


def test_pipe_with_the_name_of_a_rollout_is_reported(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    os.mkfifo(tmp_path / "sessions" / NAME)

    assert find_rollouts(tmp_path, [f"sessions/{NAME}"])[1] == [
        UnreadablePath(path=f"sessions/{NAME}", reason="not a regular file")
    ]


def test_single_places_cost_no_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rollout(tmp_path, b"{}")
    monkeypatch.delattr(os, "scandir")

    assert found_at(tmp_path, f"sessions/2026/11/20/{NAME}") == [f"sessions/2026/11/20/{NAME}"]


PLACES = [
    "sessions",
    "archived_sessions",
    "sessions/a",
    "sessions/a/b",
    f"sessions/a/{NAME}",
    f"sessions/a/b/{NAME}",
    f"sessions/{NAME}",
    f"archived_sessions/{NAME}",
    f"archived_sessions/link/{NAME}",
]


@given(st.sets(st.sampled_from(PLACES)), st.sets(st.sampled_from([place for place in PLACES if NAME in place])))
def test_places_give_what_the_whole_search_gives_in_them(
    tmp_path_factory: pytest.TempPathFactory, places: set[str], files: set[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "archived_sessions").mkdir()
    (home / "archived_sessions" / "link").symlink_to(home)
    for file in files - {f"archived_sessions/link/{NAME}"}:
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_bytes(b"{}")
    whole, _ = find_rollouts(home)

    found, _ = find_rollouts(home, places)

    assert found == [
        rollout for rollout in whole if any(f"{rollout.path}/".startswith(f"{place}/") for place in places)
    ]
