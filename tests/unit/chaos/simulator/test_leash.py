"""Tasks on a leash: what is frozen does not move, and loses nothing by it."""

from typing import Any, cast

import pytest
import trio

from chaos.simulator.clock import JumpingClock
from chaos.simulator.leash import Leash
from chaos.simulator.life import LIFE, Life


class Still:
    """Stands for a life: it can be frozen, and counts the steps of its tasks."""

    def __init__(self) -> None:
        self.is_frozen = False
        self.steps = 0
        self._parked: list[trio.lowlevel.Task] = []

    def on_await(self) -> None:
        self.steps += 1

    def park(self, task: trio.lowlevel.Task) -> None:
        self._parked.append(task)

    def thaw(self) -> None:
        self.is_frozen = False
        parked, self._parked = self._parked, []
        for task in parked:
            trio.lowlevel.reschedule(task)


def run(main: Any) -> None:
    """Run under the clock that jumps, with tasks on a leash."""
    trio.run(main, clock=JumpingClock(), instruments=[Leash()])


def start(nursery: trio.Nursery, life: Still, task: Any, *arguments: Any) -> None:
    """Start a task that belongs to a life."""
    before = LIFE.set(cast(Life, life))
    try:
        nursery.start_soon(task, *arguments)
    finally:
        LIFE.reset(before)


def test_task_that_would_wake_while_frozen_wakes_when_thawed_and_sees_how_late_it_is() -> None:
    woke: list[float] = []

    async def sleeper() -> None:
        await trio.sleep(10)
        woke.append(trio.current_time())

    async def main() -> None:
        life = Still()
        async with trio.open_nursery() as nursery:
            start(nursery, life, sleeper)
            await trio.sleep(5)
            life.is_frozen = True
            await trio.sleep(100)
            assert woke == []
            life.thaw()

    run(main)

    assert woke == [105.0]


def test_what_was_sent_to_a_frozen_task_reaches_it_later() -> None:
    got: list[str] = []

    async def receiver(channel: trio.MemoryReceiveChannel[str]) -> None:
        got.append(await channel.receive())
        got.append(await channel.receive())

    async def main() -> None:
        life = Still()
        send, receive = trio.open_memory_channel[str](5)
        async with trio.open_nursery() as nursery:
            start(nursery, life, receiver, receive)
            await trio.sleep(1)
            life.is_frozen = True
            await send.send("first")
            await send.send("second")
            await trio.sleep(1)
            assert got == []
            life.thaw()

    run(main)

    assert got == ["first", "second"]


def test_frozen_task_hears_of_its_cancellation_when_it_is_thawed() -> None:
    ended: list[float] = []

    async def worker() -> None:
        try:
            await trio.sleep(3)
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time())

    async def main() -> None:
        life = Still()
        async with trio.open_nursery() as nursery:
            start(nursery, life, worker)
            await trio.sleep(1)
            life.is_frozen = True
            await trio.sleep(4)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.sleep(20)
                assert ended == []
                life.thaw()

    run(main)

    assert ended == [25.0]


def test_tasks_that_a_task_starts_belong_to_its_life_and_others_to_none() -> None:
    ran: list[str] = []

    async def child() -> None:
        await trio.sleep(1)
        ran.append("child")

    async def parent() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(trio.sleep, 0)

    async def stranger() -> None:
        await trio.sleep(1)
        ran.append("stranger")

    async def main() -> None:
        life = Still()
        async with trio.open_nursery() as nursery:
            start(nursery, life, parent)
            nursery.start_soon(stranger)
            await trio.sleep(0.5)
            life.is_frozen = True
            await trio.sleep(10)
            assert ran == ["stranger"]
            life.thaw()
        assert life.steps >= 3

    run(main)

    assert ran == ["stranger", "child"]


def test_exception_of_a_task_on_a_leash_is_its_own() -> None:
    async def failing() -> None:
        await trio.sleep(1)
        raise ValueError("mine")

    async def main() -> None:
        with pytest.RaisesGroup(ValueError):
            async with trio.open_nursery() as nursery:
                start(nursery, Still(), failing)
                start(nursery, Still(), trio.sleep, 0.5)

    run(main)
