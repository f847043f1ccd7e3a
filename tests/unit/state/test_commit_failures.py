"""A disk that fails during COMMIT: who is told what, and what is on the disk afterwards."""

from collections.abc import Callable, Iterator

import apsw
import pytest

from state.connection import open_writer
from state.errors import NotCommittedError, OutcomeUnknownError, StoreBrokenError
from state.folder import StateFolder
from state.group_commit import GroupCommit
from state.ids import Instant
from state.journal import FileJournal
from state.opening import OpenedStore
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.faulty_disk import FaultyDisk
from tests.fakes.probe import Probe, ReadProbe, insert

Processes = Callable[[], set[str]]


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
    disk.fail_syncs(1)

    replies = store.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert [type(reply) for reply in replies] == [NotCommittedError, NotCommittedError]
    assert processes() == set()


def test_commit_whose_write_fails_is_answered_as_not_stored(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.fail_writes(apsw.FullError("no space"))

    failure = store.ask(Probe(insert("a")))

    assert isinstance(failure, NotCommittedError)
    assert "full" in str(failure)
    assert processes() == set()


def test_store_goes_on_after_a_commit_that_failed_and_was_decided(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.fail_syncs(1)
    store.ask(Probe(insert("a")))

    assert store.ask(Probe(insert("b"))) == "b"
    assert store.ask(Probe(insert("a"))) == "a"
    assert processes() == {"a", "b"}


def test_commit_on_a_full_disk_is_answered_while_the_disk_stays_full(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    disk.fail_writes(apsw.FullError("no space"))

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
    disk.fail_syncs(1_000, after=1)

    failure = committed_then_failing.ask(Probe(insert("a")))

    assert isinstance(failure, OutcomeUnknownError)


def test_request_that_failed_by_itself_keeps_its_own_reason_when_the_commit_fails_too(
    store: DirectStore, disk: FaultyDisk
) -> None:
    store.ask(Probe(insert("a")))
    disk.fail_syncs(1)

    taken, fresh = store.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert "ConstraintError" in str(taken)
    assert isinstance(fresh, NotCommittedError)


def test_readers_of_a_failed_batch_are_answered_all_the_same(store: DirectStore, disk: FaultyDisk) -> None:
    async def one(tx: Transaction, at: Instant) -> int:
        return await tx.count("SELECT 1")

    disk.fail_syncs(1)

    read_before, written = store.ask_all(ReadProbe(one), Probe(insert("a")))

    assert read_before == 1
    assert isinstance(written, NotCommittedError)


def test_outcome_is_unknown_and_the_store_broken_when_the_checkpoint_fails_too(
    store: DirectStore, opened: OpenedStore, disk: FaultyDisk
) -> None:
    disk.fail_syncs(1_000)

    replies = store.ask_all(Probe(insert("a")), Probe(insert("b")))

    assert [type(reply) for reply in replies] == [OutcomeUnknownError, OutcomeUnknownError]
    assert isinstance(opened.group_commit.broken, StoreBrokenError)


def test_rule_whose_pages_do_not_reach_the_disk_fails_alone_and_the_survivors_run_again(
    store: DirectStore, disk: FaultyDisk, processes: Processes
) -> None:
    """A large change spills to the log before COMMIT; when that write fails SQLite ends the whole transaction."""

    async def spill_onto_the_failing_disk(tx: Transaction, at: Instant) -> None:
        await tx.execute("PRAGMA cache_size = 5")
        disk.fail_writes(apsw.IOError("bad sector"))
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
