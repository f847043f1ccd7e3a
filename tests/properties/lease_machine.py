"""A model of leases that several processes fight for, over every table that has owners.

The model knows of each owned row only who holds it and until when. Every token that was ever granted stays in play, so
that dead ones are shown again and again; clocks step to the very end of a lease, one before it and one past it.
"""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from state.ids import OwnershipToken, ProcessUuid, Scope
from state.messages.backfill import BackfillClaimed, ClaimBackfill, FinishBackfill, RenewBackfill
from state.messages.consolidation import (
    ClaimConsolidation,
    ClaimScope,
    ConsolidationClaimed,
    ReleaseConsolidation,
    RenewConsolidation,
)
from state.messages.extraction import (
    ATTEMPTS_MAX,
    ClaimExtraction,
    ExtractionClaimed,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.job_control import JobFreed, JobHeld, JobReopened, ReleaseJob, RetryJob, StealJob
from state.messages.leases import ClaimTerms, Released, Renewed
from state.messages.service import RegisterProcess, ReturnLeases
from tests.fakes.clock import ManualClock
from tests.fakes.consolidation import BLOG, SHOP, remember
from tests.fakes.extraction import EVERYTHING
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, index, thread_id

LEASE_MS = 60_000
START_WALL_MS = ManualClock().wall_ms
NEAR_EXPIRY_MS = st.sampled_from([0, 1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1])
ALL_PROCESSES = ("process-1", "process-2", "process-3")
PROCESSES = st.sampled_from(ALL_PROCESSES)
KINDS = st.sampled_from(["backfill", "extraction", "consolidation"])

Row = tuple[str, str]
"""An owned row: its kind, and its key within the kind."""

ROWS: tuple[Row, ...] = (
    ("backfill", "the scan"),
    ("extraction", thread_id(1)),
    ("extraction", thread_id(2)),
    ("consolidation", SHOP.key),
    ("consolidation", BLOG.key),
)


JOBS = st.sampled_from([row for row in ROWS if row[0] != "backfill"])
"""The rows that a person takes a hand in."""

SCOPES = st.sampled_from([SHOP, BLOG])


@attrs.define
class Held:
    """Who the model says holds a row, and until when."""

    token: str
    process: str
    boot_id: str
    until_boot_ms: int
    renewed_boot_ms: int


@attrs.define
class Model:
    """One owned row as the model sees it. `deaths` counts claims that ended neither given back nor stolen nor done."""

    held: Held | None = None
    fencing_number: int = 0
    deaths: int = 0


class LeaseMachine(RuleBasedStateMachine):
    """Claims, renewals, releases, crashes, reboots and a person's hand in it, in any order."""

    tokens: Bundle[tuple[str, str]] = Bundle("tokens")  # (kind, token) of every claim that was granted, dead ones too

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.rows = {row: Model() for row in ROWS}
        self.minted = 0

    def teardown(self) -> None:
        self.state.close()

    @initialize()
    def two_threads_wait_and_two_scopes_are_dirty(self) -> None:
        remember(self.state, 3, scope=SHOP)
        remember(self.state, 4, scope=BLOG)
        index(self.state, facts(1))
        index(self.state, facts(2))
        self.state.ask(FinishBackfill(token=SCAN, listed=True))
        for (kind, key), model in self.rows.items():
            model.fencing_number = self.fencing_number(kind, key)
        for process in ALL_PROCESSES:
            self.state.ask(RegisterProcess(process=ProcessUuid(process), pid=1))

    @rule(ms=NEAR_EXPIRY_MS)
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule(days=st.sampled_from([-3, 0, 3]))
    def somebody_sets_the_wall_clock(self, days: int) -> None:
        self.state.clock.wall_ms = START_WALL_MS + days * 86_400_000

    @rule()
    def machine_restarts(self) -> None:
        self.state.clock.reboot()

    @rule(target=tokens, kind=KINDS, process=PROCESSES, stale_after_ms=st.sampled_from([None, None, 0, LEASE_MS]))
    def claim(self, kind: str, process: str, stale_after_ms: int | None) -> Any:
        self.minted += 1
        token = f"{kind}-{self.minted}"
        key, fencing_number = self._ask_claim(
            kind, terms(token, process=process, lease_ms=LEASE_MS, stale_after_ms=stale_after_ms)
        )
        self._bury_the_dead()
        if key is None:
            for (row_kind, _), model in self.rows.items():
                assert row_kind != kind or self._may_not_be_claimed(kind, model, stale_after_ms)
            return multiple()
        self._note_claim((kind, key), token, process, fencing_number, stale_after_ms)
        return (kind, token)

    @rule(target=tokens, scope=SCOPES, process=PROCESSES, stale_after_ms=st.sampled_from([None, None, 0, -1, LEASE_MS]))
    def claim_one_scope(self, scope: Scope, process: str, stale_after_ms: int | None) -> Any:
        self.minted += 1
        token = f"scope-{self.minted}"
        model = self.rows["consolidation", scope.key]
        is_free = model.held is None or not self._holds(model.held, stale_after_ms)
        before = self.state.tables()

        reply = self.state.ask(
            ClaimScope(
                terms=terms(token, process=process, lease_ms=LEASE_MS, stale_after_ms=stale_after_ms), scope=scope
            )
        )

        assert isinstance(reply, ConsolidationClaimed) == is_free
        if not isinstance(reply, ConsolidationClaimed):
            assert self.state.tables() == before, "a refused claim changed something"
            return multiple()
        self._note_claim(("consolidation", scope.key), token, process, reply.fencing_number, stale_after_ms)
        return ("consolidation", token)

    @rule(claim=tokens)
    def claim_one_scope_again_with_the_same_token(self, claim: tuple[str, str]) -> None:
        """The owner's second claim renews; it is the one way of claiming that changes an owned row."""
        kind, token = claim
        model = self._owned_row(token)
        if kind != "consolidation" or model is None or model.held is None:
            return
        scope = next(scope for scope in (SHOP, BLOG) if self.rows[kind, scope.key] is model)

        reply = self.state.ask(ClaimScope(terms=terms(token, lease_ms=LEASE_MS), scope=scope))

        assert isinstance(reply, ConsolidationClaimed)
        assert reply.fencing_number == model.fencing_number
        self._note_renewal(model.held)

    def _note_claim(self, row: Row, token: str, process: str, fencing_number: int, stale_after_ms: int | None) -> None:
        model = self.rows[row]
        assert model.held is None or not self._holds(model.held, stale_after_ms), "robbed a living owner"
        assert fencing_number == model.fencing_number + 1
        if model.held is not None:
            model.deaths += 1
        model.fencing_number = fencing_number
        model.held = Held(token=token, process=process, boot_id="", until_boot_ms=0, renewed_boot_ms=0)
        self._note_renewal(model.held)

    def _note_renewal(self, held: Held) -> None:
        now = self.state.clock
        held.boot_id = now.boot_id
        held.until_boot_ms = now.boot_ms + LEASE_MS
        held.renewed_boot_ms = now.boot_ms

    @rule(claim=tokens)
    def claim_again_with_the_same_token(self, claim: tuple[str, str]) -> None:
        kind, token = claim
        model = self._owned_row(token)
        if model is None:
            return
        before = self.state.tables()
        _, fencing_number = self._ask_claim(kind, terms(token, lease_ms=LEASE_MS))

        assert fencing_number == model.fencing_number
        assert self.state.tables() == before

    @rule(claim=tokens)
    def renew(self, claim: tuple[str, str]) -> None:
        kind, token = claim
        model = self._owned_row(token)
        before = self.state.tables()

        granted = isinstance(self._ask_renew(kind, OwnershipToken(token)), Renewed)

        assert granted == (model is not None)
        if model is None or model.held is None:
            assert self.state.tables() == before, "a refused token changed something"
            return
        self._note_renewal(model.held)

    @rule(claim=tokens)
    def give_back(self, claim: tuple[str, str]) -> None:
        kind, token = claim
        model = self._owned_row(token)
        before = self.state.tables()

        granted = isinstance(self._ask_give_back(kind, OwnershipToken(token)), Released)

        assert granted == (model is not None)
        if model is None:
            assert self.state.tables() == before, "a refused token changed something"
            return
        model.held = None

    @rule(claim=consumes(tokens))
    def somebody_forgets_a_token(self, claim: tuple[str, str]) -> None:
        """What nobody shows again must not stay held for ever; its lease sees to that."""

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        returned = self.state.ask(ReturnLeases(process=ProcessUuid(process))).total

        dead = [model for model in self.rows.values() if model.held is not None and model.held.process == process]
        assert returned == len(dead)
        for model in dead:
            model.held = None
            model.deaths += 1
        # Its successor, entered under the same name here.
        self.state.ask(RegisterProcess(process=ProcessUuid(process), pid=1))

    @rule(row=JOBS, proven_dead=st.sampled_from([None, *ALL_PROCESSES]))
    def person_releases(self, row: Row, proven_dead: str | None) -> None:
        """What nobody works on is freed, and its attempt stays counted; a living owner keeps what it has."""
        model = self.rows[row]
        is_free = model.held is not None and (not self._holds(model.held, None) or model.held.process == proven_dead)
        before = self.state.tables()

        reply = self.state.ask(
            ReleaseJob(job_id=self._job_id(row), proven_dead=ProcessUuid(proven_dead) if proven_dead else None)
        )

        assert isinstance(reply, JobFreed) == is_free
        if is_free:
            model.held = None
            model.deaths += 1
        else:
            assert self.state.tables() == before, "a refused release changed something"

    @rule(row=JOBS, is_the_newest=st.booleans())
    def person_steals(self, row: Row, is_the_newest: bool) -> None:
        """The claim that was meant is ended, whoever holds it, and not held against the job; no other one is."""
        model = self.rows[row]
        fencing_number = model.fencing_number if is_the_newest else max(model.fencing_number - 1, 0)
        is_freed = model.held is not None and fencing_number == model.fencing_number
        before = self.state.tables()

        reply = self.state.ask(StealJob(job_id=self._job_id(row), fencing_number=fencing_number))

        assert isinstance(reply, JobFreed) == is_freed
        if is_freed:
            model.held = None
        else:
            assert self.state.tables() == before, "a refused steal changed something"

    @rule(row=JOBS)
    def person_retries(self, row: Row) -> None:
        """A job that nobody has gets all its attempts back; one that somebody has is left alone, stale or not."""
        model = self.rows[row]
        before = self.state.tables()

        reply = self.state.ask(RetryJob(job_id=self._job_id(row)))

        if model.held is None:
            assert isinstance(reply, JobReopened)
            model.deaths = 0
        else:
            assert isinstance(reply, JobHeld)
            assert self.state.tables() == before, "a refused retry changed something"

    @staticmethod
    def _job_id(row: Row) -> str:
        kind, key = row
        return f"extraction:{key}" if kind == "extraction" else f"consolidation:cwd:{key}"

    @invariant()
    def owned_rows_have_token_owner_and_lease_and_no_others_have(self) -> None:
        for (kind, key), model in self.rows.items():
            token, process, worker, boot_id, until, renewed = self._lease_columns(kind, key)
            if model.held is None:
                assert (token, process, worker, boot_id, until, renewed) == (None,) * 6
            else:
                assert (token, process, worker) == (model.held.token, model.held.process, "worker")
                assert (boot_id, until, renewed) == (
                    model.held.boot_id,
                    model.held.until_boot_ms,
                    model.held.renewed_boot_ms,
                )

    @invariant()
    def fencing_numbers_only_grow(self) -> None:
        for (kind, key), model in self.rows.items():
            assert self.fencing_number(kind, key) == model.fencing_number

    @invariant()
    def running_jobs_are_exactly_the_owned_ones(self) -> None:
        assert (
            self.state.value(
                "SELECT count(*) FROM extraction_jobs WHERE (status = 'running') <> (ownership_token IS NOT NULL)"
            )
            == 0
        )

    @invariant()
    def attempts_are_the_number_of_claims(self) -> None:
        for thread, attempts, given_back in self.state.rows(
            "SELECT thread_id, attempts, given_back FROM extraction_jobs WHERE scope_key = ? AND thread_id IN (?, ?)",
            SHOP.key,
            thread_id(1),
            thread_id(2),
        ):
            model = self.rows["extraction", thread]
            assert attempts - given_back == min(model.deaths, ATTEMPTS_MAX) + (model.held is not None)

    def _may_not_be_claimed(self, kind: str, model: Model, stale_after_ms: int | None) -> bool:
        if model.held is not None and self._holds(model.held, stale_after_ms):
            return True
        return kind == "extraction" and model.deaths + (model.held is not None) >= ATTEMPTS_MAX

    def _holds(self, held: Held, stale_after_ms: int | None) -> bool:
        now = self.state.clock
        if held.boot_id != now.boot_id:
            return False
        if stale_after_ms is None:
            return now.boot_ms < held.until_boot_ms
        return now.boot_ms - held.renewed_boot_ms < stale_after_ms

    def _owned_row(self, token: str) -> Model | None:
        for model in self.rows.values():
            if model.held is not None and model.held.token == token:
                return model
        return None

    def _bury_the_dead(self) -> None:
        """A claim buries the jobs whose owners died too often; the last token of each is dead with it."""
        for (kind, key), model in self.rows.items():
            if kind == "extraction" and model.held is not None and self._is_buried(key):
                model.held = None
                model.deaths += 1

    def _is_buried(self, key: str) -> bool:
        return bool(self.state.value("SELECT status = 'dead' FROM extraction_jobs WHERE thread_id = ?", key))

    def _ask_claim(self, kind: str, claim: ClaimTerms) -> tuple[str | None, int]:
        match kind:
            case "backfill":
                scan = self.state.ask(ClaimBackfill(terms=claim))
                return ("the scan", scan.fencing_number) if isinstance(scan, BackfillClaimed) else (None, 0)
            case "extraction":
                job = self.state.ask(ClaimExtraction(terms=claim, eligibility=EVERYTHING))
                return (job.thread_id, job.fencing_number) if isinstance(job, ExtractionClaimed) else (None, 0)
            case _:
                scope = self.state.ask(ClaimConsolidation(terms=claim))
                return (scope.scope.key, scope.fencing_number) if isinstance(scope, ConsolidationClaimed) else (None, 0)

    def _ask_renew(self, kind: str, token: OwnershipToken) -> object:
        match kind:
            case "backfill":
                return self.state.ask(RenewBackfill(token=token, lease_ms=LEASE_MS))
            case "extraction":
                return self.state.ask(RenewExtraction(token=token, lease_ms=LEASE_MS))
            case _:
                return self.state.ask(RenewConsolidation(token=token, lease_ms=LEASE_MS))

    def _ask_give_back(self, kind: str, token: OwnershipToken) -> object:
        match kind:
            case "backfill":
                return self.state.ask(FinishBackfill(token=token, listed=False))
            case "extraction":
                return self.state.ask(ReleaseExtraction(token=token))
            case _:
                return self.state.ask(ReleaseConsolidation(token=token))

    def fencing_number(self, kind: str, key: str) -> int:
        number = self.state.value(f"SELECT fencing_number FROM {self._where(kind)}", *self._parameters(kind, key))
        assert isinstance(number, int)
        return number

    def _lease_columns(self, kind: str, key: str) -> tuple[Any, ...]:
        (columns,) = self.state.rows(
            "SELECT ownership_token, owner_process, owner_worker, lease_boot_id, lease_until_boot_ms, renewed_boot_ms"
            f" FROM {self._where(kind)}",
            *self._parameters(kind, key),
        )
        return columns

    @staticmethod
    def _where(kind: str) -> str:
        return {
            "backfill": "backfill",
            "extraction": "extraction_jobs WHERE thread_id = ?",
            "consolidation": "scopes WHERE scope_key = ?",
        }[kind]

    @staticmethod
    def _parameters(kind: str, key: str) -> tuple[str, ...]:
        return () if kind == "backfill" else (key,)
