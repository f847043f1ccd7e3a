"""A line is appended whole or not at all, through no link, and behind whatever a dying writer left."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from state.rollouts import whole_writes
from state.rollouts.append import RolloutAppender
from state.rollouts.representation import zstd

PATH = "sessions/2026/11/20/rollout-2026-11-20T09-00-00-01990000-0000-7000-8000-000000000001.jsonl"


@pytest.fixture
def rollout(tmp_path: Path) -> Path:
    """A rollout of one line."""
    path = tmp_path / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"a":1}\n')
    return path


def appended(home: Path, *lines: bytes) -> None:
    with RolloutAppender(home, PATH) as file:
        for line in lines:
            file.append(line)
        file.sync()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"{}\n"),
        (b'{"a":1}\n', b'{"a":1}\n{}\n'),
        (b'{"a":1}', b'{"a":1}\n{}\n'),
        (b'{"a":1}\n{"torn', b'{"a":1}\n{"torn\n{}\n'),
    ],
)
def test_line_begins_on_a_line_of_its_own(tmp_path: Path, rollout: Path, before: bytes, after: bytes) -> None:
    rollout.write_bytes(before)
    appended(tmp_path, b"{}")
    assert rollout.read_bytes() == after


def test_line_is_one_write_with_what_mends_the_line_before(
    tmp_path: Path, rollout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout.write_bytes(b'{"torn')
    writes = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, descriptor: int, data: bytes) -> int:
            writes.append(data)
            return os.write(descriptor, data)

    monkeypatch.setattr(whole_writes, "os", Watched())
    appended(tmp_path, b"{}")
    assert writes == [b"\n{}\n"]


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, rollout: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    class Full:
        left = taken

        def __getattr__(self, name: str) -> Any:
            return getattr(os, name)

        def write(self, descriptor: int, data: bytes) -> int:
            if not self.left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = os.write(descriptor, data[: self.left])
            self.left = 0
            return written

    with monkeypatch.context() as patched:
        patched.setattr(whole_writes, "os", Full())
        with pytest.raises(OSError, match="No space left"):
            appended(tmp_path, b'{"b":2}')
    assert rollout.read_bytes() == b'{"a":1}\n'

    appended(tmp_path, b'{"b":2}')
    assert rollout.read_bytes() == b'{"a":1}\n{"b":2}\n'


def test_compressed_rollout_is_made_plain_first(tmp_path: Path, rollout: Path) -> None:
    compressed = rollout.with_name(rollout.name + ".zst")
    compressed.write_bytes(zstd.compress(rollout.read_bytes()))
    rollout.unlink()

    appended(tmp_path, b"{}")

    assert rollout.read_bytes() == b'{"a":1}\n{}\n'
    assert [entry.name for entry in rollout.parent.iterdir()] == [rollout.name]


def test_link_is_never_written_through(tmp_path: Path, rollout: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine\n")
    rollout.unlink()
    rollout.symlink_to(victim)
    with pytest.raises(OSError, match=r"(?i)symbolic|loop"):
        appended(tmp_path, b"{}")

    day = rollout.parent
    elsewhere = tmp_path / "elsewhere"
    rollout.unlink()
    day.rename(elsewhere)
    (elsewhere / rollout.name).write_bytes(b"mine\n")
    day.symlink_to(elsewhere)
    with pytest.raises(OSError, match=r"(?i)symbolic|loop|not a directory"):
        appended(tmp_path, b"{}")
    assert victim.read_bytes() == (elsewhere / rollout.name).read_bytes() == b"mine\n"


@pytest.mark.parametrize(
    "path", ["../x.jsonl", "sessions/../../x.jsonl", "/etc/passwd", "memories/x.jsonl", "sessions", "sessions//x.jsonl"]
)
def test_path_outside_the_rollouts_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="does not lie in the folders of rollouts"):
        RolloutAppender(tmp_path, path)


def test_what_is_no_regular_file_is_refused(tmp_path: Path, rollout: Path) -> None:
    rollout.unlink()
    os.mkfifo(rollout)
    with pytest.raises(OSError, match="not a regular file"):
        RolloutAppender(tmp_path, PATH)


def test_missing_rollout_is_made_only_when_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    with pytest.raises(FileNotFoundError):
        RolloutAppender(tmp_path, PATH)
    with RolloutAppender(tmp_path, PATH, create=True) as file:
        file.append(b"{}")
        assert file.size_bytes() == 3
    with pytest.raises(FileExistsError):
        RolloutAppender(tmp_path, PATH, create=True)
    assert (tmp_path / PATH).read_bytes() == b"{}\n"


NUMBERED = b'{"timestamp":"2026-11-20T10:00:00.000Z","ordinal":%d,"type":"event_msg","payload":{}}\n'


@pytest.mark.parametrize(
    ("text", "following"),
    [
        (b"", 0),
        (b'{"timestamp":"","type":"session_meta"}\n', 0),
        (NUMBERED % 0, 1),
        (NUMBERED % 7 + NUMBERED % 8, 9),
        (NUMBERED % 8 + b'{"ordinal":9,"type":"x"}\n', 10),
        (NUMBERED % 8 + b'{"timestamp":"2026-11-20T10:00:00.000Z","ordi', 9),
        (NUMBERED % 8 + b"x" * 200_000 + b"\n", 9),
        (NUMBERED % 8 + b"[" * 70_000 + b"\n" + b"\n\n", 9),
        (b"y" * 65_536 + b"\n" + NUMBERED % 3 + b"x" * 65_535 + b"\n", 4),
    ],
)
def test_next_ordinal_is_behind_the_last_line_that_has_one(
    tmp_path: Path, rollout: Path, text: bytes, following: int
) -> None:
    rollout.write_bytes(text)
    with RolloutAppender(tmp_path, PATH) as file:
        assert file.next_ordinal() == following
