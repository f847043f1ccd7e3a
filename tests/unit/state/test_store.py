"""The store as everybody sees it: asking, cancelling, waiting for a slot, breaking and closing."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import apsw
import pytest
import trio
import trio.testing

from chaos.disk.faults import Effect, Fault, Operation
from chaos.disk.faulty import FaultyDisk
from state import actor, group_commit
from state.errors import (
    DeadlineError,
    OutcomeUnknownError,
    RuleFailedError,
    StoreBrokenError,
    StoreClosedError,
)
from state.folder import StateFolder
from state.ids import Instant, OwnershipToken
from state.inbox import INBOX_REQUESTS_MAX
from state.messages.backfill import BackfillClaimed, ClaimBackfill, FinishBackfill, GetBackfillState, RenewBackfill
from state.messages.base import Request
from state.messages.leases import ClaimTerms
from state.messages.service import ListProcesses
from state.store import StateHandle, open_store, open_store_for_reading
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.probe import BulkProbe, LongReadProbe, Probe, ReadProbe, UrgentProbe, Work, insert, plain, raising
from tests.unit.state.conftest import CODEX_HOME


@pytest.fixture(params=["inline", "threaded"])
async def store(request: pytest.FixtureRequest, folder: StateFolder, clock: ManualClock) -> AsyncIterator[StateHandle]:
    """A store in the test's own thread, and one in a thread of its own."""
    async with open_store(folder, CODEX_HOME, clock=clock, inline=request.param == "inline") as opened:
        yield opened


@pytest.fixture
async def threaded(folder: StateFolder, clock: ManualClock) -> AsyncIterator[StateHandle]:
    """A store in a thread of its own."""
    async with open_store(folder, CODEX_HOME, clock=clock) as opened:
        yield opened


def entered(folder: StateFolder) -> set[str]:
    """The processes that another connection sees."""
    connection = apsw.Connection(str(folder.database))
    names = {str(name) for (name,) in connection.execute("SELECT process_uuid FROM processes")}
    connection.close()
    return names


find_damage = raising(apsw.CorruptError("database disk image is malformed"))
"""Comes upon a damaged page, as any statement may."""


async def ask_under(scope: trio.CancelScope, handle: StateHandle, request: Request[Any], replies: list[Any]) -> None:
    """Ask where the scope can cancel it; note the reply, and whether the task went on after it."""
    with scope:
        replies.append(await handle.ask(request))
        await trio.lowlevel.checkpoint()
        replies.append("went on")


