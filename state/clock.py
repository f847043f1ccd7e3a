"""The two clocks of this machine, read together.

Leases are judged by the boot-relative clock, which a person or a time server cannot set and which goes on while the
machine sleeps (Linux CLOCK_BOOTTIME; macOS CLOCK_MONOTONIC). Wall time is for people and for the age of transcripts.
"""

import functools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from state.ids import Instant

Clock = Callable[[], Instant]
"""Reads both clocks. The store takes one as a parameter; tests and simulations own theirs."""

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@functools.cache
def boot_id() -> str:
    """The machine's boot, as a text that no other boot shares."""
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True, timeout=5
        )
        return asked.stdout.strip().lower()
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def machine_clock() -> Instant:
    """Read this machine's clocks. Costs about a microsecond."""
    return Instant(
        wall_ms=time.time_ns() // 1_000_000,
        boot_ms=time.clock_gettime_ns(_BOOT_CLOCK) // 1_000_000,
        boot_id=boot_id(),
    )
