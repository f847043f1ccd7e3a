"""The state folder: disk, locks, rights, leftovers and the database, each looked at without being changed."""

import fcntl
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest
import trio

from config import Settings
from state.folder import StateFolder
from state.integrity import look_at_database
from state.store import open_store
from workers.doctor import state_folder
from workers.doctor.finding import Findings, Severity
from workers.doctor.state_folder import check_database, check_folder, is_old, loose_entries

HOME = "/home/ann/.codex"


@pytest.fixture
def used(folder: StateFolder) -> StateFolder:
    """A state folder that was used once, with the rights that memoryd gives it."""

    async def use() -> None:
        async with open_store(folder, HOME, inline=True):
            pass

    before = os.umask(0o077)
    try:
        trio.run(use)
    finally:
        os.umask(before)
    return folder


def looked(folder: StateFolder, settings: Settings | None = None) -> dict[str, Severity]:
    """The severity of each code that a look gives."""
    findings = Findings()
    if check_folder(findings, folder, settings or Settings()):
        check_database(findings, folder)
    return {one.code: one.severity for one in findings.kept}


def test_used_folder_is_in_order_and_stays_as_it_is(used: StateFolder) -> None:
    before = {path: path.read_bytes() for path in used.path.rglob("*") if path.is_file()}

    assert set(looked(used).values()) == {Severity.OK}
    # SQLite's own files beside the database come and go with its readers.
    after = {path: path.read_bytes() for path in used.path.rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if not path.name.endswith(("-shm", "-wal"))} == before


def test_folder_that_is_not_there_yet_is_fine(folder: StateFolder) -> None:
    assert looked(folder) == {"no_state_folder": Severity.OK}
    assert not folder.path.exists()


@pytest.mark.parametrize(
    ("free", "files", "expected"),
    [
        (1 << 40, 10**6, {"disk_space": Severity.OK}),
        (100 << 20, 10**6, {"disk_space": Severity.WARNING}),
        (10 << 20, 10**6, {"disk_space": Severity.ERROR}),
        (1 << 40, 10, {"disk_space": Severity.OK, "inodes": Severity.WARNING}),
    ],
)
def test_disk_that_fills_up_is_named_before_it_is_full(
    used: StateFolder, monkeypatch: pytest.MonkeyPatch, free: int, files: int, expected: dict[str, Severity]
) -> None:
    disk = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_files=10**7, f_favail=files)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    found = looked(used)

    assert {code: found[code] for code in expected} == expected
    assert ("inodes" in found) == ("inodes" in expected)


def test_disk_without_a_number_of_files_has_no_limit_of_them(
    used: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimpleNamespace(f_bavail=1 << 30, f_frsize=4096, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)

    assert "inodes" not in looked(used)


def test_network_disk_is_an_error(used: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_folder, "file_system_of", lambda _: "nfs4")

    assert looked(used)["file_system"] is Severity.ERROR


def test_locks_that_everybody_gets_are_an_error(used: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)

    assert looked(used)["locks"] is Severity.ERROR


def test_locks_that_fail_are_an_error(used: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", fail)
    findings = Findings()
    check_folder(findings, used, Settings())

    (locks,) = [one for one in findings.kept if one.code == "locks"]
    assert locks.severity is Severity.ERROR
    assert "Function not implemented" in locks.found
    assert [path for path in used.path.iterdir() if path.name.startswith(".")] == []


def test_loose_entries_are_ours_and_no_links(used: StateFolder) -> None:
    (used.path / "link").symlink_to("/etc")
    used.database.chmod(0o640)
    used.path.chmod(0o711)

    assert loose_entries(used.path) == [used.path, used.database]


def test_damage_is_told_and_not_set_aside(used: StateFolder) -> None:
    used.database.write_bytes(b"x" * 5000)

    assert looked(used)["database_damaged"] is Severity.ERROR
    assert used.database.read_bytes() == b"x" * 5000
    assert not used.quarantine_dir.exists()


def test_what_was_set_aside_is_a_note(used: StateFolder) -> None:
    target = used.quarantine_dir / "1-a"
    target.mkdir(parents=True, mode=0o700)
    used.quarantine_dir.chmod(0o700)
    (target / "state.sqlite").touch(mode=0o600)

    assert looked(used)["quarantined"] is Severity.NOTE


def test_logs_that_outgrew_their_settings_are_a_note(used: StateFolder) -> None:
    used.logs_dir.mkdir(mode=0o700)
    path = used.logs_dir / "memoryd.log"
    path.touch(mode=0o600)
    os.truncate(path, 200_000)
    small = attrs.evolve(Settings().logs, file_bytes_max=10_000, files_max=3)

    assert "logs" not in looked(used)
    assert looked(used, attrs.evolve(Settings(), logs=small))["logs"] is Severity.NOTE


def test_look_that_takes_too_long_is_broken_off_and_says_so(used: StateFolder) -> None:
    import sqlite3

    connection = sqlite3.connect(used.database)
    connection.execute("CREATE TABLE big (x)")
    connection.executemany("INSERT INTO big VALUES (?)", [("y" * 100,)] * 100_000)
    connection.commit()
    connection.close()
    seen = look_at_database(used, seconds_max=0.0)

    assert seen is not None
    assert not seen.is_whole
    assert seen.damage == ()


def test_newer_schema_is_an_error_and_an_older_one_is_migrated_by_the_next_start(used: StateFolder) -> None:
    import sqlite3

    for version, code in ((99, "schema"), (1, "schema_older")):
        connection = sqlite3.connect(used.database)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        assert code in looked(used)


def test_what_is_gone_is_not_old(tmp_path: Path) -> None:
    assert not is_old(tmp_path / "nothing")
    path = tmp_path / "file"
    path.touch()
    assert not is_old(path)
    os.utime(path, (1, 1))
    assert is_old(path)


def test_home_that_disappears_during_the_walk_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.doctor import codex_home

    for day in range(5):
        folder = tmp_path / "sessions" / str(day)
        folder.mkdir(parents=True)
        (folder / "rollout-x.jsonl").touch()
    scandir, seen = os.scandir, []

    def disappear(path: str):  # type: ignore[no-untyped-def]
        seen.append(path)
        if len(seen) == 3:
            shutil.rmtree(tmp_path / "sessions")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", disappear)
    findings = Findings()
    codex_home.check_codex_home(findings, tmp_path)

    assert not findings.is_wrong