class Gate:
    """Holds the store's thread inside a rule until the test opens it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def then(self, work: Work) -> Work:
        """Wait at the gate, then do `work`."""

        async def wait_and_work(tx: Transaction, at: Instant) -> Any:
            self._reached.set()
            self._open.wait()
            return await work(tx, at)

        return wait_and_work

    async def wait_reached(self) -> None:
        """Wait until the store's thread stands at the gate."""
        await trio.to_thread.run_sync(self._reached.wait)

    def open(self) -> None:
        """Let the store's thread go on."""
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end, so that no thread stays behind."""
    gate = Gate()
    yield gate
    gate.open()


async def test_reply_means_that_another_connection_sees_the_row(store: StateHandle, folder: StateFolder) -> None:
    assert await store.ask(Probe(insert("a"))) == "a"

    assert "a" in entered(folder)


async def test_both_ways_to_run_the_store_give_the_same_answers(store: StateHandle) -> None:
    def terms(token: str) -> ClaimTerms:
        return ClaimTerms(token=OwnershipToken(token), owner=store.owner("scan"), lease_ms=1_000)

    replies: list[Any] = [
        await store.ask(ClaimBackfill(terms=terms("one"))),
        await store.ask(ClaimBackfill(terms=terms("two"))),
        await store.ask(RenewBackfill(token=OwnershipToken("two"), lease_ms=1_000)),
        await store.ask(FinishBackfill(token=OwnershipToken("one"), listed=True)),
        (await store.ask(GetBackfillState())).complete,
    ]
    with pytest.raises(RuleFailedError) as failure:
        await store.ask(Probe(insert(store.process)))

    assert [type(reply).__name__ for reply in replies] == [
        "BackfillClaimed",
        "BackfillHeld",
        "NotOwner",
        "Released",
        "bool",
    ]
    assert replies[-1] is True
    assert "UNIQUE" in str(failure.value)


async def test_many_askers_at_once_each_get_their_own_answer(store: StateHandle, folder: StateFolder) -> None:
    replies: dict[str, str] = {}

    async def ask(name: str) -> None:
        replies[name] = await store.ask(Probe(insert(name)))

    names = {f"process-{number}" for number in range(300)}
    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(ask, name)

    assert replies == {name: name for name in names}
    assert names <= entered(folder)


async def test_request_cancelled_before_pick_up_has_no_effect(
    threaded: StateHandle, folder: StateFolder, gate: Gate
) -> None:
    scope = trio.CancelScope()
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threaded.ask, Probe(gate.then(insert("picked"))))
        await gate.wait_reached()
        nursery.start_soon(ask_under, scope, threaded, Probe(insert("withdrawn")), replies)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert scope.cancelled_caught
        gate.open()

    await threaded.ask(Probe(insert("afterwards")))
    assert replies == []
    assert {"picked", "afterwards"} <= entered(folder)
    assert "withdrawn" not in entered(folder)


async def test_request_cancelled_after_pick_up_has_its_effect_and_its_reply_is_delivered(
    threaded: StateHandle, folder: StateFolder, gate: Gate
) -> None:
    scope = trio.CancelScope()
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_under, scope, threaded, Probe(gate.then(insert("picked"))), replies)
        await gate.wait_reached()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert replies == []
        gate.open()

    assert replies == ["picked"]
    assert scope.cancelled_caught
    assert "picked" in entered(folder)


async def test_asker_beyond_the_inbox_waits_for_a_slot(
    threaded: StateHandle, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An urgent request in the inbox goes first; one that waits for a slot waits for the answers of a whole batch."""
    monkeypatch.setattr(group_commit, "BATCH_WORK_MS_MAX", 60_000)
    order: list[str] = []

    def note(name: str) -> Work:
        return plain(lambda: order.append(name))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(threaded.ask, ReadProbe(gate.then(note("at the gate"))))
        await gate.wait_reached()
        for _ in range(INBOX_REQUESTS_MAX - 1):
            nursery.start_soon(threaded.ask, ReadProbe(note("in the inbox")))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(threaded.ask, UrgentProbe(note("beyond")))
        await trio.testing.wait_all_tasks_blocked()
        gate.open()

    assert len(order) == INBOX_REQUESTS_MAX + 1
    assert order[0] == "at the gate"
    assert "beyond" not in order[: group_commit.BATCH_REQUESTS_MAX]
    assert "beyond" in order


async def test_asker_that_is_cancelled_while_it_waits_for_a_slot_has_no_effect(
    threaded: StateHandle, folder: StateFolder, gate: Gate
) -> None:
    scope = trio.CancelScope()
    replies: list[Any] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threaded.ask, Probe(gate.then(insert("picked"))))
        await gate.wait_reached()
        for number in range(INBOX_REQUESTS_MAX - 1):
            nursery.start_soon(threaded.ask, Probe(insert(f"in-the-inbox-{number}")))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask_under, scope, threaded, Probe(insert("beyond")), replies)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert scope.cancelled_caught
        gate.open()

    assert replies == []
    assert "beyond" not in entered(folder)
    assert len(entered(folder)) == INBOX_REQUESTS_MAX + 1


