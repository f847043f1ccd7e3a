"""Grouping is invisible: a batch ends in the state, and with the replies, of running its requests one by one."""

from pathlib import Path
from typing import Any

import apsw
from hypothesis import given
from hypothesis import strategies as st

from state.group_commit import GroupCommit
from state.ids import Instant, OwnershipToken, ProcessUuid
from state.journal import MemoryJournal
from state.messages.backfill import (
    ClaimBackfill,
    FinishBackfill,
    GetBackfillState,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.base import Request
from state.messages.consolidation import ClaimConsolidation, ReleaseConsolidation
from state.messages.extraction import (
    ClaimExtraction,
    ExtractorId,
    FinishExtraction,
    GetExtractionTotals,
    ReleaseExtraction,
)
from state.messages.extraction_batches import ClaimExtractions, FinishAndClaimExtractions, FinishExtractions
from state.messages.extraction_claims import ClaimExtractionOf
from state.messages.memory_rows import SaveMemoryUnderClaim
from state.messages.retention import DeleteThreadMemory
from state.messages.service import RegisterProcess, ReturnLeases
from state.migrate import migrate
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.extraction import EVERYTHING, SHOP, draft
from tests.fakes.memory_state import terms
from tests.fakes.probe import BulkProbe, Probe, UrgentProbe, insert, probes_registered
from tests.fakes.readings import facts, found, path_of, read, thread_id
from tests.properties.profiles import examples

TOKENS = st.sampled_from([OwnershipToken("one"), OwnershipToken("two")])
NUMBERS = st.sampled_from([1, 2])
PROCESSES = st.sampled_from([ProcessUuid("process-1"), ProcessUuid("process-2")])


async def _raise_after_a_change(tx: Transaction, at: Instant) -> None:
    await insert("left-by-the-failing")(tx, at)
    raise ValueError("a bug")


async def _void_the_batch(tx: Transaction, at: Instant) -> None:
    """End the whole transaction, as SQLite does by itself when the disk is full."""
    await insert("left-by-the-full")(tx, at)
    await tx.execute("ROLLBACK")
    raise apsw.FullError("database or disk is full")


async def _suspend(tx: Transaction, at: Instant) -> None:
    class Elsewhere:
        def __await__(self) -> Any:
            yield

    await insert("left-by-the-suspended")(tx, at)
    await Elsewhere()


REQUESTS: st.SearchStrategy[Request[Any]] = st.one_of(
    st.builds(lambda token: ClaimBackfill(terms=terms(token)), TOKENS),
    st.builds(lambda token: RenewBackfill(token=token, lease_ms=60_000), TOKENS),
    st.builds(lambda token: FinishBackfill(token=token, listed=True), TOKENS),
    st.builds(lambda token, number: RegisterRollouts(token=token, found=(found(path_of(number)),)), TOKENS, NUMBERS),
    st.builds(
        lambda token, number, digest: RecordRollouts(
            token=token,
            model_provider_default="openai",
            outcomes=(read(found(path_of(number)), facts(number, content_digest=digest)),),
        ),
        TOKENS,
        NUMBERS,
        st.sampled_from(["digest-1", "digest-2"]),
    ),
    st.builds(lambda token, number: MarkRolloutsVanished(token=token, paths=(path_of(number),)), TOKENS, NUMBERS),
    st.builds(lambda token: ClaimExtraction(terms=terms(token), eligibility=EVERYTHING), TOKENS),
    st.builds(
        lambda token, text: FinishExtraction(
            token=token, input_digest="input", extractor=ExtractorId(name="builtin", version=1), draft=draft(text)
        ),
        TOKENS,
        st.sampled_from(["tabs", "spaces"]),
    ),
    st.builds(
        lambda token, claimed, text: FinishAndClaimExtractions(
            finish=FinishExtractions(
                finishes=(
                    FinishExtraction(
                        token=token,
                        input_digest="input",
                        extractor=ExtractorId(name="builtin", version=1),
                        draft=draft(text),
                    ),
                )
            ),
            claim=ClaimExtractions(
                tokens=(claimed,), owner=terms(token).owner, lease_ms=60_000, eligibility=EVERYTHING
            ),
        ),
        TOKENS,
        TOKENS,
        st.sampled_from(["tabs", "spaces"]),
    ),
    st.builds(
        lambda token, number: ClaimExtractionOf(
            thread_id=thread_id(number), scope=SHOP, terms=terms(token), running_max=1
        ),
        TOKENS,
        NUMBERS,
    ),
    st.builds(
        lambda token, number: SaveMemoryUnderClaim(
            token=token,
            thread_id=thread_id(number),
            scope=SHOP,
            extractor=ExtractorId(name="builtin", version=1),
            draft=draft("spaces"),
        ),
        TOKENS,
        NUMBERS,
    ),
    st.builds(lambda number: DeleteThreadMemory(thread_id=thread_id(number)), NUMBERS),
    st.builds(lambda token: ReleaseExtraction(token=token), TOKENS),
    st.builds(lambda token: ClaimConsolidation(terms=terms(token)), TOKENS),
    st.builds(lambda token: ReleaseConsolidation(token=token), TOKENS),
    st.builds(lambda process: RegisterProcess(process=process, pid=1), PROCESSES),
    st.builds(lambda process: ReturnLeases(process=process), PROCESSES),
    st.just(GetBackfillState()),
    st.just(GetExtractionTotals(eligibility=EVERYTHING)),
    st.sampled_from(
        [Probe(_raise_after_a_change), UrgentProbe(_void_the_batch), Probe(_void_the_batch), BulkProbe(_suspend)]
    ),
)


class Store:
    """A group commit on a database in memory."""

    def __init__(self) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.pragma("foreign_keys", True)
        migrate(self._connection)
        commits = GroupCommit(
            self._connection,
            memories_dir=Path("/nowhere"),
            journal=MemoryJournal(),
            clock=ManualClock(),
            process=ProcessUuid("store"),
        )
        self._direct = DirectStore(commits)
        self._direct.ask(RegisterProcess(process=ProcessUuid("store"), pid=1))

    def ask_all(self, *requests: Request[Any]) -> list[str]:
        """Ask at one time; answer what everybody is told, as text."""
        return [f"{type(reply).__name__}: {reply}" for reply in self._direct.ask_all(*requests)]

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that is stored, but for the names of batches."""
        self._connection.execute("UPDATE processes SET last_batch_id = NULL")
        names = self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            str(name): self._connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for (name,) in names
        }


@given(st.lists(REQUESTS, max_size=24))
@examples(120)
def test_batch_ends_as_its_requests_would_one_by_one(requests: list[Request[Any]]) -> None:
    in_order = sorted(requests, key=lambda request: request.lane)

    with probes_registered():
        together, one_by_one = Store(), Store()
        replies_together = together.ask_all(*in_order)
        replies_one_by_one = [reply for request in in_order for reply in one_by_one.ask_all(request)]

        assert replies_together == replies_one_by_one
        assert together.tables() == one_by_one.tables()
