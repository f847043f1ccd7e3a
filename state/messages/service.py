"""Messages about the service itself: which processes hold the store open, and what the dead ones left behind."""

from enum import StrEnum

import attrs

from state.ids import ProcessUuid
from state.messages.base import Lane, Request, SmallRead


@attrs.frozen(kw_only=True)
class RegisteredProcess:
    """One process that opened the store for writing. Its OS file lock, not this row, says whether it lives."""

    process: ProcessUuid
    boot_id: str
    pid: int
    started_at_ms: int


@attrs.frozen(kw_only=True)
class RegisterProcess(Request[None]):
    """Enter this process, which holds its lock file already. Asking again is safe."""

    process: ProcessUuid
    pid: int


@attrs.frozen(kw_only=True)
class ListProcesses(SmallRead[tuple[RegisteredProcess, ...]]):
    """Every process that is entered, oldest first."""


@attrs.frozen(kw_only=True)
class LeasesReturned:
    """What a dead process held: how many leases of each kind can be claimed again at once."""

    backfills: int
    extractions: int
    consolidations: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.backfills + self.extractions + self.consolidations


@attrs.frozen(kw_only=True)
class ReturnLeases(Request[LeasesReturned]):
    """Return the leases of a process and strike it out: one that is proven dead (the asker holds its lock file), or
    the asker's own at an orderly stop.

    Attempts stay counted: a job that kills its worker ends as a dead letter. Asking again is safe.
    """

    lane = Lane.URGENT
    process: ProcessUuid


class WorkerState(StrEnum):
    """How a worker of a running service does. Stored as this text."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """It crashed and waits for its next start."""
    DOWN = "down"
    """It crashed too often and stays down until the service is started again."""


@attrs.frozen(kw_only=True)
class WorkerHealth:
    """One worker of one process, since when it is in this state, and why."""

    process: ProcessUuid
    worker: str
    state: WorkerState = attrs.field(converter=WorkerState)
    crashes: int
    reason: str | None
    since_ms: int


@attrs.frozen(kw_only=True)
class ReportWorker(Request[None]):
    """Record how a worker does. Asking again is safe."""

    process: ProcessUuid
    worker: str
    state: WorkerState
    crashes: int
    reason: str | None


@attrs.frozen(kw_only=True)
class ExplainWorker(Request[None]):
    """Record what hinders a worker that runs all the same; None when nothing does any more. Asking again is safe."""

    process: ProcessUuid
    worker: str
    reason: str | None


@attrs.frozen(kw_only=True)
class ListWorkers(SmallRead[tuple[WorkerHealth, ...]]):
    """The workers of every entered process."""
