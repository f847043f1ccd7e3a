"""Bugs in scanning: who may scan, and how what was read becomes rows."""

from tests.mutation.mutation import Edit, Mutation

LEASE_ENDS = ("tests/properties/test_lease_ends.py",)
OWNERSHIP = ("tests/properties/test_ownership.py",)
RECORDING = ("tests/properties/test_recording.py",)
ANSWERS = ("tests/properties/test_query_answers.py",)
EXTRACTION = ("tests/properties/test_extraction_jobs.py",)

_ASKS_OWNER = "if not await is_owner(tx, request.token):"
_ASKS_NOTHING = "if not request.token:"

MUTATIONS = (
    Mutation(
        name="scan-asked-again-is-fenced-again",
        bug="The scan's owner that asks again with the same token gets a new fencing number.",
        edits=(
            Edit(
                inside=("claim_backfill",),
                old="        return BackfillClaimed(fencing_number=row.fencing_number, stolen_from=None)\n    if ",
                new="        pass\n    elif ",
            ),
        ),
        tests=LEASE_ENDS,
    ),
    Mutation(
        name="scan-renewed-by-anybody",
        bug="Renewing the scan does not ask for the token, so a robbed scanner extends its successor's lease.",
        edits=(
            Edit(
                inside=("renew_backfill",),
                old="AND ownership_token = :token",
                new="AND ownership_token IS NOT NULL",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="scan-finished-by-anybody",
        bug="Finishing the scan does not ask for the token, so a robbed scanner frees it and says that all was listed.",
        edits=(
            Edit(
                inside=("finish_backfill",),
                old="AND ownership_token = :token",
                new="AND ownership_token IS NOT NULL",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="files-registered-by-anybody",
        bug="Registering files does not ask for the token.",
        edits=(Edit(inside=("register_rollouts",), old=_ASKS_OWNER, new=_ASKS_NOTHING),),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="files-vanish-by-anybody",
        bug="Marking files as vanished does not ask for the token.",
        edits=(Edit(inside=("mark_rollouts_vanished",), old=_ASKS_OWNER, new=_ASKS_NOTHING),),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="readings-recorded-by-anybody",
        bug="Recording readings does not ask for the token.",
        edits=(Edit(inside=("record_rollouts",), old=_ASKS_OWNER, new=_ASKS_NOTHING),),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="dead-process-frees-everybodys-scan",
        bug="Returning the leases of a dead process frees the scan of a living one.",
        edits=(
            Edit(
                inside=("free_backfill_of",),
                old="WHERE owner_process = :process",
                new="WHERE owner_process IS NOT NULL",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="shadowed-file-overwrites-the-thread",
        bug="A file that is not the best one of its thread is marked as such and then written all the same.",
        edits=(
            Edit(
                inside=("record_reading",),
                old='was_gone=was_gone)\n        return "shadowed"',
                new="was_gone=was_gone)",
            ),
        ),
        tests=RECORDING,
    ),
    Mutation(
        name="thread-of-a-vanished-file-is-listed",
        bug="A file is marked as vanished, and its thread's row is not told.",
        edits=(Edit(inside=("mark_vanished",), old="await mark_threads_of_file(tx, path)", new="pass"),),
        tests=ANSWERS,
    ),
    Mutation(
        name="two-readings-of-one-thread-are-both-its-first",
        bug="Two files of one thread in one message are recorded together, as if there were nothing to decide.",
        edits=(
            Edit(
                inside=("_first_of_their_threads",),
                old="== times[reading.facts.thread_id] == 1",
                new="<= times[reading.facts.thread_id]",
            ),
        ),
        tests=RECORDING,
    ),
    Mutation(
        name="archived-file-goes-before-an-active-one",
        bug="Of two files of one thread the archived one holds it.",
        edits=(
            Edit(
                inside=("_file_that_goes_before",),
                old="(not outcome.found.archived, outcome.found.path)",
                new="(outcome.found.archived, outcome.found.path)",
            ),
        ),
        tests=RECORDING,
    ),
    Mutation(
        name="tools-of-the-file-before-stay",
        bug="When a better file takes a thread over, the tools that the other file named stay.",
        edits=(
            Edit(
                inside=("_write_thread",),
                old='"DELETE FROM thread_dynamic_tools WHERE thread_id = :id"',
                new='"DELETE FROM thread_dynamic_tools WHERE thread_id = :id AND position < 0"',
            ),
        ),
        tests=RECORDING,
    ),
    Mutation(
        name="every-reading-is-new-content",
        bug="Reading a file again makes the content revision grow, so that the session is paid for again.",
        edits=(
            Edit(
                inside=("_write_thread",),
                old="(before.content_digest != facts.content_digest)",
                new="1",
            ),
        ),
        tests=EXTRACTION,
    ),
)
