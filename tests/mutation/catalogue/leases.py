"""Bugs in what all leases share: when one holds, and how a row is granted, renewed and freed."""

from tests.mutation.mutation import Edit, Mutation

LEASE_ENDS = ("tests/properties/test_lease_ends.py",)
LEASES = ("tests/properties/test_leases.py",)

_BEFORE_STALE_AFTER = "    if stale_after_ms is not None:\n"

MUTATIONS = (
    Mutation(
        name="lease-holds-at-its-end",
        bug="A lease that ends now still holds, although equal means expired.",
        edits=(
            Edit(
                inside=("is_held",),
                old=_BEFORE_STALE_AFTER,
                new="    if stale_after_ms is None and row.lease_until_boot_ms == at.boot_ms:\n        return True\n"
                + _BEFORE_STALE_AFTER,
            ),
        ),
        tests=LEASE_ENDS,
    ),
    Mutation(
        name="lease-ends-a-millisecond-early",
        bug="A lease with one millisecond left counts as expired, so a living owner is robbed.",
        edits=(
            Edit(
                inside=("is_held",),
                old=_BEFORE_STALE_AFTER,
                new="    if stale_after_ms is None and row.lease_until_boot_ms == at.boot_ms + 1:\n"
                "        return False\n" + _BEFORE_STALE_AFTER,
            ),
        ),
        tests=LEASE_ENDS,
    ),
    Mutation(
        name="stale-after-holds-at-its-end",
        bug="A claim renewed exactly stale_after_ms ago still holds, so stale_after_ms 0 steals nothing.",
        edits=(
            Edit(inside=("is_held",), old="at.boot_ms - max(stale_after_ms, 0)", new="at.boot_ms - stale_after_ms - 1"),
        ),
        tests=LEASE_ENDS,
    ),
    Mutation(
        name="stale-after-judged-by-the-start",
        bug="A renewal does not move renewed_boot_ms, so stale_after_ms robs an owner that renewed in time.",
        edits=(Edit(inside=("RENEW",), old=", renewed_boot_ms = :boot_ms", new=""),),
        tests=LEASE_ENDS,
    ),
    Mutation(
        name="boot-id-ignored",
        bug="A lease of before the restart of the machine holds, judged by a boot clock that began anew.",
        edits=(Edit(inside=("is_held",), old=" or row.lease_boot_id != at.boot_id", new=""),),
        tests=LEASES,
    ),
    Mutation(
        name="renewal-keeps-the-boot-id-of-the-claim",
        bug="A renewal after a restart of the machine keeps the old boot id, so the renewed lease holds nothing.",
        edits=(Edit(inside=("RENEW",), old="lease_boot_id = :boot_id, ", new=""),),
        tests=LEASES,
    ),
    Mutation(
        name="leases-end-by-the-wall-clock",
        bug="Leases are granted and judged by wall time, which people set.",
        edits=(
            Edit(inside=("lease_until",), old="at.boot_ms", new="at.wall_ms"),
            Edit(
                inside=("is_held",),
                old=_BEFORE_STALE_AFTER,
                new="    at = attrs.evolve(at, boot_ms=at.wall_ms)\n" + _BEFORE_STALE_AFTER,
            ),
        ),
        tests=LEASES,
    ),
    Mutation(
        name="claim-does-not-fence",
        bug="A claim does not make the fencing number grow, so two owners stage under the same number.",
        edits=(Edit(inside=("GRANT",), old="fencing_number = fencing_number + 1,", new=""),),
        tests=LEASES,
    ),
    Mutation(
        name="fencing-starts-anew-at-a-release",
        bug="Freeing a row sets its fencing number back, so numbers are used again.",
        edits=(Edit(inside=("FREE",), old="renewed_boot_ms = NULL", new="renewed_boot_ms = NULL, fencing_number = 0"),),
        tests=LEASES,
    ),
    Mutation(
        name="freed-row-keeps-its-token",
        bug="Freeing a row leaves its token there, so an owner that is done can still renew and write.",
        edits=(Edit(inside=("FREE",), old="ownership_token = NULL,", new=""),),
        tests=LEASES,
    ),
)
