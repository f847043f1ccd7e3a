"""Group commit: who shares a transaction, whose failure costs whom, and what a reply means."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from state import group_commit
from state.errors import NotCommittedError, RuleFailedError, StoreBrokenError, StoreBusyError
from state.folder import StateFolder
from state.ids import Instant
from state.messages.service import ListProcesses, RegisteredProcess
from state.opening import OpenedStore
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.probe import BulkProbe, Probe, ReadProbe, UrgentProbe, Work, insert, plain

Processes = Callable[[], set[str]]


@contextmanager
def write_lock_elsewhere(database: Path) -> Iterator[None]:
    """Let another connection hold SQLite's write lock for the block."""
    connection = apsw.Connection(str(database))
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


def then_raise(work: Work, error: Exception) -> Work:
    """Work that does what `work` does, and then raises."""

    async def work_and_raise(tx: Transaction, at: Instant) -> None:
        await work(tx, at)
        raise error

    return work_and_raise


async def _wait_for_nothing(tx: Transaction, at: Instant) -> None:
    class Suspends:
        def __await__(self) -> Any:
            yield

    await insert("left-by-the-suspended")(tx, at)
    await Suspends()


async def _fill_the_database(tx: Transaction, at: Instant) -> None:
    """Insert more than the database may hold: SQLite then rolls the whole transaction back by itself."""
    await insert("left-by-the-full")(tx, at)
    pages = await tx.count("PRAGMA page_count")
    await tx.execute(f"PRAGMA max_page_count = {pages}")
    await tx.execute("INSERT INTO processes VALUES ('too-much', 'boot', 1, 0, hex(zeroblob(1000000)))")


async def _overfill_one_row(tx: Transaction, at: Instant) -> None:
    """Update more than the database may hold: SQLite then undoes only that statement."""
    await insert("left-by-the-full")(tx, at)
    pages = await tx.count("PRAGMA page_count")
    await tx.execute(f"PRAGMA max_page_count = {pages}")
    await tx.execute("UPDATE processes SET last_batch_id = hex(zeroblob(1000000))")


async def _count_processes(tx: Transaction, at: Instant) -> int:
    return await tx.count("SELECT count(*) FROM processes")


def test_reply_means_that_another_connection_sees_the_row(store: DirectStore, processes: Processes) -> None:
    assert store.ask(Probe(insert("a"))) == "a"

    assert processes() == {"a"}


def test_requests_that_wait_together_share_one_batch(store: DirectStore, processes: Processes) -> None:
    replies = store.ask_all(*(Probe(insert(name)) for name in "abc"))

    assert replies == ["a", "b", "c"]
    assert len(store.batches) == 1
    assert processes() == {"a", "b", "c"}


def test_all_requests_of_a_batch_are_told_the_same_instant(opened: OpenedStore, clock: ManualClock) -> None:
    async def enter_at_this_instant(tx: Transaction, at: Instant) -> int:
        clock.advance(1_000)
        return await tx.count("SELECT :wall_ms", wall_ms=at.wall_ms)

    first, second = DirectStore(opened.group_commit).ask_all(Probe(enter_at_this_instant), Probe(enter_at_this_instant))

    assert first == second


def test_batch_holds_no_more_requests_than_its_bound(store: DirectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "BATCH_REQUESTS_MAX", 2)
    monkeypatch.setattr(group_commit, "BATCH_WORK_MS_MAX", 60_000)

    store.ask_all(*(Probe(insert(name)) for name in "abcde"))

    assert [len(batch) for batch in store.batches] == [2, 2, 1]


