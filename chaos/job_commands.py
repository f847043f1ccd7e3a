"""What a person's hand in the jobs may do to one extraction job: `memoryd jobs retry`, `release` and `steal`."""

from collections.abc import Iterator
from typing import Any

import attrs

from chaos.job_state import ABSENT, Doubt, JobState, Lease
from chaos.operations import Answer
from state.ids import ThreadId
from state.messages.job_control import (
    JobFreed,
    JobHeld,
    JobNotRunning,
    JobReopened,
    ReleaseJob,
    RetryJob,
    StealJob,
)
from state.messages.jobs import JobKind, JobNotFound

Command = RetryJob | ReleaseJob | StealJob


def job_of(command: Command) -> ThreadId | None:
    """The thread whose job is meant; None for the job of a scope. In histories jobs are named in full."""
    kind, _, name = command.job_id.partition(":")
    return ThreadId(name.partition(":")[0]) if kind == JobKind.EXTRACTION else None


def commanded(state: JobState, command: Command, answer: Any, doubt: Doubt) -> Iterator[JobState]:
    """What the job may be after the command was obeyed or refused in this state, and answered so."""
    is_lost = answer is Answer.LOST
    lease = state.lease
    if state.status == ABSENT:
        if is_lost or isinstance(answer, JobNotFound):
            yield state
    elif isinstance(command, RetryJob):
        yield from _retried(state, answer)
    elif lease is None:
        if is_lost or (isinstance(answer, JobNotRunning) and answer.status == state.status):
            yield state
    else:
        if _may_end(lease, state, command, doubt) and (is_lost or _names(answer, JobFreed, lease)):
            given_back = state.given_back + isinstance(command, StealJob)
            yield attrs.evolve(state, status="pending", lease=None, given_back=given_back)
        if is_lost or (_may_keep(lease, state, command, doubt) and _names(answer, JobHeld, lease)):
            yield state


def _retried(state: JobState, answer: Any) -> Iterator[JobState]:
    is_lost = answer is Answer.LOST
    if state.lease is not None:
        if is_lost or _names(answer, JobHeld, state.lease):
            yield state
    elif is_lost or (isinstance(answer, JobReopened) and answer.status_before == state.status):
        yield attrs.evolve(state, status="pending", attempts=0, given_back=0, claimed_revision=None, due=None)


def _names(answer: Any, kind: type[JobFreed | JobHeld], lease: Lease) -> bool:
    """Say whether it is this answer, and tells of the owner who was there."""
    return isinstance(answer, kind) and answer.owner is not None and answer.owner.process == lease.process


def _may_end(lease: Lease, state: JobState, command: Command, doubt: Doubt) -> bool:
    """Say whether the command may have ended the claim at some instant of the doubt."""
    if isinstance(command, StealJob):
        return command.fencing_number == state.fencing_number
    assert isinstance(command, ReleaseJob)
    # An owner that is struck out holds nothing any more: that is one transaction.
    return (
        command.proven_dead == lease.process
        or len(lease.boots | doubt.boots) > 1
        or lease.ends.earliest <= doubt.boot.latest
    )


def _may_keep(lease: Lease, state: JobState, command: Command, doubt: Doubt) -> bool:
    """Say whether the command may have been refused at some instant of the doubt."""
    if isinstance(command, StealJob):
        return command.fencing_number != state.fencing_number
    assert isinstance(command, ReleaseJob)
    return (
        command.proven_dead != lease.process
        and bool(lease.boots & doubt.boots)
        and lease.ends.latest > doubt.boot.earliest
    )
