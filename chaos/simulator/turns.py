"""Blocking work that can be left off in the middle: it has an OS thread of its own, and only one of the two ever runs.

The event loop hands over and waits; the work goes on until it rests or is done, and hands back. So a service can be
frozen between two statements, and several can open one database at a time, while one seed is still one run.
"""

import contextvars
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import outcome

TURNS: "ContextVar[Turns | None]" = ContextVar("TURNS", default=None)
"""What the running code can rest in; None where it cannot."""


class Turns:
    """One piece of work. `proceed` until it says that the work is done; `result` says how it ended."""

    def __init__(self, work: Callable[..., Any], *args: Any) -> None:
        self._to_work, self._to_loop = threading.Semaphore(0), threading.Semaphore(0)
        self._done: outcome.Outcome[Any] | None = None
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run, work, args), name="memoryd-turns", daemon=True
        )
        self._thread.start()
        self.rests_seconds = 0.0
        """How long the work wants to rest, as it said last."""

    def _run(self, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
        TURNS.set(self)
        self._to_work.acquire()
        self._done = outcome.capture(work, *args)
        self._to_loop.release()

    def proceed(self) -> bool:
        """Let it go on until it rests or is done; True when it is done. Asked by the event loop."""
        self._to_work.release()
        self._to_loop.acquire()
        if self._done is None:
            return False
        self._thread.join()
        return True

    def rest(self, seconds: float = 0.0) -> None:
        """Hand back to the event loop, until it proceeds. Asked by the work."""
        self.rests_seconds = seconds
        self._to_loop.release()
        self._to_work.acquire()

    @property
    def result(self) -> Any:
        """What the work answered; raises what it raised."""
        assert self._done is not None, "it is done"
        return self._done.unwrap()
