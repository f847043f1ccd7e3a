"""Bugs in extraction jobs: whose job it is, what an attempt is, and what becomes of the memory."""

from tests.mutation.mutation import Edit, Mutation

REMEMBERING = ("tests/properties/test_remembering.py",)
ATTEMPTS = ("tests/properties/test_attempts.py",)
LEASE_ENDS = ("tests/properties/test_lease_ends.py",)
OWNERSHIP = ("tests/properties/test_ownership.py",)
JOBS = ("tests/properties/test_extraction_jobs.py",)

MUTATIONS = (
    Mutation(
        name="extraction-asked-again-is-fenced-again",
        bug="The owner of a job that asks again with the same token is told a fencing number that it does not have.",
        edits=(
            Edit(
                inside=("claim_extraction",),
                old="mine.claimed(mine.fencing_number,",
                new="mine.claimed(mine.fencing_number + 1,",
            ),
        ),
        tests=LEASE_ENDS,
    ),
    Mutation(
        name="extraction-renewed-by-anybody",
        bug="Renewing a job does not ask for the token.",
        edits=(
            Edit(
                inside=("renew_extraction",),
                old="{leases.RENEW}{_OWNED}",
                new="{leases.RENEW} WHERE status = 'running'",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="extraction-released-by-anybody",
        bug="Giving a job back does not ask for the token.",
        edits=(
            Edit(
                inside=("release_extraction",),
                old="{leases.FREE}{_OWNED}",
                new="{leases.FREE} WHERE status = 'running'",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="extraction-ended-by-anybody",
        bug="Finishing and failing look for a running job and not for the token's.",
        edits=(
            Edit(
                inside=("_running",),
                old="j.ownership_token = :token AND j.status = 'running'",
                new="j.status = 'running' ORDER BY j.ownership_token = :token DESC",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="extraction-finished-for-everybody",
        bug="Finishing one job ends all that run.",
        edits=(Edit(inside=("END_JOB",), old='    f"{_OWNED}"', new="    \" WHERE status = 'running'\""),),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="extraction-failed-for-everybody",
        bug="Failing one job fails all that run.",
        edits=(Edit(inside=("fail_extraction",), old="{_COST}{_OWNED}", new="{_COST} WHERE status = 'running'"),),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="memory-saved-before-the-token-is-checked",
        bug="The text is written first and the token asked for afterwards, so a late owner overwrites a memory.",
        edits=(
            Edit(
                inside=("finish_extraction",),
                old="    job = await _running(tx, request.token)\n",
                new="    if request.draft is not None:\n"
                "        await tx.execute(\n"
                '            "UPDATE memories SET raw_memory = :text WHERE thread_id IN (SELECT thread_id"\n'
                "            \" FROM extraction_jobs WHERE status = 'running')\",\n"
                "            text=request.draft.raw_memory,\n"
                "        )\n"
                "    job = await _running(tx, request.token)\n",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="attempts-do-not-count-at-the-claim",
        bug="A claim does not count as an attempt, so a job that kills its worker is tried for ever.",
        edits=(Edit(inside=("GRANT_JOB",), old=" attempts = :attempt,", new=""),),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="attempts-set-back-by-a-retry",
        bug="A failure sets the attempts back, so a job that always fails never ends as a dead letter.",
        edits=(Edit(inside=("fail_extraction",), old="ELSE attempts END", new="ELSE 0 END"),),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="attempts-kept-when-the-content-is-new",
        bug="A failure of older content keeps its attempts, so content that was never tried starts with fewer.",
        edits=(Edit(inside=("fail_extraction",), old="CASE WHEN :grown = 1 THEN 0 ELSE attempts END", new="attempts"),),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="given-back-counts-twice",
        bug="A job that was given back gets two attempts back for one.",
        edits=(
            Edit(inside=("release_extraction",), old="given_back = given_back + 1", new="given_back = given_back + 2"),
        ),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="outage-costs-an-attempt",
        bug="A provider that is not available costs attempts, so an outage buries jobs.",
        edits=(Edit(inside=("fail_extraction",), old="given_back=int(not is_its_own)", new="given_back=0"),),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="one-attempt-too-many",
        bug="A job is given up only after one attempt more than it may have.",
        edits=(Edit(inside=("fail_extraction",), old="spent >= ATTEMPTS_MAX", new="spent > ATTEMPTS_MAX"),),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="reading-again-erases-the-back-off",
        bug="Reading the same content again opens a job that waits or was given up.",
        edits=(
            Edit(
                inside=("refresh_jobs",),
                old="(claimed_revision < :revision OR",
                new="(claimed_revision <= :revision OR",
            ),
        ),
        tests=JOBS,
    ),
    Mutation(
        name="claim-ignores-the-back-off",
        bug="A job that waits for its next attempt is claimed at once.",
        edits=(
            Edit(
                inside=("due_conditions",),
                old="w.next_attempt_at_ms <= :wall_ms",
                new="w.next_attempt_at_ms <= :wall_ms + 1",
            ),
            Edit(inside=("next_waiting",), old=":wall_ms >= coalesce", new=":wall_ms + 1 >= coalesce"),
        ),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="growth-during-the-work-is-forgotten",
        bug="A thread that grew while its job ran counts as done.",
        edits=(Edit(inside=("finish_extraction",), old='"pending" if grown else status', new="status"),),
        tests=JOBS,
    ),
    Mutation(
        name="empty-answer-deletes-the-memory",
        bug="An extraction that finds nothing deletes the memory that an earlier one made.",
        edits=(
            Edit(
                inside=("finish_extraction",),
                old="        kept = await _has_memory(tx, job)\n",
                new='        await tx.execute("DELETE FROM memories WHERE thread_id = :id", id=job.thread_id)\n'
                "        kept = await _has_memory(tx, job)\n",
            ),
        ),
        tests=REMEMBERING,
    ),
    Mutation(
        name="memory-stamped-by-the-wall-clock-alone",
        bug="A memory that changed is not stamped later when the wall clock stood still or went back.",
        edits=(
            Edit(
                inside=("write_memory",),
                old="max(excluded.updated_at_ms, memories.updated_at_ms + 1)",
                new="excluded.updated_at_ms",
            ),
        ),
        tests=REMEMBERING,
    ),
    Mutation(
        name="moved-job-keeps-its-owner",
        bug="A thread that moved leaves its job with the worker that reads the old scope's, which then saves it there.",
        edits=(
            Edit(
                inside=("move_job",),
                old="status = 'pending', {leases.FREE}, attempts = 0,",
                new="attempts = 0,",
            ),
        ),
        tests=JOBS,
    ),
    Mutation(
        name="dead-process-frees-everybodys-extractions",
        bug="Returning the leases of a dead process frees the jobs of living ones.",
        edits=(
            Edit(
                inside=("free_extractions_of",),
                old="WHERE owner_process = :process",
                new="WHERE owner_process IS NOT NULL",
            ),
        ),
        tests=OWNERSHIP,
    ),
)
