"""Opening a state folder: whose it is, how new it is, and what happens to a damaged file."""

import os
import shutil
import stat
from pathlib import Path

import apsw
import pytest

from chaos.disk.faults import Effect, Fault, Operation
from chaos.disk.faulty import FaultyDisk
from state import damage
from state import folder as folder_module
from state.errors import StateFolderError
from state.folder import StateFolder, file_system_of, try_lock
from state.migrate import migrations, schema_text
from state.opening import OpenedStore, mark_suspect, open_for_reading, open_for_writing
from tests.fakes.clock import ManualClock
from tests.fakes.other_process import other_process
from tests.unit.state.conftest import BUSY_DEADLINE_MS, CODEX_HOME

SQLITE_FILES = ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm")


def open_and_close(folder: StateFolder, codex_home: str = CODEX_HOME) -> Path | None:
    """Open the store for writing and close it again; answer where a damaged file was moved to, if one was."""
    store = open_for_writing(folder, codex_home, ManualClock(), BUSY_DEADLINE_MS)
    close(store)
    return store.quarantined


def close(store: OpenedStore) -> None:
    store.long_reads.close()
    store.group_commit.close()
    store.locks.close()


def change(folder: StateFolder, sql: str) -> None:
    """Change the closed database from outside."""
    connection = apsw.Connection(str(folder.database))
    for _ in connection.execute(sql):
        pass
    connection.close()


def damage_header(folder: StateFolder) -> None:
    """Make the file no SQLite database at all, with the two files beside it that a killed process leaves."""
    folder.database.write_bytes(b"not a database, but long enough to look at" * 100)
    for suffix in ("-wal", "-shm"):
        folder.database.with_name(folder.database.name + suffix).write_bytes(b"left behind")