async def test_closing_answers_what_waits_and_refuses_what_comes_later(
    folder: StateFolder, clock: ManualClock, gate: Gate
) -> None:
    replies: list[str] = []

    async def ask(handle: StateHandle, work: Work) -> None:
        replies.append(await handle.ask(Probe(work)))

    stack = AsyncExitStack()
    handle = await stack.enter_async_context(open_store(folder, CODEX_HOME, clock=clock))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, handle, gate.then(insert("picked")))
        await gate.wait_reached()
        nursery.start_soon(ask, handle, insert("waiting"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(trio.to_thread.run_sync, gate.open)
        await stack.aclose()

    assert sorted(replies) == ["picked", "waiting"]
    assert {"picked", "waiting"} <= entered(folder)
    with pytest.raises(StoreClosedError):
        await handle.ask(Probe(insert("late")))
    with pytest.raises(StoreClosedError):
        await handle.ask(LongReadProbe(insert("late")))


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "threaded"])
async def test_store_closes_in_good_order_when_its_block_is_cancelled(
    folder: StateFolder, clock: ManualClock, inline: bool
) -> None:
    with trio.CancelScope() as scope:
        async with open_store(folder, CODEX_HOME, clock=clock, inline=inline) as handle:
            terms = ClaimTerms(token=OwnershipToken("mine"), owner=handle.owner("scan"), lease_ms=60_000)
            await handle.ask(ClaimBackfill(terms=terms))
            scope.cancel()
            await trio.lowlevel.checkpoint()

    assert scope.cancelled_caught
    assert entered(folder) == set()
    assert list(folder.processes_dir.iterdir()) == []
    async with open_store(folder, CODEX_HOME, clock=clock, inline=inline) as handle:
        assert (await handle.ask(GetBackfillState())).owner is None


async def test_closing_empties_the_write_ahead_log(folder: StateFolder, clock: ManualClock) -> None:
    async with open_store(folder, CODEX_HOME, clock=clock) as handle:
        await handle.ask(Probe(insert("a")))

    assert sorted(path.name for path in folder.path.glob("state.sqlite*")) == ["state.sqlite"]
    assert "a" in entered(folder)


