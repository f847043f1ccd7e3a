"""A disk that fails during COMMIT: who is told what, and what is on the disk afterwards."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from chaos.disk.faults import Effect, Fault, Operation
from chaos.disk.faulty import FaultyDisk
from state.connection import open_reader, open_writer
from state.errors import NotCommittedError, OutcomeUnknownError, StoreBrokenError
from state.folder import StateFolder
from state.group_commit import GroupCommit
from state.ids import Instant
from state.journal import FileJournal
from state.opening import OpenedStore
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.probe import BeginningProbe, Probe, ReadProbe, insert

Processes = Callable[[], set[str]]

SYNC_FAILS_ONCE = Fault(operation=Operation.SYNC, effect=Effect.FAIL)
SYNCS_FAIL = Fault(operation=Operation.SYNC, effect=Effect.FAIL, times=None)
NO_ROOM = Fault(operation=Operation.WRITE, effect=Effect.FULL, times=None)


@pytest.fixture
def opened(disk: FaultyDisk, opened: OpenedStore) -> Iterator[OpenedStore]:
    """An open store on a disk that is repaired before the store is closed."""
    yield opened
    disk.recover()


@pytest.fixture(params=[apsw.IOError, apsw.FullError])
def committed_then_failing(
    request: pytest.FixtureRequest, disk: FaultyDisk, opened: OpenedStore, folder: StateFolder, clock: ManualClock
) -> Iterator[DirectStore]:
    """A store whose first COMMIT is kept by SQLite and then reported as failed, once."""
    connection = open_writer(folder.database)

    def report_failure(_connection: apsw.Connection, _database: str, _pages: int) -> int:
        raise request.param("after the commit")

    connection.set_wal_hook(report_failure)
    commits = GroupCommit(
        connection,
        memories_dir=folder.memories_dir,
        journal=FileJournal(folder.journal),
        clock=clock,
        process=opened.process,
    )
    yield DirectStore(commits)
    disk.recover()
    commits.close()


def test_commit_whose_sync_fails_once_is_answered_as_not_stored(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.follow(SYNC_FAILS_ONCE)

    replies = store.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert [type(reply) for reply in replies] == [NotCommittedError, NotCommittedError]
    assert processes() == set()


def test_commit_whose_write_fails_is_answered_as_not_stored(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.follow(NO_ROOM)

    failure = store.ask(Probe(insert("a")))

    assert isinstance(failure, NotCommittedError)
    assert "full" in str(failure)
    assert processes() == set()


def test_refused_commit_does_not_come_back_when_the_power_goes_after_it_was_refused(
    store: DirectStore, disk: FaultyDisk, folder: StateFolder, clock: ManualClock, tmp_path: Path
) -> None:
    """Its pages may have reached the log although the sync failed, and that the log was cut may be lost again."""
    with closing(open_reader(folder.database)) as reader:
        # Somebody reads, so the log is cut where it stands, and not deleted.
        reader.execute("SELECT * FROM home").fetchall()
        disk.follow(SYNC_FAILS_ONCE, Fault(operation=Operation.TRUNCATE, effect=Effect.LIE, times=None))
        assert isinstance(store.ask(Probe(insert("refused"))), NotCommittedError)
    left = StateFolder(path=tmp_path / "after the power cut")
    left.path.mkdir()
    for name in ("state.sqlite", "state.sqlite-wal"):
        shutil.copy(folder.path / name, left.path / name)
    with closing(open_writer(left.database)) as connection:
        names = {name for (name,) in connection.execute("SELECT process_uuid FROM processes")}
    assert "refused" not in names


def test_request_that_acts_on_what_is_committed_never_sees_what_is_not(store: DirectStore, disk: FaultyDisk) -> None:
    """Otherwise a link would be made that the row, after the failing COMMIT, does not know of."""

    async def look(tx: Transaction, at: Instant) -> int:
        return await tx.count("SELECT count(*) FROM processes WHERE process_uuid = 'refused'")

    disk.follow(SYNC_FAILS_ONCE)

    refused, seen = store.ask_all(Probe(insert("refused")), BeginningProbe(look))

    assert isinstance(refused, NotCommittedError)
    assert seen == 0


def test_store_goes_on_after_a_commit_that_failed_and_was_decided(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.follow(SYNC_FAILS_ONCE)
    store.ask(Probe(insert("a")))

    assert store.ask(Probe(insert("b"))) == "b"
    assert store.ask(Probe(insert("a"))) == "a"
    assert processes() == {"a", "b"}


def test_commit_on_a_full_disk_is_answered_while_the_disk_stays_full(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.follow(NO_ROOM)

    failures = [store.ask(Probe(insert("a"))), store.ask(Probe(insert("b")))]

    assert [type(failure) for failure in failures] == [NotCommittedError, NotCommittedError]
    disk.recover()
    assert store.ask(Probe(insert("c"))) == "c"
    assert processes() == {"c"}


def test_commit_that_was_kept_although_it_failed_is_acknowledged(
    committed_then_failing: DirectStore, processes: Processes
) -> None:
    replies = committed_then_failing.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert replies == ["a", "b"]
    assert processes() == {"a", "b"}


def test_kept_commit_is_not_acknowledged_when_no_checkpoint_can_prove_it(
    committed_then_failing: DirectStore, disk: FaultyDisk
) -> None:
    disk.follow(Fault(operation=Operation.SYNC, effect=Effect.FAIL, number=2, times=None))

    failure = committed_then_failing.ask(Probe(insert("a")))

    assert isinstance(failure, OutcomeUnknownError)


def test_request_that_failed_by_itself_keeps_its_own_reason_when_the_commit_fails_too(
    store: DirectStore, disk: FaultyDisk
) -> None:
    store.ask(Probe(insert("a")))
    disk.follow(SYNC_FAILS_ONCE)

    taken, fresh = store.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert "ConstraintError" in str(taken)
    assert isinstance(fresh, NotCommittedError)


def test_readers_of_a_failed_batch_are_answered_all_the_same(store: DirectStore, disk: FaultyDisk) -> None:
    async def one(tx: Transaction, at: Instant) -> int:
        return await tx.count("SELECT 1")

    disk.follow(SYNC_FAILS_ONCE)

    read_before, written = store.ask_all(ReadProbe(one), Probe(insert("a")))

    assert read_before == 1
    assert isinstance(written, NotCommittedError)


def test_outcome_is_unknown_and_the_store_broken_when_the_checkpoint_fails_too(
    store: DirectStore, opened: OpenedStore, disk: FaultyDisk
) -> None:
    disk.follow(SYNCS_FAIL)

    replies = store.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert [type(reply) for reply in replies] == [OutcomeUnknownError, OutcomeUnknownError]
    assert isinstance(opened.group_commit.broken, StoreBrokenError)


def test_rule_whose_pages_do_not_reach_the_disk_fails_alone_and_the_survivors_run_again(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    """A large change spills to the log before COMMIT; when that write fails SQLite ends the whole transaction."""

    async def spill_onto_the_failing_disk(tx: Transaction, at: Instant) -> None:
        await tx.execute("PRAGMA cache_size = 5")
        disk.follow(Fault(operation=Operation.WRITE, effect=Effect.FAIL, times=None))
        try:
            await tx.execute("UPDATE processes SET last_batch_id = hex(zeroblob(1000000))")
        finally:
            disk.recover()

    replies = store.ask_all(Probe(insert("a")), Probe(spill_onto_the_failing_disk), Probe(insert("b")))

    assert replies[0] == "a"
    assert isinstance(replies[1], NotCommittedError)
    assert replies[2] == "b"
    assert processes() == {"a", "b"}


@pytest.mark.parametrize("put_in_its_place", [None, b"", b"something else"])
def test_nothing_is_acknowledged_into_a_database_that_lost_its_name(
    store: DirectStore, folder: StateFolder, put_in_its_place: bytes | None
) -> None:
    folder.database.unlink()
    if put_in_its_place is not None:
        folder.database.write_bytes(put_in_its_place)

    failure = store.ask(Probe(insert("a")))

    assert isinstance(failure, StoreBrokenError)
    assert "was removed or replaced" in str(failure)
