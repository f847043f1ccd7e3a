"""A command that is interrupted leaves nothing behind: no process, no folder, at whatever moment the signal comes.

Unwinding the stack is no way out here: threads that wait for children do not hear of it, and an exception that is
raised inside of a callback of SQLite's may be lost. So the signal's handler itself ends the children, takes the
folders away and ends the process, while nothing else may start or write anything any more.
"""

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_MAKES_SOMETHING = {"subprocess.Popen", "open", "os.mkdir", "os.rename", "os.symlink", "os.link"}


class _Traces:
    """What this process has made. An audit hook cannot be taken away, so there is one for all."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.is_ending = False
        self.is_watched = False

    def watch(self) -> None:
        """Know of every temporary folder, whoever makes it, before it is there."""
        if not self.is_watched:
            self.is_watched = True
            sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "tempfile.mkdtemp":
            self.folders.append(os.fspath(arguments[0]))
        if self.is_ending and event in _MAKES_SOMETHING and threading.current_thread() is not threading.main_thread():
            raise InterruptedError("the command is being interrupted")


_traces = _Traces()


@contextmanager
def leaving_none(also: Callable[[], None] | None = None) -> Iterator[None]:
    """For the block, let SIGINT, SIGTERM and SIGHUP end this process and all that it has started and made.

    Enter it in the main thread before anything is started.

    Args:
      also: takes away what is in no temporary folder; called when the children have ended.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        _traces.is_ending = True
        _end_children()
        for folder in _traces.folders:
            shutil.rmtree(folder, ignore_errors=True)
        if also is not None:
            also()
        with contextlib.suppress(OSError):
            show_cursor = b"\x1b[?25h" if os.isatty(2) else b""
            os.write(2, show_cursor + b"memoryd: interrupted; nothing is left behind\n")
        os._exit(EXIT_INTERRUPTED)

    _traces.watch()
    before = {one: signal.signal(one, end) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end_children() -> None:
    """End every child, also one that was forked a moment ago and is in nobody's list yet."""
    while pids := _children():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            # A thread may have waited for it already.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """By /proc; empty where there is none: there children see for themselves that their parent is gone."""
    pids: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += map(int, task.read_text().split())
    return pids
