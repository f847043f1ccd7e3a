"""What a signal does to work: the first one cancels it, a second one ends the process.

The first SIGTERM, SIGINT or SIGHUP gives workers their grace period to hand leases back. Ending at once is safe at any
instruction, so work that does not end in time, or a second signal, ends the process.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import trio

log = structlog.get_logger("memoryd")

T = TypeVar("T")

EXIT_STOPPED_AT_ONCE = 130

SAME_SIGNAL_SECONDS = 0.2
"""timeout(1) and terminals send one stop to a process and to its group: what comes so soon after is the same signal."""


class InterruptedRunError(Exception):
    """A signal ended a command before it was done."""

    code = "interrupted"
    retryable = True
    hint = "what was done is kept; the next run goes on from there"


async def until_stopped(work: Callable[[], Awaitable[T]], grace_seconds: float) -> T | None:
    """Do the work; the first signal cancels it, and then the answer is None."""
    results: list[T] = []
    failures: list[Exception] = []
    scope = trio.CancelScope()
    async with trio.open_nursery() as watchers:
        with scope:
            # Started, not start_soon: signals are watched before the work says that it is ready.
            await watchers.start(_stop_on_signal, scope, grace_seconds)
            try:
                results.append(await work())
            except Exception as error:
                failures.append(error)
        watchers.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return results[0] if results else None


async def _stop_on_signal(
    work: trio.CancelScope, grace_seconds: float, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """First signal: cancel the work, which gives its leases back. A second one, or work that does not end within the
    grace period, ends the process at once; that is safe at any instruction."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            work.cancel()
            same_until = trio.current_time() + SAME_SIGNAL_SECONDS
            break
        with trio.move_on_after(grace_seconds):
            async for number in signals:
                if trio.current_time() < same_until:
                    continue
                log.warning("stopped at once by a second signal", signal=signal.Signals(number).name)
                os._exit(EXIT_STOPPED_AT_ONCE)
    log.warning("stopped at once: the workers did not end in time", grace_seconds=grace_seconds)
    os._exit(EXIT_STOPPED_AT_ONCE)
