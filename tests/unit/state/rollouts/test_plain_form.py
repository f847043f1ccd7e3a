"""A compressed rollout becomes plain as a whole, keeps its time, and is never lost on the way."""

import os
from pathlib import Path

import pytest

from state.rollouts.plain_form import make_plain
from state.rollouts.representation import zstd
from tests.fakes.dying_os import Killed, die_after

NAME = "rollout-2026-11-20T09-00-00-01990000-0000-7000-8000-000000000001.jsonl"
TEXT = b'{"type":"session_meta"}\n' * 1000


@pytest.fixture
def compressed(tmp_path: Path) -> Path:
    """A compressed rollout."""
    path = tmp_path / "archived_sessions" / (NAME + ".zst")
    path.parent.mkdir()
    path.write_bytes(zstd.compress(TEXT))
    os.utime(path, ns=(1, 1_795_168_800_456_000_000))
    return path


def plain(home: Path) -> None:
    make_plain(home, f"archived_sessions/{NAME}")


def test_plain_form_has_the_text_and_the_time(tmp_path: Path, compressed: Path) -> None:
    for _ in range(2):
        plain(tmp_path)
    found = compressed.with_name(NAME)
    assert (found.read_bytes(), found.stat().st_mtime_ns) == (TEXT, 1_795_168_800_456_000_000)
    assert [entry.name for entry in compressed.parent.iterdir()] == [NAME]


@pytest.mark.parametrize("damage", [b"", b"no zstd", None])
def test_damaged_one_stays_as_it_is(tmp_path: Path, compressed: Path, damage: bytes | None) -> None:
    compressed.write_bytes(compressed.read_bytes()[:-5] if damage is None else damage or b"\x28\xb5\x2f\xfd")
    before = compressed.read_bytes()
    with pytest.raises(OSError, match="compressed data"):
        plain(tmp_path)
    assert [(entry.name, entry.read_bytes()) for entry in compressed.parent.iterdir()] == [(NAME + ".zst", before)]


def test_missing_one_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "archived_sessions").mkdir()
    with pytest.raises(FileNotFoundError):
        plain(tmp_path)


@pytest.mark.parametrize("lives", range(1, 9))
def test_kill_at_any_step_leaves_the_text_to_be_made_plain_later(
    tmp_path: Path, compressed: Path, monkeypatch: pytest.MonkeyPatch, lives: int
) -> None:
    with monkeypatch.context() as dying:
        os_ = die_after(dying, lives, "state.rollouts.plain_form")
        try:
            plain(tmp_path)
        except Killed:
            assert os_.changes >= lives
    plain(tmp_path)
    found = {entry.name: entry.read_bytes() for entry in compressed.parent.iterdir()}
    assert found.pop(NAME) == TEXT
    assert all(name.startswith(".rollout-materialize-") for name in found)
