"""`memoryd jobs retry|release|steal`: a person's hand in the jobs.

retry does a job again that has ended or waits. release frees one that nobody works on any more. steal takes one from
whoever works on it, and does so only when told --yes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import attrs
from cyclopts import App, Parameter

from interfaces.cli.changing import changing
from interfaces.cli.errors import CommandError, NotFoundError, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json
from state.folder import dead_process_lock
from state.ids import ProcessUuid
from state.messages.extraction import Eligibility
from state.messages.job_control import (
    JobFreed,
    JobHeld,
    JobNotRunning,
    JobReopened,
    ReleaseJob,
    RetryJob,
    StealJob,
)
from state.messages.jobs import READY, GetJob, Job, JobFound, JobNotFound
from state.messages.leases import Owner
from state.messages.service import ListProcesses
from state.store import StateHandle

JobId = Annotated[str, Parameter(help="as `memoryd jobs list` prints it, or a beginning of it that no other has")]


class JobHeldError(CommandError):
    """Somebody works on the job."""

    code = "job_held"


class JobNotRunningError(CommandError):
    """Nobody works on the job, so there is nothing to free."""

    code = "job_not_running"


def add_to(jobs: App) -> None:
    """Add the commands below `memoryd jobs`."""

    @jobs.command
    async def retry(job_id: JobId, /, *, common: CommonOptions | None = None) -> int:
        """Have a job done again, at once and with all its attempts: one that failed, was given up, waits or is done."""
        common = common or CommonOptions()
        async with changing(common.paths()) as handle:
            job = await _found(handle, job_id)
            match await handle.ask(RetryJob(job_id=job.job_id)):
                case JobReopened() as reopened:
                    _print(common, {"outcome": "reopened", **attrs.asdict(reopened)})
                    if not common.json:
                        done = await _when_done(handle, common, reopened.job_id)
                        _say(common, f"{reopened.job_id} was {reopened.status_before} and is done again{done}")
                case JobHeld() as held:
                    raise await _held(handle, held, hint="wait for it, or see `memoryd jobs release` and `steal`")
                case JobNotFound():
                    raise not_found(job_id)
        return 0

    @jobs.command
    async def release(job_id: JobId, /, *, common: CommonOptions | None = None) -> int:
        """Free a job that nobody works on any more: its lease has ended, or its process is dead."""
        common = common or CommonOptions()
        async with changing(common.paths()) as handle:
            job = await _found(handle, job_id)
            # The lock of a dead process is held while its job is freed, so that it stays proven.
            with _proven_dead(handle, job.owner) as dead:
                reply = await handle.ask(ReleaseJob(job_id=job.job_id, proven_dead=dead))
            if isinstance(reply, JobHeld):
                raise await _held(handle, reply, hint="`memoryd jobs steal` takes it all the same")
            _report_freed(common, reply, job_id, "released", "its attempt stays counted")
        return 0

    @jobs.command
    async def steal(
        job_id: JobId,
        /,
        *,
        yes: Annotated[bool, Parameter(negative="", help="do it")] = False,
        common: CommonOptions | None = None,
    ) -> int:
        """Take a job from whoever works on it; what was not saved is lost, and the job can be claimed by anybody."""
        common = common or CommonOptions()
        async with changing(common.paths()) as handle:
            job = await _found(handle, job_id)
            if job.owner is not None and not yes:
                raise UsageError(
                    f"{await _who(handle, job.owner)} works on {job.job_id}; a steal throws away what it has not saved",
                    hint="say --yes to do it",
                )
            reply = await handle.ask(StealJob(job_id=job.job_id, fencing_number=job.fencing_number))
            if isinstance(reply, JobHeld):
                raise await _held(handle, reply, hint="that is a newer claim than the one you saw; look again")
            _report_freed(common, reply, job_id, "stolen", "the attempt is not held against it")
        return 0


async def _when_done(handle: StateHandle, common: CommonOptions, job_id: str) -> str:
    """What a job that was reopened still waits for, as the end of a sentence; "" where it waits for nothing."""
    settings = common.settings(common.paths())
    found = await handle.ask(
        GetJob(
            job_id=job_id,
            eligibility=Eligibility.from_settings(settings.extraction),
            cooldown_ms=settings.consolidation.cooldown_ms(),
        )
    )
    why = found.job.waits_because if isinstance(found, JobFound) else None
    return "" if why is None or why == READY else f", but not yet: {why}"


async def _found(handle: StateHandle, job_id: str) -> Job:
    found = await handle.ask(GetJob(job_id=job_id))
    if isinstance(found, JobFound):
        return found.job
    raise not_found(job_id, found.similar)


def not_found(job_id: str, similar: tuple[str, ...] = ()) -> NotFoundError:
    """What to say where no job has that id, or several begin like it."""
    hint = f"several begin like that: {', '.join(similar)}" if similar else "see `memoryd jobs list`"
    return NotFoundError(f"there is no job {job_id}", hint=hint)


@contextmanager
def _proven_dead(handle: StateHandle, owner: Owner | None) -> Iterator[ProcessUuid | None]:
    """Hold the lock of the owner's process for the block if that is possible; gives the process then, else None."""
    if owner is None:
        yield None
        return
    with dead_process_lock(handle.folder, owner.process) as is_dead:
        yield owner.process if is_dead else None


def _report_freed(
    common: CommonOptions, reply: JobFreed | JobNotRunning | JobNotFound, job_id: str, outcome: str, attempt: str
) -> None:
    match reply:
        case JobFreed():
            _print(common, {"outcome": outcome, **attrs.asdict(reply)})
            _say(common, f"{reply.job_id} is free; {attempt}")
        case JobNotRunning():
            raise JobNotRunningError(
                f"nobody works on {reply.job_id}; it is {reply.status}", hint="`memoryd jobs retry` has it done again"
            )
        case JobNotFound():
            raise not_found(job_id)


async def _held(handle: StateHandle, held: JobHeld, *, hint: str) -> JobHeldError:
    left = f"for {held.lease_left_ms / 1000:.0f} s unless it renews" if held.lease_left_ms > 0 else "and is late"
    return JobHeldError(f"{await _who(handle, held.owner)} works on {held.job_id} {left}", hint=hint)


async def _who(handle: StateHandle, owner: Owner) -> str:
    pids = {one.process: one.pid for one in await handle.ask(ListProcesses())}
    name = f"process {pids[owner.process]}" if owner.process in pids else "a process that is not entered"
    return f"{name} ({owner.worker})"


def _print(common: CommonOptions, answer: dict[str, object]) -> None:
    if common.json:
        print_json(answer)


def _say(common: CommonOptions, sentence: str) -> None:
    if not common.json:
        sys.stdout.write(sentence + "\n")
