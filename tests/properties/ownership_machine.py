"""Owners side by side: what one does touches nothing that another one holds, and a dead token does nothing at all.

There is no model here, only two pictures: who held what before a step, and who holds it afterwards.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from state.ids import OwnershipToken, ProcessUuid
from state.messages.backfill import (
    ClaimBackfill,
    FinishBackfill,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.consolidation import ReleaseConsolidation, RenewConsolidation
from state.messages.extraction import FailureClass, ReleaseExtraction, RenewExtraction
from state.messages.leases import NotOwner
from state.messages.service import ReturnLeases
from state.rollouts.model import UnreadablePath
from tests.fakes import consolidation, extraction
from tests.fakes.consolidation import BLOG, SHOP
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, found, index, path_of, read

LEASE_MS = 60_000
HOUR_MS = 3_600_000
PROCESSES = st.sampled_from(["process-1", "process-2"])
KINDS = st.sampled_from(["backfill", "extraction", "extraction", "consolidation", "consolidation"])

Step = Callable[[MemoryState, OwnershipToken, int], object]
"""Something that an owner does, told a number that was never used before."""


def _register(state: MemoryState, token: OwnershipToken, number: int) -> object:
    new = found(f"sessions/new-{number}.jsonl")
    return state.ask(RegisterRollouts(token=token, found=(new,)))


def _register_trouble(state: MemoryState, token: OwnershipToken, number: int) -> object:
    trouble = UnreadablePath(path=f"sessions/locked-{number}", reason="permission denied")
    return state.ask(RegisterRollouts(token=token, found=(), unreadable=(trouble,)))


def _record(state: MemoryState, token: OwnershipToken, number: int) -> object:
    grown = read(found(path_of(1), size_bytes=100 + number), facts(1, content_digest=f"digest-{number}"))
    return state.ask(RecordRollouts(token=token, model_provider_default="openai", outcomes=(grown,)))


STEPS: dict[str, list[Step]] = {
    "backfill": [
        lambda state, token, _: state.ask(RenewBackfill(token=token, lease_ms=LEASE_MS)),
        lambda state, token, _: state.ask(FinishBackfill(token=token, listed=True)),
        lambda state, token, _: state.ask(FinishBackfill(token=token, listed=False)),
        _register,
        _register_trouble,
        _record,
        lambda state, token, _: state.ask(MarkRolloutsVanished(token=token, paths=(path_of(2),))),
    ],
    "extraction": [
        lambda state, token, _: state.ask(RenewExtraction(token=token, lease_ms=LEASE_MS)),
        lambda state, token, _: state.ask(ReleaseExtraction(token=token)),
        lambda state, token, number: extraction.finish(state, token, extraction.draft(f"wish {number}")),
        lambda state, token, _: extraction.finish(state, token, extraction.EMPTY),
        lambda state, token, _: extraction.fail(state, token, FailureClass.TRANSIENT),
        lambda state, token, _: extraction.fail(state, token, FailureClass.PERMANENT),
    ],
    "consolidation": [
        lambda state, token, _: state.ask(RenewConsolidation(token=token, lease_ms=LEASE_MS)),
        lambda state, token, _: state.ask(ReleaseConsolidation(token=token)),
        lambda state, token, _: consolidation.publish(state, token, digest=token),
        lambda state, token, _: consolidation.leave_unchanged(state, token),
        lambda state, token, _: consolidation.fail(state, token),
    ],
}

_LEASE = "ownership_token, owner_process, owner_worker, lease_boot_id, lease_until_boot_ms, renewed_boot_ms"
_HELD = {
    "backfill": f"SELECT {_LEASE}, fencing_number, listed_at_ms FROM backfill",
    "extraction": f"SELECT {_LEASE}, fencing_number, thread_id, scope_key, status, attempts, given_back,"
    " claimed_revision FROM extraction_jobs",
    "consolidation": f"SELECT {_LEASE}, fencing_number, scope_key, claimed_mark, consolidated_mark, attempts,"
    " generation, generation_folder FROM scopes",
}


class OwnershipMachine(RuleBasedStateMachine):
    """A scan, three threads, two projects and the home, each perhaps in somebody's hands."""

    claims: Bundle[tuple[str, str]] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.numbers = 0

    def teardown(self) -> None:
        self.state.close()

    @initialize()
    def there_is_work_of_every_kind(self) -> None:
        consolidation.remember(self.state, 4, scope=SHOP)
        consolidation.remember(self.state, 5, scope=BLOG)
        for number in (1, 2, 3):
            index(self.state, facts(number))
        for number, scope in ((4, SHOP), (5, BLOG)):  # what is remembered of these waits to be renewed
            index(self.state, facts(number, cwd=scope.key, content_digest="grown"), size_bytes=200)
        self.state.ask(FinishBackfill(token=SCAN, listed=True))

    @rule(ms=st.sampled_from([1, LEASE_MS, HOUR_MS]))
    def time_passes(self, ms: int) -> None:
        self.state.clock.advance(ms)

    @rule(target=claims, kind=KINDS, process=PROCESSES)
    def claim(self, kind: str, process: str) -> Any:
        token = self._claim(kind, process)
        return (kind, token) if token in self._held() else multiple()

    @rule(claim=claims, data=st.data())
    def whoever_holds_or_held_a_row_does_something(self, claim: tuple[str, str], data: st.DataObject) -> None:
        kind, token = claim
        self._act(kind, token, data)

    @rule(kind=KINDS, data=st.data())
    def owner_goes_on_after_it_was_robbed(self, kind: str, data: st.DataObject) -> None:
        late = self._claim(kind, "process-1")
        self.state.clock.advance(LEASE_MS)
        self._claim(kind, "process-2")
        self._act(kind, late, data)

    @rule(kind=KINDS, data=st.data())
    def owner_acts_beside_another_one(self, kind: str, data: st.DataObject) -> None:
        first = self._claim(kind, "process-1")
        second = self._claim(kind, "process-2")
        self._act(kind, data.draw(st.sampled_from([first, second]), label="owner"), data)

    def _claim(self, kind: str, process: str) -> str:
        token = f"{kind}-{self._number()}"
        match kind:
            case "backfill":
                self.state.ask(ClaimBackfill(terms=terms(token, process=process, lease_ms=LEASE_MS)))
            case "extraction":
                extraction.claim(self.state, token, process=process, lease_ms=LEASE_MS)
            case _:
                consolidation.claim(self.state, token, process=process, lease_ms=LEASE_MS)
        return token

    def _act(self, kind: str, token: str, data: st.DataObject) -> None:
        """Let whoever has the token do one step; perhaps it holds nothing any more."""
        steps = STEPS[kind]
        step = steps[data.draw(st.integers(0, len(steps) - 1), label="step")]
        before, tables = self._held(), self.state.tables()

        reply = step(self.state, OwnershipToken(token), self._number())

        assert isinstance(reply, NotOwner) == (token not in before)
        if token not in before:
            assert self.state.tables() == tables, "a dead token changed something"
        after = self._held()
        for held in (before, after):
            held.pop(token, None)
        assert after == before, "an owner's step changed what another one holds"

    @rule(process=PROCESSES)
    def process_dies(self, process: str) -> None:
        before = self._held()

        self.state.ask(ReturnLeases(process=ProcessUuid(process)))

        assert self._held() == {token: row for token, row in before.items() if row[1] != process}

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def _held(self) -> dict[str, tuple[Any, ...]]:
        """The owned rows of every table, by the token that holds them."""
        return {
            str(row[0]): row
            for select in _HELD.values()
            for row in self.state.rows(f"{select} WHERE ownership_token IS NOT NULL")
        }
