"""Codex's database is read as it was at one moment, and nothing of its folder changes by that."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from state import codex_copy
from state.codex_copy import CodexDatabaseError, forsaken_copies
from state.codex_database import CodexRow, find_codex_database, open_codex_database

ROWS = 700
"""More than a page."""


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files that only this test uses."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(codex_copy, "COPY_PAUSE_SECONDS", 0.0)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Codex home with nothing in it."""
    folder = tmp_path / "codex"
    folder.mkdir()
    return folder


SCHEMA = "CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT NOT NULL, title TEXT, archived INTEGER)"


def write(path: Path, *, rows: int = ROWS, mode: str = "WAL") -> Path:
    """A small index of Codex's; closed, so that no log is left."""
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {mode}")
        database.execute(SCHEMA)
        database.executemany(
            "INSERT INTO threads VALUES (?, ?, ?, 0)", [(f"{n:04d}", f"/p/{n}", f"title {n}") for n in range(rows)]
        )
        database.commit()
    return path


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing in the folder changes in the block: no byte, no time, no file."""

    def picture() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in sorted(folder.rglob("*"))
        }

    before = picture()
    yield
    assert picture() == before


def ids(path: Path) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    with open_codex_database(path) as database:
        while page := database.rows(found[-1] if found else "", 500):
            found += [row.id for row in page]
    return found


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_every_row_is_read_and_nothing_changes(home: Path, scratch: Path, mode: str) -> None:
    path = write(home / "state_5.sqlite", mode=mode)
    with untouched(home):
        assert ids(path) == [f"{n:04d}" for n in range(ROWS)]
    assert list(scratch.iterdir()) == [], "the copy is gone"


def test_what_is_only_in_the_log_of_a_living_codex_is_read(home: Path) -> None:
    path = write(home / "state_5.sqlite", rows=1)
    with closing(sqlite3.connect(path)) as codex:
        codex.execute("INSERT INTO threads VALUES ('later', '/p', 't', 0)")
        codex.commit()
        assert path.with_name("state_5.sqlite-wal").stat().st_size
        with untouched(home):
            assert ids(path) == ["0000", "later"]


def test_link_to_a_database_is_followed_to_the_log_beside_it(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write(elsewhere / "state_5.sqlite", rows=1)
    (home / "state_5.sqlite").symlink_to(path)
    with closing(sqlite3.connect(path)) as codex:
        codex.execute("INSERT INTO threads VALUES ('later', '/p', 't', 0)")
        codex.commit()
        with untouched(elsewhere):
            assert ids(home / "state_5.sqlite") == ["0000", "later"]


def test_lock_of_a_living_codex_is_neither_needed_nor_taken(home: Path) -> None:
    path = write(home / "state_5.sqlite", rows=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as codex:
        codex.execute("BEGIN EXCLUSIVE")
        codex.execute("INSERT INTO threads VALUES ('open', '/p', 't', 0)")
        assert ids(path) == ["0000"]
        codex.execute("COMMIT")
    assert ids(path) == ["0000", "open"]


def test_copy_during_a_checkpoint_and_a_new_log_is_made_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / "state_5.sqlite", rows=300)
    codex = sqlite3.connect(path, isolation_level=None)
    copied: list[str] = []
    copy_file = codex_copy._copy_file

    def copy_and_be_disturbed(source: Path, target: Path) -> None:
        copy_file(source, target)
        copied.append(source.name)
        if len(copied) == 1:
            codex.execute("UPDATE threads SET title = 'changed'")
            codex.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            codex.execute("INSERT INTO threads VALUES ('new', '/p', 'changed', 0)")

    codex.execute("UPDATE threads SET title = 'first'")
    monkeypatch.setattr(codex_copy, "_copy_file", copy_and_be_disturbed)
    with closing(codex), open_codex_database(path) as database:
        titles = {row.columns["title"] for row in database.rows("", 500)}

    assert copied.count(path.name) == 2
    assert titles == {"changed"}


def test_codex_that_never_rests_is_given_up_with_a_reason(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / "state_5.sqlite", mode="DELETE")
    copy_file = codex_copy._copy_file

    def copy_and_be_disturbed(source: Path, target: Path) -> None:
        copy_file(source, target)
        os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1_000_000_000))

    monkeypatch.setattr(codex_copy, "_copy_file", copy_and_be_disturbed)
    with pytest.raises(CodexDatabaseError, match="changed again and again"):
        ids(path)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_bytes(b"this is not a database\n" * 500)


def _encrypted(path: Path) -> None:
    path.write_bytes(os.urandom(65536))


def _truncated(path: Path) -> None:
    path.write_bytes(write(path).read_bytes()[: 3 * 4096 + 100])


def _overwritten(path: Path) -> None:
    data = bytearray(write(path).read_bytes())
    data[4096 : 8 * 4096] = b"\xff" * (7 * 4096)
    path.write_bytes(bytes(data))


def _header_only(path: Path) -> None:
    path.write_bytes(write(path).read_bytes()[:100])


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _other_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE something (else_ TEXT)")


def _no_id(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE threads (name TEXT, rollout_path TEXT)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_empty, "it is empty"),
        (_text, "not a database"),
        (_encrypted, "encrypted"),
        (_truncated, "damaged"),
        (_overwritten, "damaged"),
        (_header_only, "damaged"),
        (_folder, "not a regular file"),
        (_link, "not a database"),
        (_pipe, "not a regular file"),
        (_other_tables, "no table of threads"),
        (_no_id, "no table of threads"),
    ],
)
def test_unusable_database_is_refused_in_a_plain_sentence_and_stays_as_it_is(
    home: Path, scratch: Path, spoil: Callable[[Path], None], words: str
) -> None:
    path = home / "state_5.sqlite"
    spoil(path)
    with untouched(home), pytest.raises(CodexDatabaseError, match=words):
        ids(path)
    assert list(scratch.iterdir()) == []


def test_log_of_garbage_costs_only_what_is_in_it(home: Path) -> None:
    path = write(home / "state_5.sqlite", rows=2)
    path.with_name("state_5.sqlite-wal").write_bytes(os.urandom(10_000))
    with untouched(home):
        assert ids(path) == ["0000", "0001"]


def test_older_and_newer_columns_are_taken_as_they_are(home: Path) -> None:
    path = home / "state_4.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT, has_user_event INTEGER, future BLOB,"
            " tokens_used)"
        )
        database.execute("INSERT INTO threads VALUES ('a', '/p', 1, x'00', 'many')")
        database.execute("INSERT INTO threads VALUES (x'ff', '/q', 1, x'00', 1)")
        database.commit()
    with open_codex_database(path) as opened:
        rows = opened.rows("", 10)

        assert [(row.id, dict(row.columns)) for row in rows] == [("a", {"rollout_path": "/p", "tokens_used": "many"})]
        assert opened.backfill_status is None


def test_text_that_is_not_utf8_costs_its_odd_characters(home: Path) -> None:
    path = write(home / "state_5.sqlite", rows=1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE threads SET title = CAST(x'61ff62' AS TEXT)")
        database.commit()
    with open_codex_database(path) as opened:
        assert opened.rows("", 10)[0].columns["title"] == "a\ufffdb"


def test_ids_that_are_not_utf8_are_passed_by_the_next_page(home: Path) -> None:
    path = write(home / "state_5.sqlite", rows=2)
    with closing(sqlite3.connect(path)) as database:
        for byte in range(0xF0, 0x100):
            database.execute("INSERT INTO threads VALUES (CAST(? AS TEXT), '/p', 't', 0)", (bytes([byte]),))
        database.commit()
    pages: list[list[CodexRow]] = []
    after = ""
    with open_codex_database(path) as opened:
        while len(pages) < 19 and (page := opened.rows(after, 1)):
            pages.append(page)
            after = page[-1].id

    assert len(pages) == 18


def test_state_of_codexs_backfill_is_told(home: Path) -> None:
    path = write(home / "state_5.sqlite", rows=1)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE backfill_state (id INTEGER, status TEXT)")
        database.execute("INSERT INTO backfill_state VALUES (1, 'running')")
        database.commit()
    with open_codex_database(path) as opened:
        assert opened.backfill_status == "running"


def test_large_database_is_read_in_place_without_a_trace_while_nobody_is_at_work(home: Path, scratch: Path) -> None:
    path = write(home / "state 5?#.sqlite")
    with untouched(home), open_codex_database(path, copy_bytes_max=1) as database:
        assert database.threads == ROWS
        assert len(database.rows("", 10)) == 10
        assert list(scratch.iterdir()) == []


def test_large_database_of_a_codex_at_work_is_not_read(home: Path) -> None:
    path = write(home / "state_5.sqlite")
    with closing(sqlite3.connect(path)) as codex:
        codex.execute("INSERT INTO threads VALUES ('later', '/p', 't', 0)")
        codex.commit()
        with (
            untouched(home),
            pytest.raises(CodexDatabaseError, match="too much to copy"),
            open_codex_database(path, copy_bytes_max=1),
        ):
            pass


def test_copies_are_for_their_owner_alone(home: Path, scratch: Path) -> None:
    path = write(home / "state_5.sqlite", rows=1)
    with open_codex_database(path):
        (folder,) = scratch.iterdir()

        assert folder.stat().st_mode & 0o777 == 0o700
        assert forsaken_copies() == [], "its owner lives"


def test_copy_whose_owner_was_killed_is_found(scratch: Path) -> None:
    folder = scratch / "memoryd-doctor-abc"
    folder.mkdir(mode=0o700)
    (folder / "lock").touch()
    (scratch / "memoryd-doctor-link").symlink_to(folder)
    (scratch / "memoryd-doctor-other").mkdir()

    assert forsaken_copies() == [folder]


@pytest.mark.parametrize(
    ("names", "highest"),
    [
        (["state_4.sqlite", "state_5.sqlite", "state_10.sqlite", "state_10.sqlite-wal"], "state_10.sqlite"),
        (["state.sqlite", "state_.sqlite", "state_x.sqlite", "state_5.sqlite_backup", "logs_2.sqlite"], None),
        ([], None),
    ],
)
def test_highest_number_is_the_one_in_use(home: Path, names: list[str], highest: str | None) -> None:
    for name in names:
        (home / name).touch()

    assert find_codex_database(home, {}).path == (home / highest if highest else None)


def test_sqlite_home_of_the_configuration_goes_before_the_environments(home: Path, tmp_path: Path) -> None:
    configured, named = tmp_path / "configured", tmp_path / "named"
    for folder in (configured, named):
        folder.mkdir()
        (folder / "state_5.sqlite").touch()
    environment = {"CODEX_SQLITE_HOME": str(named)}
    assert find_codex_database(home, environment).path == named / "state_5.sqlite"

    (home / "config.toml").write_text(f'sqlite_home = "{configured}"\n')
    assert find_codex_database(home, environment).path == configured / "state_5.sqlite"


@pytest.mark.parametrize("text", ["sqlite_home = 7", "[[[", "\udcff"])
def test_configuration_of_codex_that_is_not_understood_is_a_remark(home: Path, text: str) -> None:
    (home / "config.toml").write_bytes(text.encode(errors="surrogateescape"))
    place = find_codex_database(home, {})

    assert place.folder == home
    assert place.remark is not None


def test_home_that_is_not_there_has_no_database(tmp_path: Path) -> None:
    place = find_codex_database(tmp_path / "nowhere", {})

    assert (place.path, place.remark) == (None, None)
