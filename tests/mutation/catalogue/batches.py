"""Bugs in messages about many jobs: where they and their single messages would part."""

from tests.mutation.mutation import Edit, Mutation

BATCHES = ("tests/properties/test_extraction_batches.py",)

MUTATIONS = (
    Mutation(
        name="lease-holds-at-its-end-for-the-database",
        bug="The condition of SQL holds a lease for a millisecond longer than the rules do.",
        edits=(Edit(inside=("HELD",), old="lease_until_boot_ms > :boot_ms", new="lease_until_boot_ms >= :boot_ms"),),
        tests=BATCHES,
    ),
    Mutation(
        name="many-claims-take-what-is-used-up",
        bug="A claim of many jobs grants one that has had all its attempts, and it is never buried.",
        edits=(Edit(inside=("_claim_together",), old="spent >= ATTEMPTS_MAX", new="spent > ATTEMPTS_MAX"),),
        tests=BATCHES,
    ),
    Mutation(
        name="many-claims-pass-the-capacity",
        bug="A claim of many jobs does not count those that run already.",
        edits=(
            Edit(
                inside=("_claim_together",),
                old="request.running_max - await tx.count(_HELD, **held)",
                new="request.running_max",
            ),
        ),
        tests=BATCHES,
    ),
    Mutation(
        name="token-ends-twice-in-one-message",
        bug="A token that is shown twice in one message ends its job twice.",
        edits=(
            Edit(
                inside=("finish_extractions",), old="running.pop(finish.token, None)", new="running.get(finish.token)"
            ),
        ),
        tests=BATCHES,
    ),
    Mutation(
        name="many-ends-forget-growth",
        bug="A job that is ended among others is up to date although its thread grew meanwhile.",
        edits=(Edit(inside=("_end",), old='"pending" if job.is_grown else ', new=""),),
        tests=BATCHES,
    ),
)
