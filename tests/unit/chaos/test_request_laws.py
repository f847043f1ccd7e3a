"""The models of single requests: what they let pass, and what not."""

from pathlib import Path
from typing import Any

import attrs

from chaos.requests.law import one_request_does_what_it_says
from chaos.rows import Job, Lease, Memory, RowKey, Rows, ScopeState
from chaos.step import Ledger, Step
from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    ClaimBackfill,
    RecordRollouts,
    RegisterRollouts,
    RolloutsRecorded,
)
from state.messages.consolidation import ConsolidationUnchanged, MarkScopeDirty, PublishConsolidation, ScopeMarked
from state.messages.extraction import (
    DeadLettered,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ExtractionFinished,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.extraction_batches import (
    ClaimExtractions,
    ExtractionsClaimed,
    ExtractionsFinished,
    ExtractionsHandedOver,
    FinishAndClaimExtractions,
    FinishExtractions,
)
from state.messages.leases import ClaimTerms, NotOwner, Owner, Renewed
from state.messages.service import LeasesReturned, ReturnLeases
from tests.fakes.extraction import EVERYTHING, EXTRACTOR

NOW_MS = 10_000
WALL_MS = 1_000_000
SCAN: RowKey = ("backfill", "")
FREE = Lease(None, None, None, 4, None, None, None)
HELD = Lease("ann", "slot", "token-a", 4, "boot", 61_000, 1_000)
RUNNING = Job("running", 1, 0, 1, None, None, None, "/shop")
SHOP = ScopeState(5, 3, None, 2, "generations/shop/1", 0, None)


def rows(**more: Any) -> Rows:
    """Nothing, and whatever else is said."""
    fields = ("leases", "jobs", "scopes", "memories", "revisions", "files")
    return Rows(**{field: more.get(field, {}) for field in fields}, processes=frozenset())


def found(request: Any, reply: Any, before: Rows, after: Rows, *, boot_ms: int = NOW_MS) -> list[str]:
    """What the law says of one request."""
    step = Step(
        before=before,
        after=after,
        actor="bob",
        living=frozenset({"ann", "bob"}),
        boot_ms=boot_ms,
        wall_ms=WALL_MS,
        boot_id="boot",
        memories_dir=Path("/nowhere"),
        ledger=Ledger(),
        asked=((request, reply),),
    )
    return list(one_request_does_what_it_says(step))


def terms(**more: Any) -> ClaimTerms:
    """What bob claims with."""
    owner = Owner(process=ProcessUuid("bob"), worker="w")
    return ClaimTerms(token=OwnershipToken("token-b"), owner=owner, lease_ms=500, **more)


def test_claim_gets_a_scan_from_the_very_end_of_its_lease_and_not_before() -> None:
    granted = Lease("bob", "w", "token-b", 5, "boot", 61_500, 61_000)
    reply = BackfillClaimed(fencing_number=5, stolen_from=None)
    before, after = rows(leases={SCAN: HELD}), rows(leases={SCAN: granted})

    assert not found(ClaimBackfill(terms=terms()), reply, before, after, boot_ms=61_000)
    assert found(ClaimBackfill(terms=terms()), reply, before, after, boot_ms=60_999)


def test_claim_that_is_refused_although_nobody_has_the_scan_is_seen() -> None:
    held = BackfillHeld(owner=Owner(process=ProcessUuid("ann"), worker="slot"), lease_left_ms=0)
    before = rows(leases={SCAN: HELD})

    assert not found(ClaimBackfill(terms=terms()), held, before, before, boot_ms=60_999)
    assert found(ClaimBackfill(terms=terms()), held, before, before, boot_ms=61_000)
    assert found(ClaimBackfill(terms=terms(stale_after_ms=9_000)), held, before, before)


def test_claim_that_is_told_another_number_than_its_row_has_is_seen() -> None:
    before = rows(leases={SCAN: HELD})
    again = attrs.evolve(terms(), token=OwnershipToken("token-a"))

    assert not found(ClaimBackfill(terms=again), BackfillClaimed(fencing_number=4, stolen_from=None), before, before)
    assert found(ClaimBackfill(terms=again), BackfillClaimed(fencing_number=5, stolen_from=None), before, before)


def test_token_that_nobody_has_changes_nothing_and_is_told_so() -> None:
    late = RegisterRollouts(token=OwnershipToken("late"), found=())
    before = rows(leases={SCAN: HELD})

    assert not found(late, NotOwner(), before, before)
    assert found(late, 0, before, before)
    assert found(attrs.evolve(late, token=OwnershipToken("token-a")), NotOwner(), before, before)


def test_renewal_moves_the_whole_lease_of_its_row_and_no_other() -> None:
    key: RowKey = ("extraction", "thread")
    before = rows(leases={key: HELD, SCAN: HELD}, jobs={"thread": RUNNING}, revisions={"thread": 1})
    renewed = HELD._replace(until_boot_ms=NOW_MS + 70, renewed_boot_ms=NOW_MS)
    request, reply = RenewExtraction(token=OwnershipToken("token-a"), lease_ms=70), Renewed(lease_until_boot_ms=10_070)

    def after(**leases: Lease) -> Rows:
        return attrs.evolve(before, leases={key: leases["job"], SCAN: leases["scan"]})

    assert not found(request, reply, before, after(job=renewed, scan=HELD))
    assert found(request, reply, before, after(job=renewed._replace(renewed_boot_ms=1_000), scan=HELD))
    assert found(request, reply, before, after(job=renewed, scan=renewed))


def test_leases_of_a_dead_process_are_returned_and_nobody_elses() -> None:
    job: RowKey = ("extraction", "thread")
    before = rows(leases={SCAN: HELD, job: HELD._replace(process="bob")}, jobs={"thread": RUNNING})
    freed = attrs.evolve(before, leases={**before.leases, SCAN: FREE})
    both = attrs.evolve(before, leases={SCAN: FREE, job: FREE}, jobs={"thread": RUNNING._replace(status="pending")})
    reply = LeasesReturned(backfills=1, extractions=0, consolidations=0)

    assert not found(ReturnLeases(process=ProcessUuid("ann")), reply, before, freed)
    assert found(ReturnLeases(process=ProcessUuid("ann")), reply, before, both)


def test_failure_counts_as_its_kind_says() -> None:
    key: RowKey = ("extraction", "thread")
    tried = RUNNING._replace(attempts=5)
    before = rows(leases={key: HELD}, jobs={"thread": tried}, revisions={"thread": 1})

    def failed(failure: FailureClass, reply: Any, **job: Any) -> list[str]:
        request = FailExtraction(token=OwnershipToken("token-a"), failure=failure, reason="so", jitter_permille=0)
        ended = tried._replace(reason="so", **job)
        return found(request, reply, before, attrs.evolve(before, leases={key: FREE}, jobs={"thread": ended}))

    waits = {"status": "retry", "next_attempt_at_ms": WALL_MS + 240_000}
    late = RetryScheduled(next_attempt_at_ms=WALL_MS + 240_000)
    assert not failed(FailureClass.TRANSIENT, DeadLettered(), status="dead")
    assert failed(FailureClass.TRANSIENT, late, **waits)
    assert not failed(FailureClass.UNAVAILABLE, late, given_back=1, **waits)
    assert failed(FailureClass.UNAVAILABLE, late, given_back=0, **waits)


def test_reading_opens_a_job_for_content_that_nobody_has_claimed_and_for_nothing_else() -> None:
    key: RowKey = ("extraction", "thread")
    scan = HELD._replace(token="token-s")
    given_back = RUNNING._replace(status="pending", given_back=1)
    opened = Job("pending", 0, 0, None, None, None, None, "/shop")
    request = RecordRollouts(token=OwnershipToken("token-s"), model_provider_default="openai", outcomes=())
    reply = RolloutsRecorded(indexed=1, shadowed=0, skipped=0, failed=0)

    def read(job: Job, now: Job, *, revision: int) -> list[str]:
        # The content was there before this reading: it was recorded while somebody worked on the job.
        before = rows(leases={SCAN: scan, key: FREE}, jobs={"thread": job}, revisions={"thread": revision})
        return found(request, reply, before, attrs.evolve(before, jobs={"thread": now}))

    assert not read(given_back, opened, revision=2)
    assert read(given_back, opened, revision=1)
    assert read(RUNNING, opened, revision=2)


def test_publishing_covers_what_the_claim_saw_and_leaves_other_scopes_and_memories_alone() -> None:
    shop, blog = ("consolidation", "cwd:/shop"), ("consolidation", "cwd:/blog")
    claimed = SHOP._replace(claimed_mark=4)
    before = rows(
        leases={shop: HELD, blog: HELD._replace(token="token-c")},
        scopes={"cwd:/shop": claimed, "cwd:/blog": SHOP},
        memories={("thread", "/shop"): Memory(7, "tabs")},
    )
    request = PublishConsolidation(
        token=OwnershipToken("token-a"), generation_folder="", digest="", source_at_ms=0, memories=0, staged=False
    )
    scopes = {"cwd:/shop": SHOP._replace(consolidated_mark=4), "cwd:/blog": SHOP}
    after = attrs.evolve(before, leases={**before.leases, shop: FREE}, scopes=scopes)

    assert not found(request, ConsolidationUnchanged(), before, after)
    too_much = {**scopes, "cwd:/shop": SHOP._replace(consolidated_mark=5)}
    assert found(request, ConsolidationUnchanged(), before, attrs.evolve(after, scopes=too_much))
    freed = attrs.evolve(after, leases={shop: FREE, blog: FREE})
    assert found(request, ConsolidationUnchanged(), before, freed)
    assert found(request, ConsolidationUnchanged(), before, attrs.evolve(after, memories={}))


def test_mark_grows_by_one_and_ends_no_back_off() -> None:
    waiting = SHOP._replace(attempts=1, next_attempt_at_ms=WALL_MS + 5)
    before = rows(scopes={"cwd:/shop": waiting}, leases={("consolidation", "cwd:/shop"): FREE})
    request = MarkScopeDirty(scope=Scope(kind="cwd", key="/shop"), dirty=True)
    reply = ScopeMarked(is_dirty=True, inputs_mark=6)

    def marked(**state: Any) -> list[str]:
        return found(request, reply, before, attrs.evolve(before, scopes={"cwd:/shop": waiting._replace(**state)}))

    assert not marked(inputs_mark=6)
    assert marked(inputs_mark=5)
    assert marked(inputs_mark=6, next_attempt_at_ms=None)


HANDED_OVER = FinishAndClaimExtractions(
    finish=FinishExtractions(
        finishes=tuple(
            FinishExtraction(token=OwnershipToken("token-a"), input_digest="digest", extractor=EXTRACTOR, draft=None)
            for _ in range(2)
        )
    ),
    claim=ClaimExtractions(
        tokens=(OwnershipToken("token-b"), OwnershipToken("token-c")),
        owner=terms().owner,
        lease_ms=500,
        eligibility=EVERYTHING,
        running_max=1,
    ),
)
"""Ends a job twice, and claims two of which a capacity allows one."""


def test_message_about_many_jobs_does_what_its_single_messages_would_one_after_the_other() -> None:
    old: RowKey = ("extraction", "old")
    new: RowKey = ("extraction", "new")
    waiting = RUNNING._replace(status="pending", attempts=0, claimed_revision=None)
    before = rows(
        leases={old: HELD, new: FREE},
        jobs={"old": RUNNING, "new": waiting},
        revisions={"old": 1, "new": 1},
    )
    granted = Lease("bob", "w", "token-b", 5, "boot", NOW_MS + 500, NOW_MS)
    done = RUNNING._replace(status="empty", attempts=0, claimed_revision=None, done_revision=1)
    after = attrs.evolve(before, leases={old: FREE, new: granted}, jobs={"old": done, "new": RUNNING})
    claimed = ExtractionClaimed(
        thread_id=ThreadId("new"),
        scope=Scope(kind="cwd", key="/shop"),
        rollout_path="",
        content_revision=1,
        fencing_number=5,
        attempt=1,
        last=None,
    )
    finished = ExtractionFinished(result=FinishResult.EMPTY)

    def told(*results: ExtractionFinished | NotOwner) -> ExtractionsHandedOver:
        return ExtractionsHandedOver(
            finished=ExtractionsFinished(results=results),
            claimed=ExtractionsClaimed(jobs=(claimed,), ended=ExtractionCapacityReached()),
        )

    assert not found(HANDED_OVER, told(finished, NotOwner()), before, after)
    assert found(HANDED_OVER, told(finished, finished), before, after), "a token ends its job once"
    assert found(HANDED_OVER, told(NotOwner(), finished), before, after), "and the first time"
    roomy = attrs.evolve(HANDED_OVER, claim=attrs.evolve(HANDED_OVER.claim, running_max=2))
    assert found(roomy, told(finished, NotOwner()), before, after), "there was room"
    full = attrs.evolve(HANDED_OVER, finish=FinishExtractions(finishes=()))
    still = attrs.evolve(after, leases={old: HELD, new: granted}, jobs={"old": RUNNING, "new": RUNNING})
    assert found(full, told(), before, still), "the first job ran on"
    freed = attrs.evolve(after, leases={old: HELD, new: granted})
    assert found(HANDED_OVER, told(finished, NotOwner()), before, freed), "the end frees the job"


def test_batches_of_several_requests_are_not_judged() -> None:
    late = RegisterRollouts(token=OwnershipToken("late"), found=())
    step = Step(
        before=rows(leases={SCAN: HELD}),
        after=rows(leases={SCAN: HELD}),
        actor="bob",
        living=frozenset(),
        boot_ms=NOW_MS,
        boot_id="boot",
        memories_dir=Path("/nowhere"),
        ledger=Ledger(),
        asked=((late, 0), (late, 0)),
    )

    assert not list(one_request_does_what_it_says(step))
