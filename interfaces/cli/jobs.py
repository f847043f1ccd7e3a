"""`memoryd jobs list|show`: what is to be done, in work, done or given up, and why it waits."""

import sys
import time
from typing import Annotated, Any, Literal

import attrs
from cyclopts import App, Parameter

from interfaces.cli import job_control
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import ago, iso, print_json, print_table
from interfaces.cli.paging import LIMIT_DEFAULT, Limit, checked_limit
from interfaces.cli.reading import nothing_indexed, reading
from state.messages.extraction import Eligibility
from state.messages.jobs import GetJob, Job, JobFound, JobKind, JobNotFound, JobPage, ListJobs


def add_to(app: App) -> None:
    """Add the commands."""
    jobs = App(name="jobs", help="Extraction and consolidation jobs.")
    app.command(jobs)
    job_control.add_to(jobs)

    @jobs.command(name="list")
    async def list_(
        *,
        kind: Annotated[Literal["extraction", "consolidation"] | None, Parameter(help="only this kind")] = None,
        status: Annotated[
            Literal["pending", "running", "succeeded", "empty", "retry", "dead"] | None,
            Parameter(help="only this status"),
        ] = None,
        limit: Limit = LIMIT_DEFAULT,
        after: Annotated[str, Parameter(help="next_after of the page before")] = "",
        common: CommonOptions | None = None,
    ) -> int:
        """List jobs in the order of their ids."""
        common = common or CommonOptions()
        paths = common.paths()
        settings = common.settings(paths)
        request = ListJobs(
            kind=JobKind(kind) if kind else None,
            status=status,
            limit=checked_limit(limit),
            after=after,
            eligibility=Eligibility.from_settings(settings.extraction),
            cooldown_ms=settings.consolidation.cooldown_ms(),
        )
        async with reading(paths) as handle:
            page = await handle.ask(request) if handle is not None else JobPage(jobs=(), next_after=None)
        if common.json:
            print_json({"jobs": [_json(job) for job in page.jobs], "next_after": page.next_after})
            return 0
        now_ms = int(time.time() * 1000)
        print_table(
            ("job", "status", "attempts", "next attempt", "reason"),
            [
                (job.job_id, job.status, str(job.attempts), ago(job.next_attempt_at_ms, now_ms), _reason(job))
                for job in page.jobs
            ],
        )
        if page.next_after is not None:
            sys.stderr.write(f"more: --after {page.next_after}\n")
        return 0

    @jobs.command
    async def show(
        job_id: job_control.JobId,
        /,
        *,
        common: CommonOptions | None = None,
    ) -> int:
        """Show one job."""
        common = common or CommonOptions()
        paths = common.paths()
        async with reading(paths) as handle:
            if handle is None:
                raise nothing_indexed(paths)
            settings = common.settings(paths)
            found = await handle.ask(
                GetJob(
                    job_id=job_id,
                    eligibility=Eligibility.from_settings(settings.extraction),
                    cooldown_ms=settings.consolidation.cooldown_ms(),
                )
            )
        match found:
            case JobNotFound(similar=similar):
                raise job_control.not_found(job_id, similar)
            case JobFound(job=job):
                row = _json(job)
                if common.json:
                    print_json(row)
                else:
                    if job.owner is not None:
                        row["owner"] = f"{job.owner.worker} of process {job.owner.process}"
                    width = max(map(len, row))
                    for name, value in row.items():
                        sys.stdout.write(f"{name:<{width}} {'-' if value is None else value}\n")
        return 0


def _json(job: Job) -> dict[str, Any]:
    row = attrs.asdict(job)
    row["kind"] = job.kind.value
    for name in ("started_at", "finished_at", "next_attempt_at"):
        row[name] = iso(row.pop(f"{name}_ms"))
    return row


def _reason(job: Job) -> str:
    """Why it failed last, or else why it waits."""
    return job.reason or job.waits_because or ""
