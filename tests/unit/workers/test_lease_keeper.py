"""Holding a lease: renewed at a third, given up in time, and the block is cancelled the moment it is lost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from state.errors import StoreBusyError, StoreClosedError
from state.folder import StateFolder
from state.ids import Instant, OwnershipToken
from state.messages.backfill import BackfillClaimed, ClaimBackfill, FinishBackfill, RenewBackfill
from state.messages.leases import ClaimTerms, Released
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock
from workers.lease_keeper import WAKE_SECONDS_MAX, HeldLease, LeaseLostError, give_back, hold_lease

LEASE_MS = 3_000
THIRD_SECONDS = 1.0
TOKEN, THIEF = OwnershipToken("mine"), OwnershipToken("thief")
RENEWAL = RenewBackfill(token=TOKEN, lease_ms=LEASE_MS)


class TrioClock(ManualClock):
    """A machine whose boot clock goes as Trio's clock goes, plus the time that it was asleep."""

    def __call__(self) -> Instant:
        passed_ms = round(trio.current_time() * 1000)
        return Instant(wall_ms=self.wall_ms, boot_ms=self.boot_ms + passed_ms, boot_id=self.boot_id)


@pytest.fixture
def machine() -> TrioClock:
    """The machine's clock."""
    return TrioClock()


@pytest.fixture
async def owner(folder: StateFolder, machine: TrioClock) -> AsyncIterator[StateHandle]:
    """A store in the test's thread whose scan is claimed for three seconds."""
    async with open_store(folder, "/home/ann/.codex", clock=machine, inline=True) as handle:
        terms = ClaimTerms(token=TOKEN, owner=handle.owner("scan"), lease_ms=LEASE_MS)
        assert isinstance(await handle.ask(ClaimBackfill(terms=terms)), BackfillClaimed)
        yield handle


async def steal(handle: StateHandle) -> None:
    """Take the scan over, as an operator may."""
    terms = ClaimTerms(token=THIEF, owner=handle.owner("thief"), lease_ms=LEASE_MS, stale_after_ms=0)
    assert isinstance(await handle.ask(ClaimBackfill(terms=terms)), BackfillClaimed)


