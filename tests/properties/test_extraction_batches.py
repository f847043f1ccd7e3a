"""A message about many jobs does what its single messages would do, one after the other at one instant.

Two states live through the same history; one is asked in many messages, the other in one, and they stay the same.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import apsw
from hypothesis import given
from hypothesis import strategies as st

from state.errors import DamagedRowError
from state.ids import Instant, OwnershipToken, ProcessUuid
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    ExtractionClaimed,
    FailureClass,
    FinishExtraction,
    MemoryDraft,
)
from state.messages.extraction_batches import (
    ClaimExtractions,
    ExtractionsClaimed,
    ExtractionsFinished,
    FinishAndClaimExtractions,
    FinishExtractions,
)
from state.messages.leases import INTEGER_MAX, LEASE_MS_MAX, ClaimTerms, Owner
from state.messages.service import ReturnLeases
from state.rules import leases
from state.rules.backoff import BACKOFF_MS_MIN
from state.sqlite_transaction import SqliteTransaction, drive
from tests.fakes.extraction import EMPTY, EVERYTHING, EXTRACTOR, claim_of, draft, fail
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index, thread_id
from tests.properties.profiles import examples

LEASE_MS = 60_000
OWNER = Owner(process=ProcessUuid("process-1"), worker="worker")
TOKENS = st.sampled_from([OwnershipToken(f"token-{number}") for number in range(6)])
NUMBERS = st.integers(1, 6)
DRAFTS: st.SearchStrategy[MemoryDraft | None] = st.sampled_from([None, None, EMPTY, draft("tabs"), draft("spaces")])
FINISHES = st.lists(
    st.builds(
        lambda token, result: FinishExtraction(
            token=token, input_digest=f"input of {token}", extractor=EXTRACTOR, draft=result
        ),
        TOKENS,
        DRAFTS,
    ),
    max_size=5,
).map(tuple)
CLAIMS = st.builds(
    lambda tokens, running_max: ClaimExtractions(
        tokens=tuple(tokens), owner=OWNER, lease_ms=LEASE_MS, eligibility=EVERYTHING, running_max=running_max
    ),
    st.lists(TOKENS, unique=True, max_size=5),
    st.sampled_from([None, None, 1, 3]),
)


class Twins:
    """Two states that live through the same; `together` is asked in one message and `singly` in many."""

    def __init__(self) -> None:
        self.together, self.singly = MemoryState(), MemoryState()
        self._sizes = 100
        self._minted = 0

    def close(self) -> None:
        self.together.close()
        self.singly.close()

    def reads(self, number: int, version: int) -> None:
        """A rollout is read, and has the content of this version."""
        self._sizes += 1
        for state in (self.together, self.singly):
            content = facts(number, content_digest=f"digest-{version}", content_at_ms=CONTENT_AT_MS + number % 3)
            index(state, content, size_bytes=self._sizes)

    def happens(self, what: str, token: OwnershipToken, number: int) -> None:
        """Something else happens that claims and ends have to reckon with."""
        self._minted += 1
        if what == "what runs grows":
            for (thread,) in self.singly.rows("SELECT thread_id FROM extraction_jobs WHERE status = 'running'"):
                self.reads(int(str(thread)[-12:], 16), 10 + self._minted)
            return
        for state in (self.together, self.singly):
            if what == "time passes":
                state.clock.advance(number * LEASE_MS // 3)
            elif what == "much time passes":
                state.clock.advance(BACKOFF_MS_MIN * number * 10)
            elif what == "process dies":
                state.ask(ReturnLeases(process=OWNER.process))
            elif what == "fails":
                fail(state, token, FailureClass.TRANSIENT)
            elif what == "claimed by name":
                with contextlib.suppress(DamagedRowError):  # of a row that cannot be fenced
                    claim_of(state, f"by-name-{self._minted}", thread_id(number))
            elif what == "is nearly used up":
                state.rows(
                    "UPDATE extraction_jobs SET attempts = ?, claimed_revision = (SELECT content_revision FROM threads"
                    " WHERE id = thread_id) WHERE thread_id = ? AND status = 'pending'",
                    ATTEMPTS_MAX - number % 2,
                    thread_id(number),
                )
            elif what == "cannot be fenced":
                state.rows(
                    "UPDATE extraction_jobs SET fencing_number = ? WHERE thread_id = ?", INTEGER_MAX, thread_id(number)
                )
            else:
                state.rows("UPDATE extraction_jobs SET owner_process = NULL WHERE thread_id = ?", thread_id(number))

    def finishes(self, finishes: Sequence[FinishExtraction]) -> None:
        one = FinishExtractions(finishes=tuple(finishes))
        assert self.together.ask(one) == self._finished_singly(finishes)

    def claims(self, claim: ClaimExtractions) -> None:
        assert self.together.ask(claim) == self._claimed_singly(claim)

    def finishes_and_claims(self, finishes: Sequence[FinishExtraction], claim: ClaimExtractions) -> None:
        reply = self.together.ask(
            FinishAndClaimExtractions(finish=FinishExtractions(finishes=tuple(finishes)), claim=claim)
        )
        assert reply.finished == self._finished_singly(finishes)
        assert reply.claimed == self._claimed_singly(claim)

    def _finished_singly(self, finishes: Sequence[FinishExtraction]) -> ExtractionsFinished:
        return ExtractionsFinished(results=tuple(self.singly.ask(finish) for finish in finishes))

    def _claimed_singly(self, claim: ClaimExtractions) -> ExtractionsClaimed:
        jobs: list[ExtractionClaimed] = []
        for token in claim.tokens:
            terms = ClaimTerms(token=token, owner=claim.owner, lease_ms=claim.lease_ms)
            reply = self.singly.ask(
                ClaimExtraction(terms=terms, eligibility=claim.eligibility, running_max=claim.running_max)
            )
            if not isinstance(reply, ExtractionClaimed):
                return ExtractionsClaimed(jobs=tuple(jobs), ended=reply)
            jobs.append(reply)
        return ExtractionsClaimed(jobs=tuple(jobs), ended=None)


READS = st.builds(lambda number, version: ("reads", number, version), NUMBERS, st.integers(1, 3))
HAPPENS = st.builds(
    lambda what, token, number: ("happens", what, token, number),
    st.sampled_from(
        [
            "time passes",
            "much time passes",
            "process dies",
            "fails",
            "what runs grows",
            "what runs grows",
            "claimed by name",
            "is nearly used up",
            "cannot be fenced",
            "loses its owner",
        ]
    ),
    TOKENS,
    NUMBERS,
)
STEPS = st.lists(
    st.one_of(
        READS,
        HAPPENS,
        st.builds(lambda finishes: ("finishes", finishes), FINISHES),
        st.builds(lambda claim: ("claims", claim), CLAIMS),
        st.builds(lambda finishes, claim: ("finishes_and_claims", finishes, claim), FINISHES, CLAIMS),
    ),
    min_size=4,
    max_size=16,
)


@examples(150)
@given(STEPS)
def test_message_about_many_jobs_equals_its_single_messages_in_their_order(steps: list[tuple[object, ...]]) -> None:
    twins = Twins()
    try:
        for number in range(1, 5):
            twins.reads(number, 1)
        for name, *arguments in steps:
            getattr(twins, str(name))(*arguments)
            assert twins.together.tables() == twins.singly.tables()
    finally:
        twins.close()


DATABASE = apsw.Connection(":memory:")
BOOT_MS = st.sampled_from([-INTEGER_MAX - 1, -5, 0, 1_000, LEASE_MS_MAX, INTEGER_MAX - 1, INTEGER_MAX])
TEXTS = st.sampled_from([None, "", "text"])
BOOTS = st.sampled_from([None, "", "boot", "another boot"])


@examples(300)
@given(TEXTS, TEXTS, BOOTS, st.none() | BOOT_MS, st.none() | BOOT_MS | st.integers(-3, 3), BOOT_MS, st.integers(-2, 2))
def test_the_database_and_the_rules_judge_a_lease_alike(
    process: str | None,
    token: str | None,
    boot: str | None,
    renewed_boot_ms: int | None,
    until: int | None,
    now: int,
    nearby: int,
) -> None:
    now = min(max(now + nearby, -INTEGER_MAX - 1), INTEGER_MAX)
    until_ms = (
        None if until is None else min(max(now + until if abs(until) < 4 else until, -INTEGER_MAX - 1), INTEGER_MAX)
    )
    at = Instant(wall_ms=0, boot_ms=now, boot_id="boot")
    row = leases.LeaseRow(
        owner_process=None if process is None else ProcessUuid(process),
        owner_worker="worker",
        ownership_token=token,
        lease_boot_id=boot,
        lease_until_boot_ms=until_ms,
        renewed_boot_ms=renewed_boot_ms,
    )

    judged = drive(
        SqliteTransaction(DATABASE, Path()).count(
            "SELECT count(*) FROM (SELECT :process AS owner_process, :token AS ownership_token,"
            " :boot AS lease_boot_id, :until_ms AS lease_until_boot_ms, :renewed AS renewed_boot_ms)"
            f" WHERE {leases.HELD}",
            process=process,
            token=token,
            boot=boot,
            until_ms=until_ms,
            renewed=renewed_boot_ms,
            **leases.held_parameters(at),
        )
    )

    assert judged == leases.is_held(row, at)
