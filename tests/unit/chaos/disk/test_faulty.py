"""The faulty disk does to SQLite what its plan says, and nothing else."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from chaos.disk.faults import Effect, Fault, Operation, Part
from chaos.disk.faulty import FaultyDisk
from chaos.disk.recording import Created, Deleted, Recorder, Synced, SyncFailed, Truncated, Wrote
from state.connection import open_writer, truncate_wal

FOR_GOOD = None


@pytest.fixture
def connection(disk: FaultyDisk, root: Path) -> Iterator[apsw.Connection]:
    """A database on the disk, with one table."""
    opened = open_writer(root / "state.sqlite", vfs=disk.name)
    opened.execute("CREATE TABLE t (x)")
    yield opened
    disk.recover()
    opened.close()


def insert(connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (zeroblob(9000))")


def rows(connection: apsw.Connection) -> int:
    return len(connection.execute("SELECT * FROM t").fetchall())


@pytest.mark.parametrize(
    ("operation", "effect", "code"),
    [
        (Operation.WRITE, Effect.FAIL, apsw.SQLITE_IOERR_WRITE),
        (Operation.WRITE, Effect.FULL, apsw.SQLITE_FULL),
        (Operation.WRITE, Effect.SHORT, apsw.SQLITE_FULL),
        (Operation.SYNC, Effect.FAIL, apsw.SQLITE_IOERR_FSYNC),
    ],
)
def test_failing_operation_of_a_commit_is_seen_with_its_own_code_and_keeps_nothing(
    disk: FaultyDisk, connection: apsw.Connection, operation: Operation, effect: Effect, code: int
) -> None:
    disk.follow(Fault(operation=operation, effect=effect))

    with pytest.raises(apsw.Error) as failed:
        insert(connection)

    assert getattr(failed.value, "extendedresult", None) == code
    assert disk.struck == 1
    assert rows(connection) == 0
    insert(connection)
    assert rows(connection) == 1


def test_failing_read_is_seen(disk: FaultyDisk, connection: apsw.Connection, root: Path) -> None:
    insert(connection)
    disk.follow(Fault(operation=Operation.READ, effect=Effect.FAIL, times=FOR_GOOD))

    with pytest.raises(apsw.IOError):
        open_writer(root / "state.sqlite", vfs=disk.name)


def test_short_read_of_the_log_is_seen(disk: FaultyDisk, connection: apsw.Connection, root: Path) -> None:
    insert(connection)
    with contextlib.closing(open_writer(root / "state.sqlite", vfs=disk.name)) as other:
        disk.follow(Fault(operation=Operation.READ, effect=Effect.SHORT, part=Part.LOG))
        with pytest.raises(apsw.IOError):
            rows(other)


def test_failing_truncation_fails_the_checkpoint(disk: FaultyDisk, connection: apsw.Connection) -> None:
    insert(connection)
    disk.follow(Fault(operation=Operation.TRUNCATE, effect=Effect.FAIL))

    with pytest.raises(apsw.IOError):
        truncate_wal(connection)


def test_short_write_leaves_half_of_its_bytes(
    disk: FaultyDisk, connection: apsw.Connection, recorder: Recorder
) -> None:
    disk.follow(Fault(operation=Operation.WRITE, effect=Effect.SHORT, number=2))
    recorder.events.clear()

    with pytest.raises(apsw.FullError):
        insert(connection)

    assert [len(event.data) for event in recorder.events if isinstance(event, Wrote)] == [24, 2048]


def test_fault_of_one_part_leaves_the_others_alone(disk: FaultyDisk, connection: apsw.Connection) -> None:
    disk.follow(Fault(operation=Operation.WRITE, effect=Effect.FAIL, part=Part.DATABASE, times=FOR_GOOD))

    insert(connection)

    with pytest.raises(apsw.IOError):
        truncate_wal(connection)
    assert rows(connection) == 1


def test_lie_is_believed_and_not_recorded(disk: FaultyDisk, connection: apsw.Connection, recorder: Recorder) -> None:
    disk.follow(Fault(operation=Operation.SYNC, effect=Effect.LIE, times=FOR_GOOD))
    recorder.events.clear()

    insert(connection)

    assert disk.struck == 1
    assert {type(event) for event in recorder.events} == {Wrote}


def test_full_disk_refuses_what_does_not_fit_and_takes_it_when_there_is_room(
    disk: FaultyDisk, connection: apsw.Connection
) -> None:
    disk.room_bytes = disk.used_bytes + 5_000

    with pytest.raises(apsw.FullError):
        insert(connection)
    assert rows(connection) == 0
    assert disk.used_bytes == disk.room_bytes
    disk.room_bytes += 20_000
    insert(connection)
    assert rows(connection) == 1


def test_counts_begin_anew_with_a_plan_and_are_the_same_for_the_same_work(disk: FaultyDisk, root: Path) -> None:
    counted = []
    for name in ("one.sqlite", "two.sqlite"):
        disk.follow()
        with contextlib.closing(open_writer(root / name, vfs=disk.name)) as connection:
            connection.execute("CREATE TABLE t (x)")
            insert(connection)
        counted.append(dict(disk.counts))

    assert counted[0] == counted[1]
    assert set(counted[0]) == set(Operation)


def test_everything_that_changes_is_recorded_in_order(
    disk: FaultyDisk, recorder: Recorder, connection: apsw.Connection
) -> None:
    log = "state.sqlite-wal"
    new = [event for event in recorder.events if isinstance(event, Created | Deleted)]
    assert [event.name for event in new] == ["state.sqlite", "state.sqlite-journal", "state.sqlite-journal", log]
    assert Synced("state.sqlite-journal", True) in recorder.events, "SQLite syncs the folder of a new journal"
    recorder.events.clear()
    disk.follow(Fault(operation=Operation.SYNC, effect=Effect.FAIL))
    with pytest.raises(apsw.IOError):
        insert(connection)
    assert recorder.events[-1:] == [SyncFailed(log)]
    insert(connection)
    assert recorder.events[-1:] == [Synced(log, False)]
    truncate_wal(connection)
    assert recorder.events[-1:] == [Truncated(log, 0)]


def test_database_of_another_vfs_is_left_alone(disk: FaultyDisk, root: Path) -> None:
    disk.follow(Fault(operation=Operation.WRITE, effect=Effect.FAIL, times=FOR_GOOD))

    open_writer(root / "state.sqlite").close()

    assert disk.struck == 0