async def do_under_lease(handle: StateHandle, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work while the lease is held."""
    async with hold_lease(handle, RENEWAL, lease_ms=LEASE_MS):
        await work()


class Renewals:
    """Passes renewals on to the store, notes when, and fails those that the test says."""

    def __init__(
        self, handle: StateHandle, *, granted_first: int = 0, failing: int = 0, takes_seconds: float = 0.0
    ) -> None:
        self._ask = handle.ask
        self._fails = range(granted_first, granted_first + failing)
        self._takes_seconds = takes_seconds
        self.at_seconds: list[float] = []

    async def __call__(self, request: Any) -> Any:
        if isinstance(request, RenewBackfill):
            self.at_seconds.append(round(trio.current_time(), 3))
            await trio.sleep(self._takes_seconds)
            if len(self.at_seconds) - 1 in self._fails:
                raise StoreBusyError("another process has the lock")
        return await self._ask(request)


@pytest.fixture
def watched(owner: StateHandle, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Watches the renewals of the owner; answers the watcher."""

    def watch(**how: Any) -> Renewals:
        renewals = Renewals(owner, **how)
        monkeypatch.setattr(owner, "ask", renewals)
        return renewals

    return watch


async def test_lease_is_renewed_at_every_third_of_its_length(
    autojump_clock: MockClock, owner: StateHandle, watched: Any
) -> None:
    renewals = watched()

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
        await trio.sleep(3.5 * THIRD_SECONDS)

    assert renewals.at_seconds == [1.0, 2.0, 3.0]


async def test_lease_outlives_its_length_many_times_while_it_is_held(
    autojump_clock: MockClock, owner: StateHandle
) -> None:
    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
        await trio.sleep(100 * THIRD_SECONDS)

    assert await owner.ask(FinishBackfill(token=TOKEN, listed=False)) == Released()


async def test_nothing_is_renewed_after_the_block(autojump_clock: MockClock, owner: StateHandle, watched: Any) -> None:
    renewals = watched()

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
        pass
    await trio.sleep(10 * THIRD_SECONDS)

    assert renewals.at_seconds == []


async def test_block_is_cancelled_when_the_lease_is_stolen(autojump_clock: MockClock, owner: StateHandle) -> None:
    reached = []

    async def work() -> None:
        await steal(owner)
        reached.append("stole")
        await trio.sleep(2 * THIRD_SECONDS)
        reached.append("went on")

    with pytest.raises(LeaseLostError, match="taken over"):
        await do_under_lease(owner, work)

    assert reached == ["stole"]


async def test_tasks_of_the_block_are_cancelled_with_it(autojump_clock: MockClock, owner: StateHandle) -> None:
    cancelled = []

    async def task() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            cancelled.append(True)
            raise

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
            nursery.start_soon(task)
            await steal(owner)

    with pytest.raises(LeaseLostError):
        await do_under_lease(owner, work)

    assert cancelled == [True, True]


async def test_one_renewal_that_fails_is_tried_again(
    autojump_clock: MockClock, owner: StateHandle, watched: Any
) -> None:
    renewals = watched(failing=1)

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
        await trio.sleep(2.5 * THIRD_SECONDS)

    assert renewals.at_seconds == [1.0, 2.0]


async def test_block_is_cancelled_before_a_lease_ends_that_cannot_be_renewed(
    autojump_clock: MockClock, owner: StateHandle, watched: Any
) -> None:
    watched(failing=1_000)

    with pytest.raises(LeaseLostError, match="could not be renewed in time: another process has the lock"):
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
            await trio.sleep(100 * THIRD_SECONDS)

    assert trio.current_time() < LEASE_MS / 1000


async def test_trust_that_a_slow_renewal_gives_begins_when_it_was_asked(
    autojump_clock: MockClock, owner: StateHandle, watched: Any
) -> None:
    """The store may have written the renewal at any time since it was asked, so no more than that is certain."""
    renewals = watched(granted_first=1, failing=1_000, takes_seconds=0.5)
    started_at_seconds = trio.current_time()

    with pytest.raises(LeaseLostError):
        await do_under_lease(owner, partial(trio.sleep, 100 * THIRD_SECONDS))

    assert renewals.at_seconds == [1.0, 2.0, 3.0]
    assert trio.current_time() - started_at_seconds == pytest.approx(3.5)


async def test_block_is_cancelled_at_the_end_of_a_lease_whose_renewal_is_not_answered(
    autojump_clock: MockClock, owner: StateHandle, watched: Any
) -> None:
    watched(takes_seconds=3_600)
    ended_at_seconds: list[float] = []

    async def work() -> None:
        try:
            await trio.sleep(100 * THIRD_SECONDS)
        finally:
            ended_at_seconds.append(trio.current_time())

    with pytest.raises(LeaseLostError, match="in time"):
        await do_under_lease(owner, work)

    assert ended_at_seconds == [pytest.approx(LEASE_MS / 1000)]


async def test_lease_that_ended_while_the_machine_slept_is_renewed_first_if_nobody_took_it(
    autojump_clock: MockClock, owner: StateHandle, machine: TrioClock
) -> None:
    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
        machine.boot_ms += 86_400_000
        await trio.sleep(5 * THIRD_SECONDS)

    terms = ClaimTerms(token=THIEF, owner=owner.owner("thief"), lease_ms=LEASE_MS)
    assert not isinstance(await owner.ask(ClaimBackfill(terms=terms)), BackfillClaimed)


async def test_failing_store_ends_a_lease_that_may_have_run_out_while_the_machine_slept(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    watched(failing=1_000)

    async def work() -> None:
        machine.boot_ms += 86_400_000
        await trio.sleep(1.5 * THIRD_SECONDS)

    with pytest.raises(LeaseLostError):
        await do_under_lease(owner, work)


async def test_exception_of_the_block_comes_out_unwrapped(autojump_clock: MockClock, owner: StateHandle) -> None:
    mine = ValueError("mine")

    with pytest.raises(ValueError, match="mine") as raised:
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
            raise mine

    assert raised.value is mine


async def test_cancelling_from_outside_reaches_the_block_as_a_plain_cancel(
    autojump_clock: MockClock, owner: StateHandle
) -> None:
    caught: list[BaseException] = []

    with trio.move_on_after(THIRD_SECONDS / 2) as scope:
        try:
            async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS), trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(trio.sleep_forever)
        except BaseException as error:
            caught.append(error)
            raise

    assert scope.cancelled_caught
    assert [type(error) for error in caught] == [trio.Cancelled]


async def test_block_that_is_done_is_not_undone_by_a_cancel(autojump_clock: MockClock, owner: StateHandle) -> None:
    reached = []

    with trio.CancelScope() as scope:
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
            scope.cancel()
        reached.append("noted what was done")
        await trio.lowlevel.checkpoint()
        reached.append("went on")

    assert reached == ["noted what was done"]


async def test_closed_store_ends_the_block_in_time(
    autojump_clock: MockClock, owner: StateHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(request: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise StoreClosedError("the store is closed")

    monkeypatch.setattr(owner, "ask", refuse)

    with pytest.raises(LeaseLostError, match="closed"):
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
            await trio.sleep(100 * THIRD_SECONDS)
    monkeypatch.undo()


LONG_LEASE_MS = 60_000
LONG_RENEWAL = RenewBackfill(token=TOKEN, lease_ms=LONG_LEASE_MS)


async def test_lease_is_renewed_within_a_second_after_the_machine_slept(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    """Trio's clock stood still: by it the next renewal is many seconds away."""
    renewals = watched()

    async with hold_lease(owner, LONG_RENEWAL, lease_ms=LONG_LEASE_MS):
        await trio.sleep(5.5)
        machine.boot_ms += 86_400_000
        await trio.sleep(WAKE_SECONDS_MAX)

    assert renewals.at_seconds == [6.0]


async def test_good_lease_is_confirmed_without_asking(
    autojump_clock: MockClock, owner: StateHandle, watched: Any
) -> None:
    renewals = watched()

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
        for _ in range(100):
            await held.confirm()

    assert renewals.at_seconds == []


async def test_first_act_after_a_sleep_is_a_renewal(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    """The block wakes before the keeper does, and still does not go on unowned."""
    renewals = watched()

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
        machine.boot_ms += 86_400_000
        await held.confirm()
        assert renewals.at_seconds == [0.0]
        await held.confirm()

    assert renewals.at_seconds == [0.0]
    assert await owner.ask(FinishBackfill(token=TOKEN, listed=False)) == Released()


async def test_step_is_not_done_when_the_row_was_stolen_during_a_sleep(
    autojump_clock: MockClock, owner: StateHandle, machine: TrioClock
) -> None:
    reached = []

    async def work(held: HeldLease) -> None:
        machine.boot_ms += 86_400_000
        await steal(owner)
        await held.confirm()
        reached.append("spent money")

    with pytest.raises(LeaseLostError, match="taken over"):
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
            await work(held)

    assert reached == []


async def test_tasks_of_the_block_that_confirm_together_ask_once_and_lose_together(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    renewals = watched(takes_seconds=0.1)

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
        machine.boot_ms += 86_400_000
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(held.confirm)
    assert renewals.at_seconds == [0.0]

    async def lose(held: HeldLease) -> None:
        machine.boot_ms += 86_400_000
        await steal(owner)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(held.confirm)

    with pytest.raises(LeaseLostError, match="taken over"):
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
            await lose(held)
    assert len(renewals.at_seconds) == 2


async def test_block_that_wakes_after_the_keeper_waits_for_what_it_asked(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    renewals = watched(takes_seconds=0.5)

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
        await trio.sleep(0.1)
        machine.boot_ms += 86_400_000  # while the keeper is asleep
        await trio.sleep(THIRD_SECONDS)
        assert renewals.at_seconds == [1.0]
        await held.confirm()
        assert trio.current_time() == pytest.approx(1.5)

    assert renewals.at_seconds == [1.0]


async def test_failing_store_is_no_reason_to_stop_while_the_lease_is_long(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    renewals = watched(failing=1)

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
        machine.boot_ms += LEASE_MS // 2
        await held.confirm()

    assert renewals.at_seconds == [0.0]


async def test_failing_store_ends_a_block_that_cannot_confirm_a_lease_that_may_be_over(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    watched(failing=1_000)
    reached = []

    async def work(held: HeldLease) -> None:
        machine.boot_ms += LEASE_MS
        await held.confirm()
        reached.append("went on")

    with pytest.raises(LeaseLostError, match="could not be renewed in time"):
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
            await work(held)

    assert reached == []


async def test_store_that_does_not_answer_a_confirmation_ends_the_block(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    watched(takes_seconds=3_600)

    async def work(held: HeldLease) -> None:
        machine.boot_ms += LEASE_MS
        await held.confirm()

    with pytest.raises(LeaseLostError, match="in time"):
        async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS) as held:
            await work(held)

    assert trio.current_time() == pytest.approx(THIRD_SECONDS)


@pytest.mark.parametrize("back_ms", [1, LEASE_MS, 86_400_000])
async def test_boot_clock_that_goes_back_prolongs_no_trust(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock, back_ms: int
) -> None:
    watched(failing=1_000)

    async def work() -> None:
        machine.boot_ms -= back_ms
        await trio.sleep(100 * THIRD_SECONDS)

    with pytest.raises(LeaseLostError):
        await do_under_lease(owner, work)

    assert trio.current_time() < LEASE_MS / 1000


async def test_boot_clock_that_goes_back_keeps_renewing(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    renewals = watched()

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS):
        machine.boot_ms -= 900_000
        await trio.sleep(3.5 * THIRD_SECONDS)

    assert renewals.at_seconds == [1.0, 2.0, 3.0]


async def test_lease_is_counted_from_when_its_claim_was_asked(
    autojump_clock: MockClock, owner: StateHandle, watched: Any, machine: TrioClock
) -> None:
    """The machine slept between the claim and the work."""
    renewals = watched()
    claimed_boot_ms = owner.clock().boot_ms
    machine.boot_ms += LEASE_MS

    async with hold_lease(owner, RENEWAL, lease_ms=LEASE_MS, claimed_boot_ms=claimed_boot_ms) as held:
        await held.confirm()

    assert renewals.at_seconds == [0.0]


async def test_what_cannot_be_given_back_is_no_reason_not_to_stop(owner: StateHandle, monkeypatch: Any) -> None:
    asked = []

    async def refuse(request: Any) -> Any:
        await trio.lowlevel.checkpoint()
        asked.append(request)
        raise StoreClosedError("the store is closed")

    monkeypatch.setattr(owner, "ask", refuse)
    with trio.CancelScope() as stop:
        stop.cancel()
        with trio.CancelScope(shield=True):
            await give_back(owner, FinishBackfill(token=TOKEN, listed=False))

    assert asked == [FinishBackfill(token=TOKEN, listed=False)]
    monkeypatch.undo()
