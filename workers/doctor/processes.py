"""The processes that are entered: which live, which are proven dead, what the dead ones hold, and how workers do."""

import contextlib
import os
from pathlib import Path

import attrs

from state.folder import StateFolder, dead_process_lock
from state.ids import ProcessUuid
from state.messages.drift import DamagedLease, HeldLease, ListDamagedLeases, ListHeldLeases
from state.messages.service import ListProcesses, ListWorkers, RegisteredProcess, WorkerState
from state.store import StateHandle
from workers.doctor.finding import Area, Findings, Severity
from workers.doctor.state_folder import is_old

REAP = "--repair takes over what it held"


@attrs.frozen(kw_only=True)
class Census:
    """Which of the entered processes live."""

    living: tuple[RegisteredProcess, ...]
    is_served: bool
    """A living process has a backfill worker that runs."""


async def check_processes(findings: Findings, handle: StateHandle) -> Census:
    """Look at every entered process and every lease."""
    entered = await handle.ask(ListProcesses())
    workers = await handle.ask(ListWorkers())
    held = await handle.ask(ListHeldLeases())
    dead = {one.process: is_dead(handle.folder, one.process) for one in entered}
    living = tuple(one for one in entered if not dead[one.process])
    backfills = {
        worker.process for worker in workers if worker.worker == "backfill" and worker.state is not WorkerState.DOWN
    }
    is_served = any(one.process in backfills and _is_locked(handle.folder, one.process) for one in living)
    for one in entered:
        leases = [lease for lease in held if lease.process == one.process]
        if dead[one.process]:
            _report_dead(findings, one, leases, is_served=is_served)
        elif not handle.folder.process_lock(one.process).exists():
            findings.add(
                Area.PROCESSES,
                "process_unproven",
                Severity.NOTE,
                f"process {one.pid} is entered without a lock file, so nobody can tell whether it lives;"
                f" {_count(leases)} end by themselves",
                subject=one.process,
            )
    for worker in workers:
        if worker.state is WorkerState.DOWN and worker.process in {one.process for one in living}:
            findings.add(
                Area.PROCESSES,
                "worker_down",
                Severity.WARNING,
                f"the worker {worker.worker} crashed {worker.crashes} times and stays down: {worker.reason}",
                subject=worker.worker,
                repair="stop the service and start it again; the log says more",
            )
    _report_foreign(findings, held, {one.process for one in entered})
    _report_damaged(findings, await handle.ask(ListDamagedLeases()))
    services = [one for one in living if one.process in {worker.process for worker in workers}]
    if len(services) > 1:
        pids = ", ".join(str(one.pid) for one in services)
        findings.add(
            Area.PROCESSES,
            "several_services",
            Severity.NOTE,
            f"{len(services)} services use this state (processes {pids}); they share the work",
        )
    if not findings.has("process_dead", "worker_down", "lease_forsaken", "lease_damaged"):
        findings.add(Area.PROCESSES, "processes", Severity.OK, f"{len(living)} processes use this state")
    return Census(living=living, is_served=is_served)


def is_dead(folder: StateFolder, process: ProcessUuid) -> bool:
    """Say whether the process is proven dead."""
    with dead_process_lock(folder, process) as proven:
        return proven


def _is_locked(folder: StateFolder, process: ProcessUuid) -> bool:
    return folder.process_lock(process).exists() and not is_dead(folder, process)


def _report_dead(findings: Findings, process: RegisteredProcess, leases: list[HeldLease], *, is_served: bool) -> None:
    findings.add(
        Area.PROCESSES,
        "process_dead",
        Severity.NOTE if is_served else Severity.WARNING,
        f"process {process.pid} ended without giving back what it held: {_count(leases)}",
        subject=process.process,
        repair="the running service takes over" if is_served else f"{REAP}; so does the next start of memoryd",
        can_repair=True,
    )


def _report_foreign(findings: Findings, held: tuple[HeldLease, ...], entered: set[ProcessUuid]) -> None:
    for lease in held:
        if lease.process not in entered:
            findings.add(
                Area.PROCESSES,
                "lease_forsaken",
                Severity.NOTE,
                f"the {lease.kind} lease of {lease.subject or 'the scan'} is held by a process that is not entered;"
                f" it {'has ended, and anybody may claim it' if lease.is_stale else 'ends by itself'}",
                subject=lease.subject,
            )


def _report_damaged(findings: Findings, damaged: tuple[DamagedLease, ...]) -> None:
    for lease in damaged:
        findings.add(
            Area.PROCESSES,
            "lease_damaged",
            Severity.WARNING,
            f"the row of {lease.job_id or 'the scan'} holds {lease.found}, which nothing of memoryd writes",
            subject=lease.job_id,
            repair="the next claim writes it anew; `memoryd jobs retry` does so for a job that nobody claims"
            if lease.can_be_claimed
            else "nobody can claim it any more; set the fencing number back by hand, or remove the row",
        )


def _count(leases: list[HeldLease]) -> str:
    return f"{len(leases)} lease{'' if len(leases) == 1 else 's'}"


def forsaken_locks(folder: StateFolder, entered: set[ProcessUuid]) -> list[Path]:
    """Lock files of processes that are neither entered nor alive: left by a start that was killed half-way."""
    found = []
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder.processes_dir)):
            process, suffix = os.path.splitext(name)
            path = folder.processes_dir / name
            is_nobodys = suffix == ".lock" and ProcessUuid(process) not in entered and is_old(path)
            if is_nobodys and is_dead(folder, ProcessUuid(process)):
                found.append(path)
    return found


async def check_locks(findings: Findings, handle: StateHandle) -> None:
    """Name lock files that nobody holds and nobody is entered with."""
    entered = {one.process for one in await handle.ask(ListProcesses())}
    for path in forsaken_locks(handle.folder, entered):
        findings.add(
            Area.PROCESSES,
            "lock_forsaken",
            Severity.NOTE,
            f"nobody holds the lock file {path}, and no process is entered with it",
            subject=str(path),
            repair="--repair removes it",
            can_repair=True,
        )
