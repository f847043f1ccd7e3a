"""Which processes hold the store open, and how their workers do. An opening enters its process here.

A row here proves nothing; the OS lock on the process's lock file does.
"""

from state.ids import Instant
from state.messages.service import (
    ExplainWorker,
    ListProcesses,
    ListWorkers,
    RegisteredProcess,
    RegisterProcess,
    ReportWorker,
    WorkerHealth,
)
from state.transaction import Transaction


async def register_process(tx: Transaction, request: RegisterProcess, at: Instant) -> None:
    """Enter a process that lives."""
    await tx.execute(
        "INSERT INTO processes (process_uuid, boot_id, pid, started_at_ms) VALUES (:process, :boot_id, :pid, :wall_ms)"
        " ON CONFLICT (process_uuid) DO NOTHING",
        process=request.process,
        boot_id=at.boot_id,
        pid=request.pid,
        wall_ms=at.wall_ms,
    )


async def list_processes(tx: Transaction, request: ListProcesses, at: Instant) -> tuple[RegisteredProcess, ...]:
    """Every entered process, oldest first."""
    return tuple(
        await tx.all(
            RegisteredProcess,
            "SELECT process_uuid AS process, boot_id, pid, started_at_ms FROM processes"
            " ORDER BY started_at_ms, process_uuid",
        )
    )


async def report_worker(tx: Transaction, request: ReportWorker, at: Instant) -> None:
    """Write one worker's state; a process that is struck out has none."""
    await tx.execute(
        "INSERT INTO workers (process_uuid, worker, state, crashes, reason, since_ms)"
        " SELECT process_uuid, :worker, :state, :crashes, :reason, :wall_ms FROM processes"
        " WHERE process_uuid = :process"
        " ON CONFLICT (process_uuid, worker) DO UPDATE SET state = excluded.state, crashes = excluded.crashes,"
        " reason = excluded.reason, since_ms = excluded.since_ms",
        process=request.process,
        worker=request.worker,
        state=request.state.value,
        crashes=request.crashes,
        reason=request.reason,
        wall_ms=at.wall_ms,
    )


async def explain_worker(tx: Transaction, request: ExplainWorker, at: Instant) -> None:
    """Write the reason beside a worker's state; a worker that was never reported has none."""
    await tx.execute(
        "UPDATE workers SET reason = :reason WHERE process_uuid = :process AND worker = :worker",
        process=request.process,
        worker=request.worker,
        reason=request.reason,
    )


async def list_workers(tx: Transaction, request: ListWorkers, at: Instant) -> tuple[WorkerHealth, ...]:
    """Every worker of every entered process, in a stable order."""
    return tuple(
        await tx.all(
            WorkerHealth,
            "SELECT process_uuid AS process, worker, state, crashes, reason, since_ms FROM workers"
            " ORDER BY process_uuid, worker",
        )
    )
