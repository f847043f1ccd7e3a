"""A model of one scope's consolidation, with late owners that try to publish and to point long after they lost it.

The model knows which claim published last. Whatever anybody does, the row names that claim's folder, and the link on
disk names a folder that was the row's at some time, never an older one than it named before.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from state.ids import OwnershipToken, ProcessUuid
from state.messages.consolidation import (
    ClaimScope,
    ConsolidationClaimed,
    ConsolidationPublished,
    ConsolidationUnchanged,
    MarkScopeDirty,
    NothingPublished,
    PointCurrent,
    ReleaseConsolidation,
    RenewConsolidation,
    ScopeBackingOff,
    ScopeClean,
    ScopeCoolingDown,
    ScopeHeld,
    ScopeMarked,
)
from state.messages.extraction import RetryScheduled
from state.messages.job_control import JobFreed, JobHeld, JobReopened, ReleaseJob, RetryJob, StealJob
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import RegisterProcess, ReturnLeases
from state.rules.backoff import BACKOFF_MS_MIN, backoff_ms
from state.rules.scopes import scope_folder
from tests.fakes.consolidation import SHOP, claim, fail, leave_unchanged, publish, remember
from tests.fakes.memory_state import MemoryState, terms

LEASE_MS = 60_000
STEPS_MS = st.sampled_from([1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1, BACKOFF_MS_MIN])
PROCESSES = st.sampled_from(["process-1", "process-2"])
COOLDOWN_MS = 3 * LEASE_MS
JOB = f"consolidation:cwd:{SHOP.key}"


class ConsolidationMachine(RuleBasedStateMachine):
    """Memories arrive; owners claim, stage, publish, point, fail, give back, die; a person marks, retries, steals."""

    tokens: Bundle[str] = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.state = MemoryState(Path(self.folder.name))
        self.minted = 0
        self.arrived = 0
        self.inputs_mark = 0
        self.consolidated_mark = 0
        self.claimed_mark = 0
        self.token: str | None = None
        self.process = ""
        self.until_boot_ms = 0
        self.failures = 0
        self.due_at_ms = 0
        self.fencing_number = 0
        self.has_row = False
        self.succeeded_at_ms: int | None = None
        self.published: list[str] = []
        self.pointed = -1

    def teardown(self) -> None:
        self.state.close()
        self.folder.cleanup()

    @rule(ms=STEPS_MS)
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule()
    def memory_arrives(self) -> None:
        self.inputs_mark += 1
        self.arrived += 1
        self.has_row = True
        remember(self.state, 1, text=f"memory {self.arrived}")

    @rule(dirty=st.booleans())
    def person_marks(self, dirty: bool) -> None:
        if dirty:
            self.inputs_mark += 1
        else:
            self.consolidated_mark = max(self.consolidated_mark, self.inputs_mark)
        self.has_row = True

        assert self.state.ask(MarkScopeDirty(scope=SHOP, dirty=dirty)) == ScopeMarked(
            is_dirty=dirty, inputs_mark=self.inputs_mark
        )

    @rule(target=tokens, process=PROCESSES)
    def claim(self, process: str) -> Any:
        self.minted += 1
        token = f"token-{self.minted}"
        now = self.state.clock
        free = self.token is None or self.until_boot_ms <= now.boot_ms
        claimable = self.inputs_mark > self.consolidated_mark and free and self.due_at_ms <= now.wall_ms

        reply = claim(self.state, token, process=process, lease_ms=LEASE_MS)

        is_mine = isinstance(reply, ConsolidationClaimed) and reply.scope == SHOP
        assert is_mine == claimable
        if not is_mine:
            # Perhaps it was the home, which comes after the project and is nobody's concern here.
            self.state.ask(ReleaseConsolidation(token=OwnershipToken(token)))
            return multiple()
        assert isinstance(reply, ConsolidationClaimed)
        self._note_claim(token, process, reply.fencing_number)
        return token

    @rule(
        target=tokens,
        process=PROCESSES,
        only_if_dirty=st.booleans(),
        cooldown_ms=st.sampled_from([0, COOLDOWN_MS]),
        is_forced=st.sampled_from([False, False, True]),
    )
    def claim_by_name(self, process: str, only_if_dirty: bool, cooldown_ms: int, is_forced: bool) -> Any:
        self.minted += 1
        token = f"token-{self.minted}"
        now = self.state.clock
        held = self.token is not None and self.until_boot_ms > now.boot_ms and not is_forced
        rests_until_ms = (self.succeeded_at_ms or 0) + cooldown_ms
        expected: type[object] = ConsolidationClaimed
        if only_if_dirty and self.inputs_mark <= self.consolidated_mark:
            expected = ScopeClean
        elif held:
            expected = ScopeHeld
        elif self.due_at_ms > now.wall_ms:
            expected = ScopeBackingOff
        elif self.succeeded_at_ms is not None and rests_until_ms > now.wall_ms:
            expected = ScopeCoolingDown

        reply = self.state.ask(
            ClaimScope(
                terms=terms(token, process=process, lease_ms=LEASE_MS, stale_after_ms=0 if is_forced else None),
                scope=SHOP,
                only_if_dirty=only_if_dirty,
                cooldown_ms=cooldown_ms,
            )
        )

        assert type(reply) is expected
        if expected is not ScopeClean:
            self.has_row = True
        if not isinstance(reply, ConsolidationClaimed):
            return multiple()
        self._note_claim(token, process, reply.fencing_number)
        return token

    def _note_claim(self, token: str, process: str, fencing_number: int) -> None:
        assert fencing_number == self.fencing_number + 1
        self.fencing_number = fencing_number
        self.token, self.process = token, process
        self.claimed_mark = self.inputs_mark
        self.until_boot_ms = self.state.clock.boot_ms + LEASE_MS

    @rule(token=tokens)
    def renew(self, token: str) -> None:
        reply = self._shown(
            token, lambda: self.state.ask(RenewConsolidation(token=OwnershipToken(token), lease_ms=LEASE_MS))
        )

        assert isinstance(reply, Renewed) == (token == self.token)
        if token == self.token:
            self.until_boot_ms = self.state.clock.boot_ms + LEASE_MS

    @rule(token=tokens)
    def publish(self, token: str) -> None:
        reply = self._shown(token, lambda: publish(self.state, token, digest=token))

        if token != self.token:
            assert reply == NotOwner()
            return
        self.published.append(token)
        assert reply == ConsolidationPublished(generation=len(self.published))
        self._succeed()

    @rule(token=tokens)
    def leave_unchanged(self, token: str) -> None:
        reply = self._shown(token, lambda: leave_unchanged(self.state, token))

        assert reply == (ConsolidationUnchanged() if token == self.token else NotOwner())
        if token == self.token:
            self._succeed()

    def _succeed(self) -> None:
        self.consolidated_mark = max(self.consolidated_mark, self.claimed_mark)
        self.token, self.failures, self.due_at_ms = None, 0, 0
        self.succeeded_at_ms = self.state.clock.wall_ms

    @rule(token=tokens)
    def fail(self, token: str) -> None:
        reply = self._shown(token, lambda: fail(self.state, token))

        if token != self.token:
            assert reply == NotOwner()
            return
        self.failures += 1
        self.succeeded_at_ms = None
        self.due_at_ms = self.state.clock.wall_ms + backoff_ms(self.failures, 1000)
        assert reply == RetryScheduled(next_attempt_at_ms=self.due_at_ms)
        self.token = None

    @rule(token=tokens)
    def give_back(self, token: str) -> None:
        reply = self._shown(token, lambda: self.state.ask(ReleaseConsolidation(token=OwnershipToken(token))))

        assert reply == (Released() if token == self.token else NotOwner())
        if token == self.token:
            self.token = None

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        self.state.ask(ReturnLeases(process=ProcessUuid(process)))

        if self.process == process:
            self.token = None

    @precondition(lambda self: self.has_row)
    @rule(what=st.sampled_from(["retry", "release", "steal"]))
    def person_takes_a_hand(self, what: str) -> None:
        before = self.state.tables()
        is_stale = self.until_boot_ms <= self.state.clock.boot_ms
        match what:
            case "retry":
                reply: Any = self.state.ask(RetryJob(job_id=JOB))
            case "release":
                reply = self.state.ask(ReleaseJob(job_id=JOB))
            case _:
                reply = self.state.ask(StealJob(job_id=JOB, fencing_number=self.fencing_number))
        if what == "retry" and self.token is None:
            assert isinstance(reply, JobReopened)
            self.inputs_mark = max(self.inputs_mark, self.consolidated_mark + 1)
            self.failures, self.due_at_ms, self.succeeded_at_ms = 0, 0, None
        elif what != "retry" and self.token is not None and (what == "steal" or is_stale or not self._is_entered()):
            assert isinstance(reply, JobFreed)
            self.token = None
        else:
            assert not isinstance(reply, JobFreed | JobReopened)
            assert isinstance(reply, JobHeld) == (self.token is not None)
            assert self.state.tables() == before, "a refusal changed something"

    def _is_entered(self) -> bool:
        return self.state.rows("SELECT 1 FROM processes WHERE process_uuid = ?", self.process) != []

    @rule(process=PROCESSES)
    def process_enters(self, process: str) -> None:
        self.state.ask(RegisterProcess(process=ProcessUuid(process), pid=1))

    @rule()
    def anybody_points(self) -> None:
        reply = self.state.ask(PointCurrent(scope=SHOP))

        assert (reply == NothingPublished()) == (not self.published)
        if self.published:
            assert self._linked() == f"generations/shop/{self.published[-1]}"

    @invariant()
    def row_says_what_the_model_says(self) -> None:
        rows = self.state.rows(
            "SELECT inputs_mark, consolidated_mark, ownership_token, attempts, generation, generation_folder"
            " FROM scopes WHERE scope_key = ?",
            SHOP.key,
        )
        folder = f"generations/shop/{self.published[-1]}" if self.published else None
        model = (
            self.inputs_mark,
            self.consolidated_mark,
            self.token,
            self.failures,
            len(self.published),
            folder,
        )
        assert rows == ([model] if self.has_row else [])

    @invariant()
    def link_never_goes_back(self) -> None:
        linked = self._linked()
        if linked is None:
            return
        pointed = self.published.index(linked.rpartition("/")[2])
        assert pointed >= self.pointed
        self.pointed = pointed

    def _linked(self) -> str | None:
        link = Path(self.folder.name) / "scopes" / scope_folder(SHOP)
        return os.readlink(link).removeprefix("../") if link.is_symlink() else None

    def _shown(self, token: str, ask: Any) -> Any:
        """Show a token; when it is dead nothing at all may change."""
        before = self.state.tables() if token != self.token else None
        reply = ask()
        assert before is None or before == self.state.tables(), "a refused token changed something"
        return reply
