"""Leases beside clocks that jump: wall time neither ends nor extends one, and a restart of the machine ends them all.

Wall time does say when a failed job may be tried again. A jump shifts that moment and loses nothing.
"""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from state.folder import StateFolder
from state.ids import OwnershipToken
from state.messages.backfill import (
    BackfillClaimed,
    ClaimBackfill,
    FinishBackfill,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.base import Request
from state.messages.consolidation import ClaimConsolidation, ConsolidationClaimed, RenewConsolidation
from state.messages.extraction import (
    ClaimExtraction,
    ExtractionClaimed,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    NothingToExtract,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.leases import ClaimTerms, Renewed
from state.rules.backoff import BACKOFF_MS_MIN
from state.store import StateHandle
from tests.fakes.clock import ManualClock
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, draft
from tests.fakes.memory_state import terms
from tests.fakes.readings import SCAN, facts, found, path_of, read

DAY_MS = 86_400_000
LEASE_MS = 60_000


@attrs.frozen
class Owned:
    """One kind of owned row: how it is claimed, renewed, and what a granted claim is."""

    claim: Callable[[ClaimTerms], Request[Any]]
    renew: Callable[[OwnershipToken], Request[Any]]
    granted: type[Any]


KINDS = {
    "backfill": Owned(
        lambda claim: ClaimBackfill(terms=claim),
        lambda token: RenewBackfill(token=token, lease_ms=LEASE_MS),
        BackfillClaimed,
    ),
    "extraction": Owned(
        lambda claim: ClaimExtraction(terms=claim, eligibility=EVERYTHING),
        lambda token: RenewExtraction(token=token, lease_ms=LEASE_MS),
        ExtractionClaimed,
    ),
    "consolidation": Owned(
        lambda claim: ClaimConsolidation(terms=claim),
        lambda token: RenewConsolidation(token=token, lease_ms=LEASE_MS),
        ConsolidationClaimed,
    ),
}


@pytest.fixture(params=KINDS)
def owned(request: pytest.FixtureRequest) -> Owned:
    """Each kind in turn."""
    return KINDS[request.param]


@pytest.fixture
async def store(handle: StateHandle) -> StateHandle:
    """A store with one waiting job, one dirty scope and a free scan."""
    await handle.ask(ClaimBackfill(terms=terms(SCAN)))
    for number in (1, 2):
        file = found(path_of(number))
        outcome = read(file, facts(number))
        await handle.ask(RegisterRollouts(token=SCAN, found=(file,)))
        await handle.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=(outcome,)))
    await handle.ask(FinishBackfill(token=SCAN, listed=True))
    done = OwnershipToken("done")
    await handle.ask(ClaimExtraction(terms=terms(done), eligibility=EVERYTHING))
    await handle.ask(FinishExtraction(token=done, input_digest="input", extractor=EXTRACTOR, draft=draft()))
    return handle


async def is_granted(store: StateHandle, owned: Owned, token: str) -> bool:
    """Ask for the row."""
    return isinstance(await store.ask(owned.claim(terms(token, lease_ms=LEASE_MS))), owned.granted)


@pytest.mark.parametrize("jump_ms", [-DAY_MS, DAY_MS], ids=["back", "forward"])
async def test_wall_clock_that_jumps_a_day_neither_ends_a_lease_nor_extends_it(
    store: StateHandle, clock: ManualClock, owned: Owned, jump_ms: int
) -> None:
    assert await is_granted(store, owned, "owner")
    clock.advance(LEASE_MS - 2)
    assert not await is_granted(store, owned, "thief")

    clock.wall_ms += jump_ms

    assert not await is_granted(store, owned, "thief")
    clock.boot_ms += 1
    assert not await is_granted(store, owned, "thief")
    clock.boot_ms += 1
    assert await is_granted(store, owned, "thief")


@pytest.mark.parametrize("jump_ms", [-DAY_MS, DAY_MS], ids=["back", "forward"])
async def test_owner_renews_after_a_jump_as_if_there_had_been_none(
    store: StateHandle, clock: ManualClock, owned: Owned, jump_ms: int
) -> None:
    assert await is_granted(store, owned, "owner")
    clock.boot_ms += 20_000

    clock.wall_ms += jump_ms
    renewed = await store.ask(owned.renew(OwnershipToken("owner")))

    assert renewed == Renewed(lease_until_boot_ms=clock.boot_ms + LEASE_MS)
    clock.boot_ms += LEASE_MS - 1
    assert not await is_granted(store, owned, "thief")
    clock.boot_ms += 1
    assert await is_granted(store, owned, "thief")


async def test_restart_of_the_machine_frees_everything_at_once(store: StateHandle, clock: ManualClock) -> None:
    for kind, owned in KINDS.items():
        assert await is_granted(store, owned, f"owner-{kind}")

    clock.reboot()

    for kind, owned in KINDS.items():
        assert await is_granted(store, owned, f"thief-{kind}")


async def test_boot_clock_that_starts_anew_below_the_old_lease_does_not_keep_the_row(
    store: StateHandle, clock: ManualClock, owned: Owned
) -> None:
    """The old lease's end lies in the future of the new boot's clock; it is of another boot all the same."""
    clock.boot_ms = 10 * DAY_MS
    assert await is_granted(store, owned, "owner")

    clock.reboot()

    assert clock.boot_ms < DAY_MS
    assert await is_granted(store, owned, "thief")


async def fail(store: StateHandle, clock: ManualClock) -> int:
    """Let the job fail; answer when it is tried again, in wall time."""
    await store.ask(ClaimExtraction(terms=terms("failing"), eligibility=EVERYTHING))
    reply = await store.ask(
        FailExtraction(
            token=OwnershipToken("failing"),
            failure=FailureClass.TRANSIENT,
            reason="it did not work",
            jitter_permille=1000,
        )
    )
    assert reply == RetryScheduled(next_attempt_at_ms=clock.wall_ms + BACKOFF_MS_MIN)
    return reply.next_attempt_at_ms


async def test_wall_clock_that_jumps_forward_lets_a_failed_job_be_tried_early(
    store: StateHandle, clock: ManualClock
) -> None:
    await fail(store, clock)
    clock.wall_ms += DAY_MS

    assert await is_granted(store, KINDS["extraction"], "again")


async def test_wall_clock_that_jumps_back_lets_a_failed_job_wait_longer_by_the_jump_and_not_for_ever(
    store: StateHandle, clock: ManualClock
) -> None:
    due_at_ms = await fail(store, clock)
    clock.wall_ms -= DAY_MS

    nothing = await store.ask(ClaimExtraction(terms=terms("again"), eligibility=EVERYTHING))
    assert nothing == NothingToExtract(next_due_in_ms=DAY_MS + BACKOFF_MS_MIN)
    clock.wall_ms = due_at_ms - 1
    assert not await is_granted(store, KINDS["extraction"], "again")
    clock.wall_ms = due_at_ms
    assert await is_granted(store, KINDS["extraction"], "again")


async def test_attempts_are_not_forgotten_over_a_restart_of_the_machine(
    store: StateHandle, clock: ManualClock, folder: StateFolder
) -> None:
    attempts = []
    for number in range(1, 6):
        claimed = await store.ask(ClaimExtraction(terms=terms(f"try-{number}"), eligibility=EVERYTHING))
        assert isinstance(claimed, ExtractionClaimed)
        attempts.append(claimed.attempt)
        clock.reboot()

    assert attempts == [1, 2, 3, 4, 5]
    assert not await is_granted(store, KINDS["extraction"], "once too often")
