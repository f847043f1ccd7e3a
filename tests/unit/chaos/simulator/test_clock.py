"""The clock that jumps, and the machine's two clocks."""

import pytest
import trio

from chaos.simulator.clock import START_BOOT_MS, START_WALL_MS, JumpingClock, Machine


def run_on(clock: JumpingClock, *delays: float) -> list[float]:
    """Let one task sleep for each delay; when each woke, in order."""
    woke: list[float] = []

    async def sleep(seconds: float) -> None:
        await trio.sleep(seconds)
        woke.append(trio.current_time())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for seconds in delays:
                nursery.start_soon(sleep, seconds)

    trio.run(main, clock=clock)
    return woke


def test_everybody_wakes_in_order_at_the_very_time() -> None:
    assert run_on(JumpingClock(), 3_600.0, 0.5, 86_400.0) == [0.5, 3_600.0, 86_400.0]


def test_wall_clock_is_moved_and_the_boot_clock_is_not() -> None:
    clock = JumpingClock()
    machine = Machine(clock)
    run_on(clock, 10.0)
    machine.wall_shift_ms = -86_400_000

    assert machine.instant().wall_ms == START_WALL_MS + 10_000 - 86_400_000
    assert machine.instant().boot_ms == START_BOOT_MS + 10_000
    assert machine.true_wall_ms() == START_WALL_MS + 10_000


def test_restart_of_the_machine_is_another_boot_with_a_clock_of_its_own() -> None:
    clock = JumpingClock()
    machine = Machine(clock)
    before = machine.instant()
    run_on(clock, 100.0)
    machine.reboot()

    assert machine.instant().boot_id != before.boot_id
    assert machine.instant().boot_ms == before.boot_ms
    assert machine.instant().wall_ms == before.wall_ms + 100_000


def test_blocking_sleep_moves_what_code_reads_and_nobody_else() -> None:
    machine = Machine(JumpingClock())
    machine.sleep(2.5)

    assert machine.monotonic() == 2.5
    assert machine.instant().boot_ms == START_BOOT_MS


def test_pauses_that_end_at_one_moment_end_together_and_those_of_a_cancelled_task_never() -> None:
    clock = JumpingClock()
    ended: list[tuple[str, float]] = []

    async def pause(name: str, until: float) -> None:
        await clock.sleep_until(until)
        ended.append((name, trio.current_time()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pause, "a", 2.0)
            nursery.start_soon(pause, "b", 2.0)
            nursery.start_soon(pause, "c", 3.0)
            with trio.move_on_after(1.0):
                await clock.sleep(2.0)
                ended.append(("cancelled", trio.current_time()))

    trio.run(main, clock=clock)

    assert sorted(ended) == [("a", 2.0), ("b", 2.0), ("c", 3.0)]


def test_wait_for_what_is_over_lets_others_go_on_and_takes_no_time() -> None:
    clock = JumpingClock()
    order: list[str] = []

    async def other() -> None:
        order.append("other")
        await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await clock.sleep_until(-1.0)
            order.append("this")
            await clock.sleep(0)

    trio.run(main, clock=clock)

    assert sorted(order) == ["other", "this"]
    assert clock.current_time() == 0.0
    with pytest.raises(ValueError, match="non-negative"):
        trio.run(clock.sleep, -1.0, clock=clock)


def test_clock_that_is_moved_between_two_readings_of_one_moment_is_read_anew() -> None:
    machine = Machine(JumpingClock())
    first = machine.instant()
    machine.wall_shift_ms = 5

    assert machine.instant().wall_ms == first.wall_ms + 5
    assert machine.instant() is machine.instant()
