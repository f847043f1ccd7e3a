"""Files of older versions of the database: which names mean one, and which of those files really go."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from state.folder import StateFolder
from state.legacy import is_legacy
from state.migrate import migrate, migrations
from state.store import open_store
from tests.fakes.other_process import other_process

CODEX_HOME = "/home/ann/.codex"
NEWEST = len(migrations())
SUFFIXES = ("", "-wal", "-shm", "-journal")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_name_of_an_older_version_is_legacy_with_each_suffix(suffix: str) -> None:
    for name in ("state.sqlite", "state_0.sqlite", "state_3.sqlite", "state_03.sqlite"):
        assert is_legacy(name + suffix, current="state_4.sqlite"), name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_name_in_use_is_kept_with_each_suffix(suffix: str) -> None:
    assert not is_legacy("state_4.sqlite" + suffix, current="state_4.sqlite")
    assert not is_legacy("state.sqlite" + suffix, current="state.sqlite")
    assert not is_legacy("state.sqlite" + suffix, current="state.sqlite", version=9)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_name_of_a_newer_version_is_kept(suffix: str) -> None:
    """The baseline deletes these too; starting an old program once then costs the newer one its index."""
    for name in ("state_5.sqlite", "state_10.sqlite", "state_99999999999999999999.sqlite"):
        assert not is_legacy(name + suffix, current="state_4.sqlite"), name
        assert not is_legacy(name + suffix, current="state.sqlite", version=5), name


@pytest.mark.parametrize(
    "name",
    [
        "state.sqlite_backup",
        "state_.sqlite",
        "123",
        "",
        "state_3.sqlite-wal-wal",
        "state_3.sqlite-shm-journal",
        "state_3.sqlite.bak",
        "state_3.sqlite-WAL",
        "state_3.SQLITE",
        "state_-3.sqlite",
        "state_3a.sqlite",
        "state_٣.sqlite",
        "state_3.sqlite\n",
        "mystate_3.sqlite",
        "state-3.sqlite",
        "logs.sqlite",
        "logs_1.sqlite",
        "memories_1.sqlite",
    ],
)
def test_every_other_name_is_kept(name: str) -> None:
    assert not is_legacy(name, current="state_4.sqlite")


def test_number_that_names_no_version_of_ours_is_older_only_by_the_version_that_is_given() -> None:
    assert not is_legacy("state_3.sqlite", current="state.sqlite")
    assert is_legacy("state_3.sqlite", current="state.sqlite", version=4)
    assert not is_legacy("state_4.sqlite", current="state.sqlite", version=4)


Plant = Callable[..., Path]


@pytest.fixture
def plant(folder: StateFolder) -> Plant:
    """Makes a state of memoryd of an older schema in the folder, under any name, with what SQLite leaves beside it."""

    def make(name: str, *, schema: int = NEWEST - 1, codex_home: str = CODEX_HOME) -> Path:
        folder.path.mkdir(mode=0o700, exist_ok=True)
        if not folder.database.exists():
            folder.database.touch(mode=0o600)
        database = folder.path / name
        connection = apsw.Connection(str(database))
        migrate(connection, migrations()[:schema])
        connection.execute("INSERT INTO home VALUES (1, ?, 0)", (codex_home,))
        connection.close()
        for suffix in SUFFIXES[1:]:
            database.with_name(name + suffix).touch()
        return database

    return make


async def kept_by_a_start(folder: StateFolder) -> tuple[str, ...]:
    """Start and stop; what is said of files that stay."""
    async with open_store(folder, CODEX_HOME) as handle:
        return handle.kept_legacy


def present(folder: StateFolder, name: str) -> list[str]:
    """Which of a database's files are there."""
    return [suffix for suffix in SUFFIXES if os.path.lexists(folder.path / (name + suffix))]


async def test_older_states_go_with_all_that_is_beside_them_and_nothing_else_does(
    folder: StateFolder, plant: Plant
) -> None:
    for number in (1, NEWEST - 1):
        plant(f"state_{number}.sqlite")
    others = ("state.sqlite_backup", "state_.sqlite", "123", f"state_{NEWEST}.sqlite", f"state_{NEWEST + 1}.sqlite")
    for name in others:
        shutil.copy(folder.path / "state_1.sqlite", folder.path / name)
    (folder.path / "memories").mkdir()
    shutil.copy(folder.path / "state_1.sqlite", folder.path / "memories" / "state_1.sqlite")

    assert await kept_by_a_start(folder) == ()
    assert present(folder, "state_1.sqlite") == present(folder, f"state_{NEWEST - 1}.sqlite") == []
    assert all((folder.path / name).exists() for name in others)
    assert (folder.path / "memories" / "state_1.sqlite").exists()
    assert folder.database.exists()


