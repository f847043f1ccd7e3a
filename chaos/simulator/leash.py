"""Holding a service's tasks: none of them runs while the service is frozen, and each step of one may be its last.

A task is told apart by the life that it inherited from the task that started it. Its coroutine is put on a leash: when
Trio resumes the task while its service is frozen, what it was to be resumed with is kept, and the task is parked. So
everything that SIGSTOP stops is stopped, timers that ran out included, and nothing is lost by it.
"""

from collections.abc import Callable
from typing import Any

import trio
from trio._core._traps import WaitTaskRescheduled

from chaos.simulator.life import LIFE, Life


class LeashedCoroutine:
    """A task's coroutine with its life in between."""

    def __init__(self, inner: Any, life: Life) -> None:
        self._inner = inner
        self._send = inner.send
        self._life = life
        self._kept: tuple[Callable[[Any], Any], Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def send(self, value: Any) -> Any:
        """Resume the task with a value, unless its service is frozen."""
        life = self._life
        if self._kept is not None or life.is_frozen:
            return self._resume(self._send, value)
        # The way of nearly every step.
        life.on_await()
        return self._send(value)

    def throw(self, error: Any) -> Any:
        """Resume the task with an exception, unless its service is frozen."""
        return self._resume(self._inner.throw, error)

    def close(self) -> None:
        """Close the coroutine."""
        self._inner.close()

    def _resume(self, resume: Callable[[Any], Any], value: Any) -> Any:
        if self._kept is not None:
            resume, value = self._kept
            self._kept = None
        if self._life.is_frozen:
            self._kept = (resume, value)
            self._life.park(trio.lowlevel.current_task())
            return WaitTaskRescheduled(_not_now)
        self._life.on_await()
        return resume(value)


def _not_now(_raise_cancel: Any) -> trio.lowlevel.Abort:
    """A frozen task hears of its cancellation when it is thawed."""
    return trio.lowlevel.Abort.FAILED


class Leash(trio.abc.Instrument):
    """Puts every task of a service on a leash when it is made."""

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Told by Trio of each new task, before its first step."""
        life = task.context.get(LIFE)
        if life is not None:
            task.coro = LeashedCoroutine(task.coro, life)  # type: ignore[assignment]  # it is one for all that Trio asks