async def test_bulk_writes_begin_when_the_answers_before_them_are_taken(
    threaded: StateHandle, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the event loop, which shares the interpreter with the store, would learn of them a batch later."""
    monkeypatch.setattr(actor, "DELIVERY_SECONDS_MAX", 60.0)
    ran = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threaded.ask, Probe(gate.then(insert("claim"))))
        await gate.wait_reached()
        nursery.start_soon(threaded.ask, BulkProbe(plain(ran.set)))
        await trio.testing.wait_all_tasks_blocked()
        gate.open()
        assert not ran.wait(0.3), "though the event loop, which stands still here, has taken no answer"

    assert ran.is_set()


async def test_bulk_writes_do_not_wait_for_an_event_loop_that_is_busy(threaded: StateHandle, gate: Gate) -> None:
    ran = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threaded.ask, Probe(gate.then(insert("claim"))))
        await gate.wait_reached()
        nursery.start_soon(threaded.ask, BulkProbe(plain(ran.set)))
        await trio.testing.wait_all_tasks_blocked()
        gate.open()
        assert ran.wait(60), "in the event loop's own thread, which takes no answer meanwhile"


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "threaded"])
async def test_store_that_breaks_wakes_whoever_waits_for_it_and_refuses_later_asks(
    disk: FaultyDisk, folder: StateFolder, clock: ManualClock, inline: bool
) -> None:
    reasons: list[Exception] = []

    async def wait_broken(handle: StateHandle) -> None:
        reasons.append(await handle.wait_broken())

    async with open_store(folder, CODEX_HOME, clock=clock, inline=inline) as handle:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_broken, handle)
            await trio.testing.wait_all_tasks_blocked()
            disk.follow(Fault(operation=Operation.SYNC, effect=Effect.FAIL, times=None))
            with pytest.raises(OutcomeUnknownError):
                await handle.ask(Probe(insert("a")))
        with pytest.raises(StoreBrokenError) as later:
            await handle.ask(Probe(insert("b")))
        disk.recover()

    assert reasons == [later.value]
    assert "disk failed" in str(later.value)


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "threaded"])
async def test_damage_that_a_request_finds_breaks_the_store(
    folder: StateFolder, clock: ManualClock, inline: bool
) -> None:
    async with open_store(folder, CODEX_HOME, clock=clock, inline=inline) as handle:
        with pytest.raises(StoreBrokenError):
            await handle.ask(Probe(find_damage))
        assert isinstance(await handle.wait_broken(), StoreBrokenError)
        with pytest.raises(StoreBrokenError, match="damaged"):
            await handle.ask(Probe(insert("b")))


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "threaded"])
async def test_broken_store_leaves_its_files_as_they_are_for_the_next_opening_to_judge(
    folder: StateFolder, clock: ManualClock, inline: bool
) -> None:
    log = folder.database.with_name("state.sqlite-wal")

    async with open_store(folder, CODEX_HOME, clock=clock, inline=inline) as handle:
        await handle.ask(Probe(insert("a")))
        with pytest.raises(StoreBrokenError):
            await handle.ask(Probe(find_damage))
        before = (folder.database.read_bytes(), log.read_bytes())

    assert (folder.database.read_bytes(), log.read_bytes()) == before


async def test_broken_store_answers_everyone_who_waits(folder: StateFolder, clock: ManualClock, gate: Gate) -> None:
    failures: list[Exception] = []

    async def ask(handle: StateHandle, request: Probe) -> None:
        with pytest.raises(StoreBrokenError) as failure:
            await handle.ask(request)
        failures.append(failure.value)

    async with open_store(folder, CODEX_HOME, clock=clock) as handle, trio.open_nursery() as nursery:
        nursery.start_soon(ask, handle, UrgentProbe(gate.then(find_damage)))
        await gate.wait_reached()
        for name in "abc":
            nursery.start_soon(ask, handle, Probe(insert(name)))
        await trio.testing.wait_all_tasks_blocked()
        gate.open()

    assert len(failures) == 4


async def test_store_that_broke_leaves_its_lock_file_so_that_its_leases_can_be_returned(
    folder: StateFolder, clock: ManualClock
) -> None:
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        with pytest.raises(StoreBrokenError):
            await handle.ask(Probe(find_damage))

    assert handle.process in entered(folder)
    assert folder.process_lock(handle.process).exists()


async def test_store_that_broke_is_checked_whole_at_the_next_opening(folder: StateFolder, clock: ManualClock) -> None:
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        with pytest.raises(StoreBrokenError):
            await handle.ask(Probe(find_damage))
    suspect = folder.path / "suspect"

    assert "malformed" in suspect.read_text()
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True):
        assert not suspect.exists()


async def test_long_read_does_not_wait_behind_a_change(threaded: StateHandle, gate: Gate) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(threaded.ask, Probe(gate.then(insert("slow"))))
        await gate.wait_reached()

        state = await threaded.ask(GetBackfillState())

        gate.open()
    assert state.complete is False


async def test_long_read_beyond_its_deadline_is_interrupted_and_the_next_one_answered(
    store: StateHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count_for_ever(tx: Transaction, at: Instant) -> int:
        return await tx.count("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")

    monkeypatch.setattr("state.long_read.LONG_READ_MS_MAX", 20)
    with pytest.raises(DeadlineError) as late:
        await store.ask(LongReadProbe(count_for_ever))
    monkeypatch.undo()

    assert late.value.retryable
    assert (await store.ask(GetBackfillState())).complete is False


async def test_long_read_that_fails_is_that_reads_failure_alone(store: StateHandle) -> None:
    with pytest.raises(RuleFailedError, match="readonly"):
        await store.ask(LongReadProbe(insert("a")))

    assert (await store.ask(GetBackfillState())).complete is False


async def test_store_that_was_opened_for_reading_refuses_changes(
    threaded: StateHandle, folder: StateFolder, clock: ManualClock
) -> None:
    async with open_store_for_reading(folder, CODEX_HOME, clock=clock) as reader:
        assert reader is not None
        processes = await reader.ask(ListProcesses())
        with pytest.raises(TypeError, match="opened for reading"):
            await reader.ask(Probe(insert("a")))

    assert [process.process for process in processes] == [threaded.process]


async def test_reading_a_store_that_is_not_there_gives_nothing(folder: StateFolder) -> None:
    async with open_store_for_reading(folder, CODEX_HOME) as reader:
        assert reader is None

    assert not folder.path.exists()


async def test_minted_token_claims_and_is_never_minted_again(store: StateHandle) -> None:
    token = store.mint_token()
    terms = ClaimTerms(token=token, owner=store.owner("scan"), lease_ms=1_000)

    assert isinstance(await store.ask(ClaimBackfill(terms=terms)), BackfillClaimed)
    assert token not in {store.mint_token() for _ in range(1_000)}


async def test_wait_broken_of_a_reading_store_never_returns(
    threaded: StateHandle, folder: StateFolder, clock: ManualClock
) -> None:
    async with open_store_for_reading(folder, CODEX_HOME, clock=clock) as reader:
        assert reader is not None
        with trio.move_on_after(0) as scope:
            await reader.wait_broken()

    assert scope.cancelled_caught
