"""The peak memory of a process with all its children, which the kernel does not count together.

It is looked at every LOOK_SECONDS, from a thread: the peak of each process so far, as Linux keeps it, summed over every
process that was ever seen. So the sum is at least the true peak, and a child that lives shorter than a look is missed.
"""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

LOOK_SECONDS = 0.02
KIB_PER_MIB = 1_024


class TreePeak:
    """Watches a process and its descendants for as long as the block lasts. Where there is no /proc it sees nothing."""

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._peaks_kib: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def mib(self) -> float:
        """The sum of the peaks, in MiB."""
        return sum(self._peaks_kib.values()) / KIB_PER_MIB

    @property
    def processes(self) -> int:
        """How many were seen."""
        return len(self._peaks_kib)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look once."""
        waiting = [self._root]
        while waiting:
            pid = waiting.pop()
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
                for task in os.listdir(f"/proc/{pid}/task"):
                    waiting += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split())
            except OSError:
                continue  # it is gone
            for line in status.splitlines():
                if line.startswith("VmHWM:"):
                    # Right after its start a process is its parent's copy, whose peak it does not keep once it runs
                    # its own program; so what counts is what was seen last.
                    self._peaks_kib[pid] = int(line.split()[1])
