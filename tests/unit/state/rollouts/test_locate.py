"""Whose rollout a file is, by its head; and the search of the tree."""

import os
from pathlib import Path

import pytest

from state.rollouts.locate import HeadError, head_thread_id, locate_rollout
from tests.unit.state.rollouts.transcript import (
    OTHER_THREAD,
    THREAD,
    event,
    message,
    rollout_file_name,
    session_meta,
    user,
    write_rollout,
    written,
)

ARCHIVE = "archived_sessions"


def head(codex_home: Path, data: bytes, name: str = "") -> str:
    """Whose rollout the head says it is."""
    path = write_rollout(codex_home, data, name=name)
    return head_thread_id(codex_home, path.relative_to(codex_home).as_posix())


def test_first_session_meta_says_whose_it_is(tmp_path: Path) -> None:
    assert head(tmp_path, session_meta(THREAD) + session_meta(OTHER_THREAD)) == THREAD


@pytest.mark.parametrize(
    "before",
    [b"\n \n", b"not JSON\n", b"\xff\n", event("task_started"), written({"type": "of tomorrow", "payload": {}})],
)
def test_lines_that_are_no_records_may_stand_before_it(tmp_path: Path, before: bytes) -> None:
    assert head(tmp_path, before + session_meta(THREAD)) == THREAD


def test_keys_may_come_in_any_order_and_the_last_line_feed_may_lack(tmp_path: Path) -> None:
    line = written({"payload": {"id": THREAD.upper()}, "type": "session_meta"})

    assert head(tmp_path, line[:-1]) == THREAD


@pytest.mark.parametrize(
    "data", [message("user", "hello") + session_meta(THREAD), session_meta("no-uuid") + session_meta(THREAD)]
)
def test_rollout_whose_first_record_names_no_thread_is_nobodys(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(HeadError, match=r"rollout at .*/rollout-.* does not start with session metadata"):
        head(tmp_path, data)


@pytest.mark.parametrize("data", [b"", b"\n\n", user("hello")])
def test_rollout_without_a_record_is_empty(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(HeadError, match=r"rollout at .*/rollout-.* is empty"):
        head(tmp_path, data)


def test_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    assert head(tmp_path, session_meta(OTHER_THREAD), name="copy of mine.jsonl") == OTHER_THREAD


def test_path_may_be_absolute(tmp_path: Path) -> None:
    path = write_rollout(tmp_path / "elsewhere", session_meta(THREAD))

    assert head_thread_id(tmp_path / "home", str(path)) == THREAD


def test_file_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        head_thread_id(tmp_path, "sessions/gone.jsonl")


def test_thread_is_found_by_name_and_head(tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta(OTHER_THREAD), name=rollout_file_name(OTHER_THREAD))
    path = write_rollout(tmp_path, session_meta(THREAD))

    located = locate_rollout(tmp_path, THREAD)

    assert located is not None
    assert located.is_verified
    assert located.found.path == path.relative_to(tmp_path).as_posix()
    assert located.found.size_bytes == path.stat().st_size


def test_file_that_is_only_called_like_the_thread_is_passed_over(tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta(OTHER_THREAD), name=rollout_file_name(THREAD, "2026-11-20T23-00-00"))
    assert locate_rollout(tmp_path, THREAD) is None

    right = write_rollout(tmp_path, session_meta(THREAD), name=rollout_file_name(THREAD, "2026-11-20T01-00-00"))
    located = locate_rollout(tmp_path, THREAD)
    assert located is not None
    assert located.found.path.endswith(right.name)


def test_active_rollout_goes_before_an_archived_one_and_a_later_name_before_an_earlier(tmp_path: Path) -> None:
    for name_stamp, folder in (
        ("2026-11-20T01-00-00", "sessions/2026/11/20"),
        ("2026-11-20T02-00-00", "sessions/2026/11/20"),
        ("2026-11-20T03-00-00", ARCHIVE),
    ):
        write_rollout(tmp_path, session_meta(THREAD), name=rollout_file_name(THREAD, name_stamp), folder=folder)

    anywhere, archived = locate_rollout(tmp_path, THREAD), locate_rollout(tmp_path, THREAD, active=False)

    assert anywhere is not None
    assert (anywhere.found.archived, "T02-" in anywhere.found.path) == (False, True)
    assert archived is not None
    assert archived.found.path.startswith(f"{ARCHIVE}/")


def test_only_the_places_that_are_wanted_are_searched(tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta(THREAD), folder=ARCHIVE)

    assert locate_rollout(tmp_path, THREAD, archived=False) is None
    assert locate_rollout(tmp_path / "missing", THREAD) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_rollout_that_nobody_may_read_is_better_than_none_and_says_that_it_is_not_verified(tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta(THREAD)).chmod(0)

    located = locate_rollout(tmp_path, THREAD)

    assert located is not None
    assert not located.is_verified
