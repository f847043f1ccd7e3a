"""The machine's own clocks."""

import sys

from state.clock import boot_id, machine_clock


def test_boot_clock_never_goes_back() -> None:
    readings = [machine_clock().boot_ms for _ in range(1_000)]

    assert readings == sorted(readings)


def test_every_reading_of_one_boot_names_that_boot() -> None:
    assert machine_clock().boot_id == machine_clock().boot_id == boot_id()
    assert len(boot_id()) == len("c0a9d2ee-6c1c-4b11-9c47-0d60f54e6a43")


def test_wall_clock_counts_milliseconds_since_1970() -> None:
    assert 1_700_000_000_000 < machine_clock().wall_ms < 10_000_000_000_000


def test_boot_clock_counts_from_the_boot_and_not_from_1970() -> None:
    assert 0 <= machine_clock().boot_ms < machine_clock().wall_ms
    assert sys.platform in ("linux", "darwin"), "memoryd runs on these two"
