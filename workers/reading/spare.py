"""A process that reads, started before anybody knows that it is needed, so that it starts beside this one.

Where there is no index yet, a history that is long at first sight will be read as a whole. Its first helper is started
before the store is opened, and whoever needs a helper later takes it (workers.reading.helpers). It is a guess: one that
nobody takes is killed, and costs what its start cost, on another core.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONG_FROM_FILES = 1_000
"""Names of rollouts that make a history long at first sight. They are counted and not looked at: 3 ms."""

Process = subprocess.Popen[bytes]

_spare: list[Process] = []


@contextmanager
def helper_beforehand(codex_home: Path, database: Path) -> Iterator[None]:
    """Start one for the block, if it is likely to be wanted; it is gone afterwards, if nobody has taken it."""
    with suppress(OSError):  # whoever opens the database or needs a process tries again, and says what is wrong
        if not database.exists() and cores() > 1 and _is_long(codex_home):
            _spare.append(start_process())
    try:
        yield
    finally:
        while (process := take_spare()) is not None:
            end_process(process)


def take_spare() -> Process | None:
    """The process that was started beforehand, for whoever ends it; None when there is none."""
    return _spare.pop() if _spare else None


def start_process() -> Process:
    """Start a process that answers as `workers.reading.child` does, and does not wait for it.

    Raises:
      OSError: the system starts no more processes.
    """
    # Its modules are found where this process finds them; nothing else is run first (-S, -I), for a faster start.
    code = (
        f"import gc, sys; gc.set_threshold(50_000); sys.path[:] = {sys.path!r};"
        " from workers.reading.child import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )


def end_process(process: Process) -> None:
    """Kill it, and take note that it is gone. Whoever waits for its answer gets none."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(OSError):  # what was still to be sent cannot be
            stream.close()


def cores() -> int:
    """How many this process may use, where the system tells; containers often get less than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_long(codex_home: Path) -> bool:
    """Say whether there are many rollouts, without looking at any. What cannot be listed is not long."""
    files = 0
    folders = [os.path.join(codex_home, top) for top in ("sessions", "archived_sessions")]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith("rollout-"):
                        files += 1
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
        if files >= LONG_FROM_FILES:
            return True
    return False
