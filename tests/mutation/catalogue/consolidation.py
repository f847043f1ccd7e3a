"""Bugs in consolidation: when a scope is dirty, whose it is, and which generation is current."""

from tests.mutation.mutation import Edit, Mutation

ATTEMPTS = ("tests/properties/test_attempts.py",)
OWNERSHIP = ("tests/properties/test_ownership.py",)
SCOPES = ("tests/properties/test_consolidation.py",)
ORDER = ("tests/properties/test_publishing_order.py",)

# The rest of a statement after `--` is a comment: so the bug is the same whatever the token's condition is called.
_HELD_BY_ANYBODY = " WHERE ownership_token IS NOT NULL --{"

MUTATIONS = (
    Mutation(
        name="scope-renewed-by-anybody",
        bug="Renewing a scope does not ask for the token.",
        edits=(Edit(inside=("renew_consolidation",), old="{leases.RENEW}{", new="{leases.RENEW}" + _HELD_BY_ANYBODY),),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="scope-released-by-anybody",
        bug="Giving a scope back does not ask for the token.",
        edits=(
            Edit(
                inside=("release_consolidation",),
                old="claimed_mark = NULL{",
                new="claimed_mark = NULL" + _HELD_BY_ANYBODY,
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="published-by-anybody",
        bug="Publishing looks for a scope in work and not for the token's, so a late owner publishes.",
        edits=(
            Edit(
                inside=("publish_consolidation",),
                old="OWNED, token=request.token)",
                new="OWNED.replace('= :token', 'IS NOT NULL'))",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="published-for-everybody",
        bug="Publishing one scope frees all that are in work.",
        edits=(
            Edit(
                inside=("publish_consolidation",),
                old="finished_at_ms = :wall_ms{",
                new="finished_at_ms = :wall_ms" + _HELD_BY_ANYBODY,
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="failed-for-everybody",
        bug="Failing one scope fails all that are in work.",
        edits=(
            Edit(
                inside=("fail_consolidation",),
                old="finished_at_ms = :wall_ms{",
                new="finished_at_ms = :wall_ms" + _HELD_BY_ANYBODY,
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="failed-by-anybody",
        bug="Failing a scope looks for one in work and not for the token's.",
        edits=(
            Edit(
                inside=("fail_consolidation",),
                old="OWNED, token=request.token)",
                new="OWNED.replace('= :token', 'IS NOT NULL'))",
            ),
        ),
        tests=OWNERSHIP,
    ),
    Mutation(
        name="mark-taken-at-publish",
        bug="Publishing covers what is remembered by then and not what the claim saw, so what came meanwhile is lost.",
        edits=(
            Edit(
                inside=("publish_consolidation",),
                old="    if not request.staged:\n",
                new="    await tx.execute(\n"
                '        "UPDATE scopes SET consolidated_mark = inputs_mark"\n'
                '        " WHERE scope_kind = :kind AND scope_key = :key",\n'
                "        kind=row.scope_kind,\n"
                "        key=row.scope_key,\n"
                "    )\n"
                "    if not request.staged:\n",
            ),
        ),
        tests=ORDER,
    ),
    Mutation(
        name="dirty-scope-is-not-marked-again",
        bug="A memory saved while the scope is dirty does not move its mark, so a consolidation under way covers it.",
        edits=(
            Edit(
                inside=("mark_scope_dirty",),
                old="inputs_mark = scopes.inputs_mark + 1",
                new="inputs_mark = max(scopes.inputs_mark, scopes.consolidated_mark + 1)",
            ),
        ),
        tests=ORDER,
    ),
    Mutation(
        name="new-work-erases-the-back-off",
        bug="A memory that arrives makes a failing scope due at once.",
        edits=(
            Edit(
                inside=("mark_scope_dirty",),
                old="inputs_mark = scopes.inputs_mark + 1",
                new="inputs_mark = scopes.inputs_mark + 1, next_attempt_at_ms = NULL",
            ),
        ),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="scope-failures-are-not-counted",
        bug="A failing scope waits as after its first failure for ever.",
        edits=(Edit(inside=("fail_consolidation",), old="attempts = attempts + 1", new="attempts = 1"),),
        tests=ATTEMPTS,
    ),
    Mutation(
        name="link-names-the-claims-folder",
        bug="While a claim is in work the link names the folder that the claim stages, which may be half there.",
        edits=(
            Edit(
                inside=("point_current",),
                old="SELECT generation_folder FROM scopes",
                new="SELECT CASE WHEN ownership_token IS NULL THEN generation_folder"
                " ELSE 'generations/shop/' || ownership_token END AS generation_folder FROM scopes",
            ),
        ),
        tests=SCOPES,
    ),
    Mutation(
        name="late-owner-points-before-it-is-refused",
        bug="Publishing moves the link before the token is checked, so a late owner sets it back.",
        edits=(
            Edit(
                inside=("publish_consolidation",),
                old="    if row is None:\n",
                new="    if request.staged:\n"
                "        for scope in await list_published_scopes(tx, ListPublishedScopes(), at):\n"
                "            await tx.point(scope_link(scope.scope), request.generation_folder)\n"
                "    if row is None:\n",
            ),
        ),
        tests=ORDER,
    ),
    Mutation(
        name="dead-process-frees-everybodys-scopes",
        bug="Returning the leases of a dead process frees the scopes of living ones.",
        edits=(
            Edit(
                inside=("free_consolidations_of",),
                old="WHERE owner_process = :process",
                new="WHERE owner_process IS NOT NULL",
            ),
        ),
        tests=OWNERSHIP,
    ),
)
