"""Messages of a person who takes a hand in the jobs: do it again, free what nobody works on, take it from who does.

A job is named as `GetJob` names one. Each of them speaks of extraction jobs and scopes alike.
"""

import attrs

from state.ids import ProcessUuid
from state.messages.base import Lane, Request
from state.messages.jobs import JobNotFound
from state.messages.leases import Owner, check_text, check_whole_number


@attrs.frozen(kw_only=True)
class JobReopened:
    """The job can be claimed at once, with all its attempts. status_before: where it stood."""

    job_id: str
    status_before: str


@attrs.frozen(kw_only=True)
class JobHeld:
    """Somebody works on the job; nothing was changed. lease_left_ms is negative when its lease has ended."""

    job_id: str
    owner: Owner
    lease_left_ms: int


@attrs.frozen(kw_only=True)
class JobFreed:
    """The claim has ended and its token is worth nothing. owner: whose it was; None when the row did not say."""

    job_id: str
    owner: Owner | None
    lease_left_ms: int


@attrs.frozen(kw_only=True)
class JobNotRunning:
    """Nobody works on the job; nothing was changed."""

    job_id: str
    status: str


@attrs.frozen(kw_only=True)
class RetryJob(Request[JobReopened | JobHeld | JobNotFound]):
    """Have a job done that has ended or waits, whatever came of it: at once, with all its attempts, and anew.

    A dead letter lives again, a back-off and a cool-down end, and what was done already is done again although its
    input did not change. A memory that is there stays until a better one is made. A job that somebody holds is refused.
    Asking again is safe; where the job was done meanwhile it is done once more.
    """

    job_id: str = attrs.field(validator=check_text)


@attrs.frozen(kw_only=True)
class ReleaseJob(Request[JobFreed | JobHeld | JobNotRunning | JobNotFound]):
    """Free a job that nobody works on: its lease has ended, or the process that claimed it is dead.

    The attempt stays counted, as when the reaper takes over: a job that kills its worker must end as a dead letter.
    Asking again is safe: it answers JobNotRunning, or JobHeld once somebody else has claimed it.

    Attributes:
      proven_dead: a process whose lock file the asker holds. One that is not entered is dead as well.
    """

    lane = Lane.URGENT
    job_id: str = attrs.field(validator=check_text)
    proven_dead: ProcessUuid | None = None


@attrs.frozen(kw_only=True)
class StealJob(Request[JobFreed | JobHeld | JobNotRunning | JobNotFound]):
    """Take a job from whoever holds it, whatever the lease says; anybody may claim it then.

    The owner finds out at its next write or renewal and can save nothing. It did not fail, so the claim is balanced as
    given back and is not held against the job. Asking again is safe: only the one claim is ended.

    Attributes:
      fencing_number: of the claim that is to end, as GetJob shows it; a later claim is left alone (JobHeld).
    """

    job_id: str = attrs.field(validator=check_text)
    fencing_number: int = attrs.field(validator=check_whole_number(0))
