"""The last naming of a thread counts, and bad lines cost themselves."""

from pathlib import Path

import pytest

from state.rollouts import names
from state.rollouts.names import NAME_CHARS_MAX, GivenName, read_thread_names
from tests.unit.state.rollouts.transcript import OTHER_THREAD, THREAD, written


def _named(thread_id: object, name: object) -> bytes:
    return written({"id": thread_id, "thread_name": name, "updated_at": "2026-11-21T01:49:54.506390133Z"})


def _read(codex_home: Path, data: bytes) -> dict[str, str]:
    (codex_home / "session_index.jsonl").write_bytes(data)
    return {str(thread_id): given.name for thread_id, given in read_thread_names(codex_home).items()}


def test_missing_file_holds_no_names(tmp_path: Path) -> None:
    assert read_thread_names(tmp_path) == {}
    assert read_thread_names(tmp_path / "missing") == {}


def test_last_name_of_each_thread_counts(tmp_path: Path) -> None:
    data = _named(THREAD, "first") + _named(OTHER_THREAD, "other") + _named(THREAD.upper(), " last ")

    assert _read(tmp_path, data) == {THREAD: "last", OTHER_THREAD: "other"}


def test_blank_name_takes_the_name_away(tmp_path: Path) -> None:
    assert _read(tmp_path, _named(THREAD, "first") + _named(THREAD, " ")) == {}


@pytest.mark.parametrize(
    "bad",
    [
        b"not JSON\n",
        b"\xff\n",
        b"\n",
        _named("no-uuid", "x"),
        _named(7, "x"),
        _named(OTHER_THREAD, None),
        _named(OTHER_THREAD, "x" * 100_000),
    ],
)
def test_bad_line_is_skipped(tmp_path: Path, bad: bytes) -> None:
    assert _read(tmp_path, _named(THREAD, "one") + bad + _named(THREAD, "two")) == {THREAD: "two"}


def test_last_line_may_lack_its_line_feed(tmp_path: Path) -> None:
    assert _read(tmp_path, _named(THREAD, "one")[:-1]) == {THREAD: "one"}
    assert _read(tmp_path, _named(THREAD, "one") + _named(THREAD, "two")[:-5]) == {THREAD: "one"}


def test_name_is_one_bounded_line_without_nul(tmp_path: Path) -> None:
    assert _read(tmp_path, _named(THREAD, "a\0b" + "x" * 5_000)) == {THREAD: "a\ufffdb" + "x" * (NAME_CHARS_MAX - 3)}


def test_beyond_the_bound_the_names_given_longest_ago_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "NAMED_THREADS_MAX", 2)
    ids = [THREAD[:-1] + str(number) for number in range(4)]
    data = b"".join(_named(thread_id, thread_id[-1]) for thread_id in [ids[0], ids[1], ids[0], ids[2]])

    assert _read(tmp_path, data) == {ids[0]: "0", ids[2]: "2"}


@pytest.mark.parametrize(
    ("updated_at", "named_at_ms"),
    [("2026-11-21T01:49:54.506390133Z", 1_795_225_794_506), ("yesterday", None), (7, None), (None, None)],
)
def test_name_has_the_time_of_its_line_if_that_can_be_read(
    tmp_path: Path, updated_at: object, named_at_ms: int | None
) -> None:
    (tmp_path / "session_index.jsonl").write_bytes(
        written({"id": THREAD, "thread_name": "one", "updated_at": updated_at})
    )

    assert list(read_thread_names(tmp_path).values()) == [GivenName("one", named_at_ms)]