async def test_what_was_beside_a_database_that_is_gone_goes_too(folder: StateFolder, plant: Plant) -> None:
    plant("state_1.sqlite").unlink()
    assert await kept_by_a_start(folder) == ()

    assert present(folder, "state_1.sqlite") == []


@pytest.mark.parametrize(
    ("schema", "codex_home"),
    [(NEWEST, CODEX_HOME), (NEWEST - 1, "/home/bob/.codex")],
    ids=["a copy of today's state", "another home's"],
)
async def test_state_that_is_not_older_or_of_another_home_is_kept_and_said(
    folder: StateFolder, plant: Plant, schema: int, codex_home: str
) -> None:
    plant("state_1.sqlite", schema=schema, codex_home=codex_home)
    (said,) = await kept_by_a_start(folder)

    assert said == f"the legacy database {folder.path}/state_1.sqlite stays: it is no older state of this home"
    assert present(folder, "state_1.sqlite") == list(SUFFIXES)


async def test_index_that_is_codexs_own_is_kept(folder: StateFolder, plant: Plant) -> None:
    plant("state_1.sqlite").unlink()
    connection = apsw.Connection(str(folder.path / "state_5.sqlite"))
    connection.execute("CREATE TABLE threads (id TEXT); CREATE TABLE _sqlx_migrations (version INTEGER)").fetchall()
    connection.close()
    (folder.path / "state_4.sqlite").write_bytes(b"")
    said = await kept_by_a_start(folder)

    assert [" stays: it is no older state" in one for one in said] == [True, True]
    assert (folder.path / "state_5.sqlite").exists()
    assert (folder.path / "state_4.sqlite").exists()


async def test_links_and_folders_are_kept(folder: StateFolder, plant: Plant, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.sqlite"
    plant("state_1.sqlite").rename(target)
    (folder.path / "state_1.sqlite").symlink_to(target)
    (folder.path / "state_2.sqlite").mkdir()
    plant("state_3.sqlite")
    (folder.path / "state_3.sqlite-wal").unlink()
    (folder.path / "state_3.sqlite-wal").symlink_to(target)
    said = await kept_by_a_start(folder)

    assert [one.partition(" stays: ")[2] for one in said] == [
        "state_1.sqlite is no regular file",
        "state_2.sqlite is no regular file",
        "state_3.sqlite-wal is no regular file",
    ]
    assert target.exists()
    assert (folder.path / "state_3.sqlite").exists()


HOLD = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def open_elsewhere(database: Path, *statements: str) -> Iterator[None]:
    """Have another process open the database and run statements, for the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database), *statements], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"open\n"
            yield
        finally:
            holder.kill()


@pytest.mark.parametrize(
    "statements",
    [("PRAGMA journal_mode = WAL", "SELECT count(*) FROM home"), ("BEGIN IMMEDIATE",)],
    ids=["write-ahead log", "transaction"],
)
async def test_file_that_somebody_has_open_is_kept(
    folder: StateFolder, plant: Plant, statements: tuple[str, ...]
) -> None:
    database = plant("state_1.sqlite")
    for suffix in SUFFIXES[1:]:
        database.with_name(database.name + suffix).unlink()
    with open_elsewhere(database, *statements):
        said = await kept_by_a_start(folder)

    assert said == (f"the legacy database {database} stays: it is in use",)
    assert database.exists()
    assert await kept_by_a_start(folder) == ()
    assert not database.exists()


async def test_nothing_goes_while_another_process_has_the_state_folder_open(folder: StateFolder, plant: Plant) -> None:
    database = plant("state_1.sqlite")
    with other_process("lock", folder) as other:
        other.word()
        said = await kept_by_a_start(folder)

    assert said == (f"the legacy database {database} stays: the state folder is in use",)
    assert database.exists()


async def test_file_that_cannot_be_removed_is_said_and_the_start_goes_on(
    folder: StateFolder, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant("state_1.sqlite")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        said = await kept_by_a_start(folder)

    assert said == (f"the legacy database {folder.path}/state_1.sqlite stays: Permission denied",)