def damage_table(folder: StateFolder, table: str) -> None:
    """Overwrite the first page of a table, which no look at the header shows."""
    connection = apsw.Connection(str(folder.database))
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone() or (0,)
    page_bytes = connection.pragma("page_size")
    connection.close()
    with open(folder.database, "r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)


def test_new_folder_gets_the_whole_schema(folder: StateFolder) -> None:
    assert open_and_close(folder) is None

    connection = apsw.Connection(str(folder.database))
    assert connection.pragma("user_version") == len(migrations())
    assert connection.pragma("journal_mode") == "wal"


def test_folder_that_belongs_to_another_home_is_refused(folder: StateFolder) -> None:
    open_and_close(folder, "/home/ann/.codex")

    with pytest.raises(
        StateFolderError, match=r"belongs to the Codex home /home/ann/\.codex, not to /home/bob/\.codex"
    ):
        open_and_close(folder, "/home/bob/.codex")
    with pytest.raises(StateFolderError, match="belongs to the Codex home"):
        open_for_reading(folder, "/home/bob/.codex", ManualClock())
    open_and_close(folder, "/home/ann/.codex")


def test_newer_schema_is_refused_and_left_as_it_is(folder: StateFolder) -> None:
    open_and_close(folder)
    change(folder, "PRAGMA user_version = 4711")

    with pytest.raises(StateFolderError, match="has schema 4711"):
        open_and_close(folder)
    with pytest.raises(StateFolderError, match="has schema 4711"):
        open_for_reading(folder, CODEX_HOME, ManualClock())
    assert not folder.quarantine_dir.exists()


def test_damaged_file_is_moved_aside_with_its_two_companions_and_rebuilt(folder: StateFolder) -> None:
    open_and_close(folder)
    damage_header(folder)
    damaged = folder.database.read_bytes()

    moved_to = open_and_close(folder)

    assert moved_to is not None
    assert sorted(path.name for path in moved_to.iterdir()) == sorted(SQLITE_FILES)
    assert (moved_to / "state.sqlite").read_bytes() == damaged
    assert (moved_to / "state.sqlite-wal").read_bytes() == b"left behind"
    assert open_and_close(folder) is None


@pytest.mark.parametrize("left", [("state.sqlite-wal",), ("state.sqlite-wal", "state.sqlite-shm")])
def test_move_that_was_cut_short_is_finished_before_sqlite_deletes_what_is_left(
    folder: StateFolder, left: tuple[str, ...]
) -> None:
    """The database was moved, and the power went before its log was."""
    open_and_close(folder)
    folder.database.unlink()
    for name in left:
        (folder.path / name).write_bytes(b"left behind")

    assert open_and_close(folder) is None
    (moved_to,) = folder.quarantine_dir.iterdir()
    assert sorted(path.name for path in moved_to.iterdir()) == sorted(left)
    assert (moved_to / "state.sqlite-wal").read_bytes() == b"left behind"


def test_damage_that_opening_comes_upon_is_moved_aside_too(folder: StateFolder) -> None:
    open_and_close(folder)
    damage_table(folder, "home")

    assert open_and_close(folder) is not None
    assert open_and_close(folder) is None


def test_damage_in_the_process_table_does_not_stop_the_next_start(folder: StateFolder) -> None:
    open_and_close(folder)
    damage_table(folder, "processes")

    with pytest.raises(StateFolderError, match="malformed") as refused:
        open_and_close(folder)

    assert "start memoryd again" in refused.value.hint
    assert open_and_close(folder) is not None


def test_suspect_file_is_checked_whole_and_moved_aside_when_damage_is_found(folder: StateFolder) -> None:
    open_and_close(folder)
    damage_table(folder, "memories")
    assert open_and_close(folder) is None, "nothing looked at that table"
    mark_suspect(folder, "a request found damage")

    assert open_and_close(folder) is not None
    assert not (folder.path / "suspect").exists()


def test_suspect_file_that_is_sound_is_kept(folder: StateFolder) -> None:
    open_and_close(folder)
    mark_suspect(folder, "the disk failed")

    assert open_and_close(folder) is None
    assert not (folder.path / "suspect").exists()


def test_damaged_file_is_refused_while_another_process_has_the_folder_open(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "QUARANTINE_WAIT_SECONDS_MAX", 0.1)
    open_and_close(folder)
    damage_header(folder)

    with other_process("lock", folder) as other:
        other.word()
        with pytest.raises(StateFolderError, match=rf"damaged .* still open in process {other.pid}") as refused:
            open_and_close(folder)
        other.kill()

    assert "stop that process" in refused.value.hint
    assert folder.database.read_bytes().startswith(b"not a database")
    assert open_and_close(folder) is not None


def test_file_that_another_opener_repaired_meanwhile_is_used(
    folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two openers see the damage; the other one is first, and then goes on to use the folder."""
    open_and_close(folder)
    sound = shutil.copy(folder.database, tmp_path / "sound")
    damage_header(folder)
    monkeypatch.setattr(damage, "QUARANTINE_WAIT_SECONDS_MAX", 0.0)

    def other_is_first(descriptor: int, *, exclusive: bool) -> bool:
        if exclusive:
            shutil.copy(sound, folder.database)
            return False
        return try_lock(descriptor, exclusive=False)

    monkeypatch.setattr(damage, "try_lock", other_is_first)

    assert open_and_close(folder) is None


def test_opener_shares_the_folder_again_after_it_had_it_alone(folder: StateFolder) -> None:
    open_and_close(folder)
    damage_header(folder)
    store = open_for_writing(folder, CODEX_HOME, ManualClock(), BUSY_DEADLINE_MS)

    descriptor = os.open(folder.path / "state.lock", os.O_RDWR)
    shared, alone = try_lock(descriptor, exclusive=False), try_lock(descriptor, exclusive=True)
    os.close(descriptor)
    close(store)

    assert (shared, alone) == (True, False)


def test_openers_at_once_migrate_once(folder: StateFolder) -> None:
    with (
        other_process("open", folder) as one,
        other_process("open", folder) as two,
        other_process("open", folder) as three,
    ):
        words = [other.word() for other in (one, two, three)]

    assert [set(word) for word in words] == [{"process"}] * 3
    connection = apsw.Connection(str(folder.database))
    assert connection.pragma("user_version") == len(migrations())
    assert connection.pragma("integrity_check") == "ok"
    fresh = apsw.Connection(":memory:")
    for migration in migrations():
        for _ in fresh.execute(migration.sql):
            pass
    assert schema_text(connection) == schema_text(fresh)


def test_folders_are_for_their_user_alone_and_so_are_all_files_of_the_database(
    folder: StateFolder, opened: OpenedStore
) -> None:
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (folder.path, folder.memories_dir, folder.processes_dir, *folder.path.glob("state.sqlite*"))
    }

    assert modes == {
        "state": 0o700,
        "memories": 0o700,
        "processes": 0o700,
        "state.sqlite": 0o600,
        "state.sqlite-wal": 0o600,
        "state.sqlite-shm": 0o600,
    }


def test_database_that_was_open_to_others_is_closed_to_them_and_the_folder_keeps_its_mode(folder: StateFolder) -> None:
    open_and_close(folder)
    folder.path.chmod(0o750)
    folder.database.chmod(0o644)

    open_and_close(folder)

    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o750
    assert stat.S_IMODE(folder.database.stat().st_mode) == 0o600


def test_folder_that_holds_something_else_is_refused_and_left_as_it_is(folder: StateFolder) -> None:
    folder.path.mkdir()
    (folder.path / "photo.jpg").touch()

    with pytest.raises(StateFolderError, match="holds something else than a state") as refused:
        open_and_close(folder)
    assert "--state-dir" in refused.value.hint
    assert [path.name for path in folder.path.iterdir()] == ["photo.jpg"]


def test_folder_in_the_codex_home_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "codex"
    home.mkdir()

    for inside in (home, home / "memories", tmp_path / "elsewhere" / ".." / "codex" / "state"):
        with pytest.raises(StateFolderError, match="lies in the Codex home"):
            open_and_close(StateFolder(path=inside), str(home))
    assert list(home.iterdir()) == []
    open_and_close(StateFolder(path=tmp_path / "codex-state"), str(home))


def test_file_in_the_place_of_the_folder_is_refused(folder: StateFolder) -> None:
    folder.path.write_text("a file")

    with pytest.raises(StateFolderError, match="cannot use the state folder") as refused:
        open_and_close(folder)
    assert "--state-dir" in refused.value.hint


def test_folder_that_may_not_be_written_is_refused(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)

    with pytest.raises(StateFolderError, match="read-only"):
        open_and_close(folder)


def test_database_that_cannot_be_opened_is_reported_with_its_path(folder: StateFolder) -> None:
    open_and_close(folder)
    folder.database.unlink()
    folder.database.mkdir()

    with pytest.raises(StateFolderError, match=str(folder.database)) as refused:
        open_and_close(folder)
    assert refused.value.hint


@pytest.mark.parametrize("kind", ["nfs4", "9p", "fuse.sshfs", "virtiofs"])
def test_network_file_system_is_refused(folder: StateFolder, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(folder_module, "file_system_of", lambda _path: kind)

    with pytest.raises(StateFolderError, match=rf"network or shared file system \({kind}\)"):
        open_and_close(folder)
    assert not folder.database.exists()


def test_file_system_of_a_local_folder_can_be_used(tmp_path: Path) -> None:
    assert file_system_of(tmp_path) not in folder_module.NETWORK_FILE_SYSTEMS


def test_opener_that_cannot_get_the_write_lock_is_told_so(folder: StateFolder) -> None:
    open_and_close(folder)
    holder = apsw.Connection(str(folder.database))
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(StateFolderError, match="locked") as refused:
        open_and_close(folder)
    assert "try again" in refused.value.hint
    holder.execute("ROLLBACK")
    holder.close()
    assert open_and_close(folder) is None


def test_full_disk_at_the_first_start_is_named_as_such(folder: StateFolder, disk: FaultyDisk) -> None:
    disk.follow(Fault(operation=Operation.WRITE, effect=Effect.FULL, times=None))

    with pytest.raises(StateFolderError, match="cannot open the state database") as refused:
        open_and_close(folder)
    assert "free some space" in refused.value.hint
    disk.recover()
    assert open_and_close(folder) is None


def test_opening_that_failed_holds_no_lock(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    open_and_close(folder)
    with pytest.raises(StateFolderError):
        open_and_close(folder, "/home/bob/.codex")
    monkeypatch.setattr(folder_module, "LOCK_WAIT_SECONDS_MAX", 0.0)

    for name in ("state.lock", "migrate.lock"):
        with folder_module.held_lock(folder.path / name, exclusive=True, purpose="look"):
            pass


def test_reading_what_is_not_there_gives_nothing_and_makes_nothing(folder: StateFolder) -> None:
    assert open_for_reading(folder, CODEX_HOME, ManualClock()) is None
    assert not folder.path.exists()


def test_reading_a_database_that_was_never_migrated_gives_nothing(folder: StateFolder) -> None:
    folder.path.mkdir()
    folder.database.touch()

    assert open_for_reading(folder, CODEX_HOME, ManualClock()) is None


def test_reading_a_damaged_file_says_what_repairs_it(folder: StateFolder) -> None:
    open_and_close(folder)
    damage_header(folder)

    with pytest.raises(StateFolderError, match="cannot read the state database") as refused:
        open_for_reading(folder, CODEX_HOME, ManualClock())
    assert "memoryd once" in refused.value.hint
    assert not folder.quarantine_dir.exists()


def test_memories_survive_the_rebuild_of_the_index(folder: StateFolder) -> None:
    open_and_close(folder)
    kept = folder.memories_dir / "scopes" / "MEMORY.md"
    kept.parent.mkdir()
    kept.write_text("remembered")
    damage_header(folder)

    open_and_close(folder)

    assert kept.read_text() == "remembered"


def test_copied_folder_of_another_machine_opens(folder: StateFolder, tmp_path: Path) -> None:
    open_and_close(folder)
    copy = StateFolder(path=tmp_path / "copy")
    shutil.copytree(folder.path, copy.path)

    assert open_and_close(copy) is None