def test_batch_ends_when_its_work_has_taken_long_enough(
    store: DirectStore, opened: OpenedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.group_commit.is_timeless = False
    monkeypatch.setattr(group_commit, "BATCH_WORK_MS_MAX", 0)

    store.ask_all(*(Probe(insert(name)) for name in "abc"))

    assert [len(batch) for batch in store.batches] == [1, 1, 1]


def test_urgent_requests_go_before_claims_and_claims_before_bulk(store: DirectStore) -> None:
    order: list[str] = []

    def note(name: str) -> Work:
        return plain(lambda: order.append(name))

    store.ask_all(
        BulkProbe(note("bulk 1")),
        Probe(note("claim 1")),
        UrgentProbe(note("urgent 1")),
        BulkProbe(note("bulk 2")),
        Probe(note("claim 2")),
        UrgentProbe(note("urgent 2")),
    )

    assert order == ["urgent 1", "urgent 2", "claim 1", "claim 2", "bulk 1", "bulk 2"]


def test_failing_request_rolls_back_alone_and_costs_nobody_else(store: DirectStore, processes: Processes) -> None:
    replies = store.ask_all(
        Probe(insert("a")), Probe(then_raise(insert("bad"), ValueError("a bug"))), Probe(insert("b"))
    )

    assert replies[0] == "a"
    assert isinstance(replies[1], RuleFailedError)
    assert replies[2] == "b"
    assert processes() == {"a", "b"}


def test_second_failure_of_a_batch_does_not_run_the_others_again(store: DirectStore, processes: Processes) -> None:
    runs = 0

    async def insert_and_count(tx: Transaction, at: Instant) -> str:
        nonlocal runs
        runs += 1
        await insert("a")(tx, at)
        return f"run {runs}"

    def failing() -> Probe:
        return Probe(then_raise(insert("bad"), ValueError("a bug")))

    replies = store.ask_all(Probe(insert_and_count), Probe(plain(lambda: None)), failing())
    assert replies[0] == "run 2"

    replies = store.ask_all(failing(), failing(), failing(), Probe(insert("b")))

    assert [type(reply) for reply in replies[:3]] == [RuleFailedError] * 3
    assert processes() == {"a", "b"}


def test_failure_names_what_the_rule_raised(store: DirectStore) -> None:
    cause = ValueError("a bug")

    failure = store.ask(Probe(then_raise(insert("bad"), cause)))

    assert str(failure) == "ValueError: a bug"
    assert failure.__cause__ is cause


def test_request_that_breaks_a_constraint_fails_alone(store: DirectStore, processes: Processes) -> None:
    replies = store.ask_all(Probe(insert("a")), Probe(insert("a")), Probe(insert("b")))

    assert replies[0] == "a"
    assert isinstance(replies[1], RuleFailedError)
    assert replies[2] == "b"
    assert processes() == {"a", "b"}


def test_rule_that_suspends_is_closed_and_leaves_nothing(store: DirectStore, processes: Processes) -> None:
    replies = store.ask_all(Probe(insert("a")), Probe(_wait_for_nothing), Probe(insert("b")))

    assert isinstance(replies[1], RuleFailedError)
    assert "RuleSuspendedError" in str(replies[1])
    assert (replies[0], replies[2]) == ("a", "b")
    assert processes() == {"a", "b"}


@pytest.mark.parametrize("fill", [_fill_the_database, _overfill_one_row])
def test_full_database_fails_the_culprit_alone_whether_or_not_it_voids_the_batch(
    store: DirectStore, processes: Processes, fill: Work
) -> None:
    replies = store.ask_all(Probe(insert("a")), Probe(fill), Probe(insert("b")))

    assert replies[0] == "a"
    assert isinstance(replies[1], NotCommittedError)
    assert "full" in str(replies[1])
    assert replies[2] == "b"
    assert processes() == {"a", "b"}


def test_survivors_of_a_void_batch_run_again_before_they_are_answered(store: DirectStore, processes: Processes) -> None:
    runs = 0

    async def insert_and_count(tx: Transaction, at: Instant) -> str:
        nonlocal runs
        runs += 1
        await insert("a")(tx, at)
        return f"run {runs}"

    replies = store.ask_all(Probe(insert_and_count), Probe(_fill_the_database))

    assert replies[0] == "run 2"
    assert processes() == {"a"}


def test_batch_void_twice_fails_both_culprits_and_nobody_else(store: DirectStore, processes: Processes) -> None:
    replies = store.ask_all(
        Probe(_fill_the_database), Probe(insert("a")), Probe(_fill_the_database), Probe(insert("b"))
    )

    assert [isinstance(reply, NotCommittedError) for reply in replies] == [True, False, True, False]
    assert processes() == {"a", "b"}


def test_read_that_loses_the_transaction_voids_the_batch_too(store: DirectStore, processes: Processes) -> None:
    async def lose_the_transaction(tx: Transaction, at: Instant) -> None:
        await tx.execute("ROLLBACK")
        raise apsw.IOError("bad sector")

    replies = store.ask_all(Probe(insert("a")), ReadProbe(lose_the_transaction), Probe(insert("b")))

    assert isinstance(replies[1], NotCommittedError)
    assert (replies[0], replies[2]) == ("a", "b")
    assert processes() == {"a", "b"}


def test_damage_that_one_request_finds_stores_nothing_of_its_batch(
    store: DirectStore, opened: OpenedStore, processes: Processes
) -> None:
    damage = apsw.CorruptError("database disk image is malformed")

    replies = store.ask_all(ReadProbe(_count_processes), Probe(insert("a")), Probe(then_raise(insert("bad"), damage)))

    assert [type(reply) for reply in replies] == [StoreBrokenError] * 3
    assert opened.group_commit.broken is replies[0]
    assert processes() == set()


def test_reading_between_changes_sees_those_before_it(store: DirectStore) -> None:
    replies = store.ask_all(
        ReadProbe(_count_processes),
        Probe(insert("a")),
        ReadProbe(_count_processes),
        Probe(insert("b")),
        ReadProbe(_count_processes),
    )

    assert [replies[0], replies[2], replies[4]] == [1, 2, 3]
    assert len(store.batches) == 1


def test_failing_read_fails_alone(store: DirectStore, processes: Processes) -> None:
    replies = store.ask_all(
        Probe(insert("a")), ReadProbe(then_raise(_count_processes, ValueError("a bug"))), Probe(insert("b"))
    )

    assert isinstance(replies[1], RuleFailedError)
    assert processes() == {"a", "b"}


def test_reading_takes_no_write_lock(store: DirectStore, folder: StateFolder) -> None:
    with write_lock_elsewhere(folder.database):
        assert store.ask(ReadProbe(_count_processes)) == 1


def test_busy_beyond_the_deadline_changes_nothing_and_says_so(
    store: DirectStore, folder: StateFolder, processes: Processes
) -> None:
    with write_lock_elsewhere(folder.database):
        replies = store.ask_all(ReadProbe(_count_processes), Probe(insert("a")))

    assert replies[0] == 1
    assert isinstance(replies[1], StoreBusyError)
    assert replies[1].retryable
    assert processes() == set()
    assert store.ask(Probe(insert("a"))) == "a"


def test_store_answers_registered_messages(store: DirectStore, opened: OpenedStore, clock: ManualClock) -> None:
    entered = store.ask(ListProcesses())

    assert [type(process) for process in entered] == [RegisteredProcess]
    assert entered[0].process == opened.process
    assert entered[0].boot_id == clock.boot_id
