"""The clock that jumps, and the machine's two clocks."""

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
