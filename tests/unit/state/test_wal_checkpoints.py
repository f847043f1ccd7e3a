"""The write-ahead log is kept short beside the store, and whatever happens there costs no commit."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from chaos.disk.faults import Effect, Fault, Operation, Part
from chaos.disk.faulty import FaultyDisk
from state import wal_checkpoints
from state.connection import close_untouched, open_checkpointer, open_reader, open_writer
from state.folder import StateFolder
from state.opening import OpenedStore
from state.wal_checkpoints import LOG_PAGES_MAX, LOG_PAGES_WANTED, REST_PAGES_MAX, WalCheckpoints
from tests.fakes.direct_store import DirectStore
from tests.fakes.probe import Probe, insert

PAGE_BYTES = 4096

LOG_BYTES_MAX = (LOG_PAGES_MAX + LOG_PAGES_WANTED) * (PAGE_BYTES + 24)

WAIT_SECONDS_MAX = 30.0


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while not holds():
        assert time.monotonic() < give_up_at, "it never came"
        time.sleep(0.001)


class Log:
    """A database whose log is kept short by `checkpoints`, and rows of a page each to lengthen it."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.checkpoints = WalCheckpoints(database)
        self.writer = open_writer(database)
        self.writer.execute("CREATE TABLE wide (id INTEGER PRIMARY KEY, filling BLOB)")
        self.checkpoints.attach(self.writer)
        self.rows = 0

    def write(self, pages: int, *, at_once: int = 50) -> None:
        """Commit rows of about so many pages."""
        for _ in range(0, pages, at_once):
            with self.writer:
                self.writer.executemany("INSERT INTO wide (filling) VALUES (?)", [(bytes(4000),)] * at_once)
            self.rows += at_once

    @property
    def log_bytes(self) -> int:
        """How large the log's file is."""
        return self.database.with_name(self.database.name + "-wal").stat().st_size

    def moved_rows(self) -> int:
        """What the database file alone holds, as if there were no log."""
        alone = self.database.with_name("alone.sqlite")
        alone.write_bytes(self.database.read_bytes())
        with closing(apsw.Connection(f"{alone.as_uri()}?immutable=1", flags=1 | apsw.SQLITE_OPEN_URI)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM wide").fetchone() or (0,)
        assert isinstance(count, int)
        return count

    def is_whole(self) -> bool:
        """Say whether everything that was committed is there."""
        with closing(open_reader(self.database)) as reader:
            return reader.execute("SELECT count(*) FROM wide").fetchall() == [(self.rows,)] and (
                reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A log on a good disk."""
    log = Log(tmp_path / "state.sqlite")
    yield log
    log.checkpoints.close()
    log.writer.close()


def test_short_log_is_left_alone_and_needs_no_thread(log: Log) -> None:
    threads = threading.active_count()
    log.write(LOG_PAGES_WANTED // 2)

    assert threading.active_count() == threads
    assert log.is_whole()


def test_long_log_is_moved_beside_the_store_and_begun_anew_by_a_later_write(log: Log) -> None:
    log.write(LOG_PAGES_WANTED + 50)
    wait_until(lambda: log.checkpoints._moved >= LOG_PAGES_WANTED)

    log.write(1, at_once=1)  # which is the rest
    log.write(1, at_once=1)  # which begins the log anew

    assert log.moved_rows() >= LOG_PAGES_WANTED
    assert log.checkpoints._pages <= REST_PAGES_MAX
    assert log.is_whole()


def test_log_stays_bounded_while_writing_never_ceases(log: Log) -> None:
    log.write(6 * LOG_PAGES_MAX)

    assert log.log_bytes <= LOG_BYTES_MAX
    assert log.is_whole()


def test_log_stays_bounded_without_any_thread(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    log.write(3 * LOG_PAGES_MAX)

    assert log.log_bytes <= LOG_BYTES_MAX
    assert log.is_whole()


def test_log_stays_bounded_while_the_thread_cannot_move_it(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_database: Path, *, vfs: str | None) -> apsw.Connection:
        raise apsw.CantOpenError(f"no more descriptors, {vfs}")

    monkeypatch.setattr(wal_checkpoints, "open_checkpointer", refuse)
    log.write(3 * LOG_PAGES_MAX)

    assert log.log_bytes <= LOG_BYTES_MAX
    assert log.is_whole()


def test_log_that_somebody_reads_is_kept_for_him_and_short_again_after_him(log: Log) -> None:
    log.write(50)
    reader = open_reader(log.database)
    reader.execute("BEGIN")
    seen = reader.execute("SELECT count(*) FROM wide").fetchall()
    log.write(2 * LOG_PAGES_MAX)

    assert reader.execute("SELECT count(*) FROM wide").fetchall() == seen
    reader.close()
    log.write(2 * LOG_PAGES_MAX)

    assert log.checkpoints._pages <= LOG_PAGES_MAX + LOG_PAGES_WANTED
    assert log.is_whole()


def test_log_of_several_processes_stays_bounded(log: Log) -> None:
    """Each has checkpoints of its own; a log that one of them moves is refused to the others."""
    other = Log.__new__(Log)
    other.database, other.checkpoints, other.rows = log.database, WalCheckpoints(log.database), 0
    other.writer = open_writer(log.database)
    other.checkpoints.attach(other.writer)
    for _ in range(20):
        log.write(LOG_PAGES_WANTED // 2)
        other.write(LOG_PAGES_WANTED // 2)
    other.checkpoints.close()
    other.writer.close()
    log.rows += other.rows

    assert log.log_bytes <= LOG_BYTES_MAX
    assert log.is_whole()


@pytest.mark.parametrize("operation", [Operation.SYNC, Operation.WRITE])
def test_move_that_fails_costs_no_commit_and_is_tried_again(
    disk: FaultyDisk, tmp_path: Path, operation: Operation
) -> None:
    log = Log(tmp_path / "state.sqlite")
    disk.follow(Fault(operation=operation, effect=Effect.FAIL, part=Part.DATABASE, times=None))
    log.write(2 * LOG_PAGES_WANTED)
    assert log.is_whole()
    disk.recover()

    log.write(3 * LOG_PAGES_MAX)

    assert log.log_bytes <= LOG_BYTES_MAX
    assert log.is_whole()
    log.checkpoints.close()
    log.writer.close()


def test_closing_ends_the_thread_and_leaves_the_log(log: Log) -> None:
    log.write(LOG_PAGES_WANTED + 50)
    wait_until(lambda: log.checkpoints._moved >= LOG_PAGES_WANTED)
    log.checkpoints.close()

    assert not any(thread.name == "memoryd-checkpoints" for thread in threading.enumerate())
    assert log.log_bytes > 0
    assert log.is_whole()


def test_closing_what_never_had_a_thread_does_nothing(tmp_path: Path) -> None:
    WalCheckpoints(tmp_path / "state.sqlite").close()


def test_checkpointer_that_closes_last_leaves_the_log(tmp_path: Path) -> None:
    log = Log(tmp_path / "state.sqlite")
    log.write(100)
    checkpointer = open_checkpointer(log.database)
    checkpointer.execute("SELECT count(*) FROM wide").fetchall()
    close_untouched(log.writer)
    checkpointer.close()

    assert log.log_bytes > 100 * PAGE_BYTES


def test_store_that_was_opened_anew_after_a_failed_commit_keeps_its_log_short(
    disk: FaultyDisk, opened: OpenedStore, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal_checkpoints, "LOG_PAGES_WANTED", 20)
    monkeypatch.setattr(wal_checkpoints, "LOG_PAGES_MAX", 60)
    store = DirectStore(opened.group_commit)
    opened.group_commit.checkpoint_beside()
    disk.follow(Fault(operation=Operation.SYNC, effect=Effect.FAIL))
    assert store.ask(Probe(insert("refused"))) != "refused"

    for number in range(200):
        assert store.ask(Probe(insert(f"process-{number}"))) == f"process-{number}"

    log = folder.database.with_name(folder.database.name + "-wal")
    assert log.stat().st_size < 150 * PAGE_BYTES
