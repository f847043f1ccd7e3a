"""Jobs that failed: what is tried again by itself, and what was given up and waits for new content or a person."""

from state.messages.extraction import JobStatus
from state.messages.jobs import Job, ListJobs
from state.store import StateHandle
from workers.doctor.finding import Area, Findings, Severity, shown

JOBS_SHOWN_MAX = 20
"""`memoryd jobs list` has the rest."""


async def check_jobs(findings: Findings, handle: StateHandle) -> None:
    """Name the jobs that failed, each with its reason."""
    for status, code, what, repair in (
        (JobStatus.DEAD, "job_dead", "was given up", "new content opens it again"),
        (JobStatus.RETRY, "job_failing", "failed and is tried again by itself", ""),
    ):
        page = await handle.ask(ListJobs(status=status.value, limit=JOBS_SHOWN_MAX))
        for job in page.jobs:
            _report(findings, job, code, what, repair)
        if page.next_after is not None:
            findings.add(
                Area.MEMORIES,
                code,
                Severity.NOTE,
                f"there are more jobs of which each {what}",
                repair=f"`memoryd jobs list --status {status.value}` names them all",
            )


def _report(findings: Findings, job: Job, code: str, what: str, repair: str) -> None:
    reason = shown(job.reason) if job.reason else "no reason was noted"
    findings.add(
        Area.MEMORIES,
        code,
        Severity.NOTE,
        f"the job {job.job_id} {what}, after {job.attempts} attempts: {reason}",
        subject=job.job_id,
        repair=repair,
    )
