"""OS locks of a state folder: who holds what, and who is proven dead."""

import os
import threading
import time
from pathlib import Path

import pytest

from state import folder as folder_module
from state.errors import StateFolderError
from state.folder import (
    StateFolder,
    dead_process_lock,
    file_system_of,
    held_lock,
    holders_of,
    prepare,
    quarantine,
    remove_process_lock,
    try_lock,
)
from state.ids import ProcessUuid
from tests.fakes.other_process import other_process

OTHER = ProcessUuid("other")


@pytest.fixture
def prepared(folder: StateFolder) -> StateFolder:
    """A folder with its sub-folders."""
    prepare(folder)
    return folder


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock."""
    monkeypatch.setattr(folder_module, "LOCK_WAIT_SECONDS_MAX", 0.0)


def test_shared_locks_go_together(tmp_path: Path, impatient: None) -> None:
    lock = tmp_path / "state.lock"

    with (
        held_lock(lock, exclusive=False, purpose="read"),
        held_lock(lock, exclusive=False, purpose="read"),
    ):
        pass


def test_lock_held_alone_refuses_others_and_ends_with_its_block(tmp_path: Path, impatient: None) -> None:
    lock = tmp_path / "state.lock"

    with (
        held_lock(lock, exclusive=True, purpose="migrate"),
        pytest.raises(StateFolderError, match=r"cannot migrate: state\.lock is held by"),
        held_lock(lock, exclusive=True, purpose="migrate"),
    ):
        pass
    with held_lock(lock, exclusive=True, purpose="migrate"):
        pass


def test_symbolic_link_in_the_place_of_a_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.lock").symlink_to(tmp_path / "elsewhere")

    with (
        pytest.raises(StateFolderError, match=r"state\.lock"),
        held_lock(tmp_path / "state.lock", exclusive=False, purpose="read"),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_lock_is_not_inherited_by_programs_that_are_started(tmp_path: Path) -> None:
    with held_lock(tmp_path / "state.lock", exclusive=False, purpose="read") as descriptor:
        assert not os.get_inheritable(descriptor)


def test_holder_is_named_by_its_process(folder: StateFolder) -> None:
    prepare(folder)
    with other_process("lock", folder) as other:
        other.word()

        holders = holders_of(folder.path / "state.lock")

        other.kill()
    assert holders.startswith(f"process {other.pid} (")


def test_holder_that_nobody_knows_is_another_process(tmp_path: Path) -> None:
    assert holders_of(tmp_path / "missing") == "another process"


def test_process_whose_lock_is_held_is_not_dead(prepared: StateFolder) -> None:
    with (
        held_lock(prepared.process_lock(OTHER), exclusive=True, purpose="live"),
        dead_process_lock(prepared, OTHER) as is_dead,
    ):
        assert is_dead is False


def test_process_whose_lock_can_be_taken_is_dead_and_its_lock_is_held_for_the_block(prepared: StateFolder) -> None:
    prepared.process_lock(OTHER).touch()

    with dead_process_lock(prepared, OTHER) as is_dead, dead_process_lock(prepared, OTHER) as for_a_second_one:
        assert (is_dead, for_a_second_one) == (True, False)


def test_missing_lock_file_proves_nothing(prepared: StateFolder) -> None:
    with dead_process_lock(prepared, OTHER) as is_dead:
        assert is_dead is False
    assert not prepared.process_lock(OTHER).exists()


def test_lock_file_of_a_process_that_left_is_removed_and_removing_again_is_safe(prepared: StateFolder) -> None:
    prepared.process_lock(OTHER).touch()

    remove_process_lock(prepared, OTHER)
    remove_process_lock(prepared, OTHER)

    assert not prepared.process_lock(OTHER).exists()


def test_failed_try_for_a_lock_says_so(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    one, two = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)

    taken = [try_lock(one, exclusive=True), try_lock(two, exclusive=True), try_lock(two, exclusive=False)]
    os.close(one)
    taken.append(try_lock(two, exclusive=True))
    os.close(two)

    assert taken == [True, False, False, True]


def test_quarantine_moves_what_is_there_and_deletes_nothing(prepared: StateFolder) -> None:
    prepared.database.write_text("database")
    prepared.database.with_name("state.sqlite-wal").write_text("log")
    (prepared.path / "state.sqlite-other").write_text("not ours")

    moved_to = quarantine(prepared)

    assert {path.name: path.read_text() for path in moved_to.iterdir()} == {
        "state.sqlite": "database",
        "state.sqlite-wal": "log",
    }
    assert [path.name for path in prepared.path.glob("state.sqlite*")] == ["state.sqlite-other"]


def test_two_quarantines_do_not_meet(prepared: StateFolder) -> None:
    prepared.database.write_text("first")
    first = quarantine(prepared)
    prepared.database.write_text("second")
    second = quarantine(prepared)

    assert (first / "state.sqlite").read_text() == "first"
    assert (second / "state.sqlite").read_text() == "second"


def test_file_system_is_not_said_where_the_platform_does_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    assert file_system_of(tmp_path) == ""


def test_preparing_twice_is_safe(prepared: StateFolder) -> None:
    (prepared.memories_dir / "kept").touch()

    prepare(prepared)

    assert (prepared.memories_dir / "kept").exists()


def test_whoever_stands_in_a_line_that_moves_waits_for_his_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "LOCK_WAIT_SECONDS_MAX", 1.0)
    lock = tmp_path / "migrate.lock"
    is_held = threading.Event()

    def others_come_first() -> None:
        """One after the other, for longer than anybody waits for one of them; it is never free between."""
        with held_lock(lock, exclusive=True, purpose="migrate") as descriptor:
            is_held.set()
            end = time.monotonic() + 2.0
            while time.monotonic() < end:
                time.sleep(0.05)
                os.utime(descriptor)

    others = threading.Thread(target=others_come_first)
    others.start()
    try:
        is_held.wait()
        with held_lock(lock, exclusive=True, purpose="migrate"):
            pass
    finally:
        others.join()


def test_lock_tells_when_somebody_took_it_alone(tmp_path: Path) -> None:
    lock = tmp_path / "migrate.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    with held_lock(lock, exclusive=False, purpose="read"):
        assert lock.stat().st_mtime == 0

    with held_lock(lock, exclusive=True, purpose="migrate"):
        assert lock.stat().st_mtime > 0
