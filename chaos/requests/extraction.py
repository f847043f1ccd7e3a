"""What a request about an extraction job may do."""

from chaos.requests.deed import BLANK, Deed, Expected, WrongError, backoff_ms, freed, owned
from chaos.rows import Job
from state.messages.extraction import (
    ATTEMPTS_MAX,
    DeadLettered,
    ExtractionCapacityReached,
    ExtractionClaimed,
    FailureClass,
    FinishResult,
    NothingToExtract,
    RetryScheduled,
)


def claim_job(deed: Deed) -> Expected:
    terms, expected = deed.request.terms, Expected()
    mine = deed.held_by("extraction", terms.token)
    if mine is not None:
        if not isinstance(deed.reply, ExtractionClaimed) or deed.reply.thread_id != mine:
            raise WrongError(f"its token has the job of {mine}")
        deed.must_be_told(deed.lease(("extraction", mine)).fencing_number)
        return expected
    for thread, job in deed.before.jobs.items():
        now = deed.after.jobs.get(thread)
        if now is not None and now.status == "dead" and job.status != "dead":
            if not (_may_be_claimed(deed, thread) and _spent(deed, thread) >= ATTEMPTS_MAX):
                raise WrongError(f"the job of {thread} was given up: {job}")
            expected.leases["extraction", thread] = freed(deed.lease(("extraction", thread)))
            expected.jobs[thread] = now._replace(
                attempts=job.attempts,
                given_back=job.given_back,
                claimed_revision=deed.before.revisions[thread],
                done_revision=job.done_revision,
                scope_key=job.scope_key,
            )
    _must_heed_the_capacity(deed)
    if not isinstance(deed.reply, ExtractionClaimed):
        return expected
    thread = deed.reply.thread_id
    key, job = ("extraction", thread), deed.before.jobs[thread]
    if not _may_be_claimed(deed, thread):
        raise WrongError(f"at {deed.wall_ms}, {deed.boot_ms} the job of {thread} was {job}, {deed.lease(key)}")
    if _spent(deed, thread) >= ATTEMPTS_MAX:
        raise WrongError(f"the job of {thread} has no attempt left: {job}")
    deed.must_be_told(deed.lease(key).fencing_number + 1)
    is_untried = job.claimed_revision != deed.before.revisions[thread]
    expected.leases[key] = deed.granted(deed.lease(key), terms)
    expected.jobs[thread] = job._replace(
        status="running",
        attempts=1 if is_untried else job.attempts + 1,
        given_back=0 if is_untried else job.given_back,
        claimed_revision=deed.before.revisions[thread],
        next_attempt_at_ms=None,
    )
    return expected


def _must_heed_the_capacity(deed: Deed) -> None:
    running_max, reply = deed.request.running_max, deed.reply
    if running_max is None or isinstance(reply, NothingToExtract):
        return
    its_own = reply.thread_id if isinstance(reply, ExtractionClaimed) else None
    held = sum(
        job.status == "running" and thread != its_own and not deed.is_over(deed.lease(("extraction", thread)))
        for thread, job in deed.before.jobs.items()
    )
    if (held >= running_max) != isinstance(reply, ExtractionCapacityReached):
        raise WrongError(f"at {deed.boot_ms} {held} other jobs are held, of at most {running_max}")


def _spent(deed: Deed, thread: str) -> int:
    job = deed.before.jobs[thread]
    return job.attempts - job.given_back if job.claimed_revision == deed.before.revisions[thread] else 0


def _may_be_claimed(deed: Deed, thread: str) -> bool:
    job = deed.before.jobs[thread]
    if job.status == "running":
        return deed.is_over(deed.lease(("extraction", thread)), deed.request.terms.stale_after_ms)
    return job.status in ("pending", "retry") and (job.next_attempt_at_ms or 0) <= deed.wall_ms


def release_job(deed: Deed) -> Expected:
    thread = owned(deed, "extraction")
    if thread is None:
        return Expected()
    job = deed.before.jobs[thread]
    return _ended(deed, thread, job._replace(status="pending", given_back=job.given_back + 1))


def _ended(deed: Deed, thread: str, job: Job) -> Expected:
    key = ("extraction", thread)
    return Expected(leases={key: freed(deed.lease(key))}, jobs={thread: job})


def finish_job(deed: Deed) -> Expected:
    thread = owned(deed, "extraction")
    if thread is None:
        return Expected()
    job = deed.before.jobs[thread]
    memory, scope = (thread, job.scope_key), f"cwd:{job.scope_key}"
    had, has = deed.before.memories.get(memory), deed.after.memories.get(memory)
    draft = deed.request.draft
    if draft is not None and (draft.raw_memory.strip() or draft.rollout_summary.strip() or draft.notes):
        if has is None or has.text != f"{draft.raw_memory}\0{draft.rollout_summary}":
            raise WrongError("what it wants remembered is not in the memory")
    elif (had and had.text) != (has and has.text):
        raise WrongError(f"it has nothing to remember, and the memory of {thread} changed")
    is_new = deed.before.revisions[thread] > (job.claimed_revision or 0)
    done = "pending" if is_new else "empty" if has is None else "succeeded"
    expected = _ended(
        deed,
        thread,
        job._replace(
            status=done,
            attempts=0,
            given_back=0,
            claimed_revision=None,
            done_revision=job.claimed_revision,
            reason=None,
        ),
    )
    expected.memories.add(memory)
    if deed.reply.result is FinishResult.SAVED:
        state = deed.before.scopes.get(scope, BLANK)
        expected.scopes[scope] = state._replace(inputs_mark=state.inputs_mark + 1)
    else:
        expected.marked[scope] += 1
    return expected


def fail_job(deed: Deed) -> Expected:
    thread = owned(deed, "extraction")
    if thread is None:
        return Expected()
    job, revision, fail = deed.before.jobs[thread], deed.before.revisions[thread], deed.request
    is_new = revision > (job.claimed_revision or 0)
    is_outage = fail.failure is FailureClass.UNAVAILABLE
    spent = job.attempts - job.given_back
    dead = not is_new and not is_outage and (fail.failure is FailureClass.PERMANENT or spent >= ATTEMPTS_MAX)
    if dead != isinstance(deed.reply, DeadLettered):
        raise WrongError(f"after {spent} attempts, {fail.failure}")
    wait_ms = max(backoff_ms(job.attempts if is_outage else spent, fail.jitter_permille), fail.retry_after_ms or 0)
    due_ms = None if dead else deed.wall_ms + wait_ms
    if isinstance(deed.reply, RetryScheduled) and deed.reply.next_attempt_at_ms != due_ms:
        raise WrongError(f"it was told {deed.reply.next_attempt_at_ms}, and waits until {due_ms}")
    return _ended(
        deed,
        thread,
        job._replace(
            status="dead" if dead else "retry",
            attempts=0 if is_new else job.attempts,
            given_back=0 if is_new else job.given_back + is_outage,
            claimed_revision=revision,
            reason=fail.reason,
            next_attempt_at_ms=due_ms,
        ),
    )
