"""Codex's own list of names: appended to whole, and rid of a thread without a line of another being touched."""

from pathlib import Path

import pytest

from state.rollouts.name_list import append_name, remove_names
from state.rollouts.names import GivenName, read_thread_names
from tests.unit.state.rollouts.transcript import OTHER_THREAD, THREAD

AT_NS = 1_795_168_800_456_000_789


def test_name_is_a_line_as_codex_writes_it(tmp_path: Path) -> None:
    append_name(tmp_path, THREAD, "Döner", AT_NS)
    assert (tmp_path / "session_index.jsonl").read_text() == (
        f'{{"id":"{THREAD}","thread_name":"Döner","updated_at":"2026-11-20T10:00:00.456000789Z"}}\n'
    )
    assert read_thread_names(tmp_path) == {THREAD: GivenName("Döner", 1_795_168_800_456)}


def test_name_behind_a_torn_line_is_whole(tmp_path: Path) -> None:
    (tmp_path / "session_index.jsonl").write_bytes(b'{"id":"x')
    append_name(tmp_path, THREAD, "a", AT_NS)
    append_name(tmp_path, THREAD, "b", AT_NS)
    assert read_thread_names(tmp_path)[THREAD].name == "b"
    assert (tmp_path / "session_index.jsonl").read_bytes().startswith(b'{"id":"x\n{')


def test_removing_takes_the_lines_of_a_thread_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "session_index.jsonl"
    append_name(tmp_path, OTHER_THREAD, "other", AT_NS)
    kept = path.read_bytes() + b"not json\r\n"
    path.write_bytes(kept)
    append_name(tmp_path, THREAD, "a", AT_NS)
    path.chmod(0o600)

    remove_names(tmp_path, (THREAD,))

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (kept, 0o600)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["session_index.jsonl", "session_index.jsonl.lock"]


def test_list_without_the_thread_is_not_written(tmp_path: Path) -> None:
    remove_names(tmp_path, (THREAD,))
    assert list(tmp_path.iterdir()) == []
    append_name(tmp_path, OTHER_THREAD, "other", AT_NS)
    before = (tmp_path / "session_index.jsonl").stat()
    remove_names(tmp_path, (THREAD,))
    assert (tmp_path / "session_index.jsonl").stat().st_ino == before.st_ino


def test_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine\n")
    (tmp_path / "session_index.jsonl").symlink_to("victim")
    with pytest.raises(OSError, match=r"(?i)symbolic|loop"):
        append_name(tmp_path, THREAD, "a", AT_NS)
    assert (tmp_path / "victim").read_bytes() == b"mine\n"
