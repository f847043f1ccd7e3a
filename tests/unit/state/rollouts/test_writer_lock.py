"""One writer per thread over all processes, by the lock files that Codex uses."""

import fcntl
import os
from pathlib import Path

import pytest

from state.rollouts.writer_lock import COORDINATION, FOLDER, ActiveWriterError, WriterLock, held_alone, writing
from tests.unit.state.rollouts.transcript import OTHER_THREAD, THREAD


def test_second_writer_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    first = WriterLock(tmp_path, THREAD)
    with pytest.raises(ActiveWriterError, match=f"^thread {THREAD} already has an active writer$"):
        WriterLock(tmp_path, THREAD, wait_seconds=0.01)
    with writing(tmp_path, OTHER_THREAD):
        pass

    first.release()
    first.release()
    with writing(tmp_path, THREAD, wait_seconds=0):
        assert (tmp_path / FOLDER / f"{THREAD}.lock").exists()


def test_lock_leaves_no_file_but_the_one_that_all_share(tmp_path: Path) -> None:
    with writing(tmp_path, THREAD):
        pass
    assert [entry.name for entry in (tmp_path / FOLDER).iterdir()] == [COORDINATION]


def test_lock_that_codex_holds_is_respected(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    descriptor = os.open(tmp_path / FOLDER / f"{THREAD}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ActiveWriterError):
        WriterLock(tmp_path, THREAD, wait_seconds=0)
    os.close(descriptor)
    WriterLock(tmp_path, THREAD, wait_seconds=0).release()


def test_file_that_a_dead_writer_left_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{THREAD}.lock").touch()
    with writing(tmp_path, THREAD, wait_seconds=0):
        pass


def test_link_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / f"{THREAD}.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"(?i)symbolic|loop"):
        WriterLock(tmp_path, THREAD)
    assert not (tmp_path / "elsewhere").exists()


def test_waiting_for_a_shared_lock_has_a_bound_and_a_name(tmp_path: Path) -> None:
    path = tmp_path / "one.lock"
    waited = pytest.raises(TimeoutError, match="waiting for the lock")
    with held_alone(path, "the lock"), waited, held_alone(path, "the lock", wait_seconds=0.01):
        raise AssertionError("the lock is held twice")
