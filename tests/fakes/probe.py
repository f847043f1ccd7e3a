"""Requests whose rule does what the test says, for tests of how the store treats any request."""

from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from state.ids import Instant
from state.messages.base import Lane, LongRead, Request, SmallRead
from state.rules.registry import RULES
from state.transaction import Transaction

Work = Callable[[Transaction, Instant], Awaitable[Any]]
"""What a probe does with its transaction; what it answers is the reply."""


@attrs.frozen
class Probe(Request[Any]):
    """Waits in the lane of claims."""

    work: Work


@attrs.frozen
class UrgentProbe(Probe):
    """Waits in the lane of renewals."""

    lane = Lane.URGENT


@attrs.frozen
class BulkProbe(Probe):
    """Waits in the lane of backfill writes."""

    lane = Lane.BULK


@attrs.frozen
class BeginningProbe(Probe):
    """Acts on what is committed."""

    begins_batch = True


@attrs.frozen
class ReadProbe(SmallRead[Any]):
    """Promises to change nothing."""

    work: Work


@attrs.frozen
class LongReadProbe(LongRead[Any]):
    """Is answered by the connection that only reads."""

    work: Work


PROBES = (Probe, UrgentProbe, BulkProbe, BeginningProbe, ReadProbe, LongReadProbe)


async def _run_probe(tx: Transaction, request: Any, at: Instant) -> Any:
    return await request.work(tx, at)


@contextmanager
def probes_registered() -> Iterator[None]:
    """Let the store answer probes in the block."""
    assert isinstance(RULES, dict), "probes are added to the registry's dictionary"
    RULES.update(dict.fromkeys(PROBES, _run_probe))
    try:
        yield
    finally:
        for probe in PROBES:
            del RULES[probe]


class _Act:
    """Acts when it is awaited, at once."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        return self._act()


def plain(act: Callable[[], Any]) -> Work:
    """Work that does something in Python and nothing to the database."""
    return lambda _tx, _at: _Act(act)


def raising(error: Exception) -> Work:
    """Work that comes upon this error at once."""

    def fail() -> None:
        raise error

    return plain(fail)


def insert(name: str) -> Work:
    """Work that enters a process called `name`, and answers the name."""

    async def work(tx: Transaction, at: Instant) -> str:
        await tx.execute(
            "INSERT INTO processes (process_uuid, boot_id, pid, started_at_ms) VALUES (:name, 'boot', 1, 0)", name=name
        )
        return name

    return work
