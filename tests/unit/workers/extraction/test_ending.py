"""How the end of a job is recorded: with the claim of the next one, and also when a stop comes with it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from config import Settings
from config.settings import EXTRACTION_LEASE_MS
from state.folder import StateFolder
from state.messages.extraction import ClaimExtraction, ExtractionClaimed, ExtractionFinished, FinishExtraction
from state.messages.extraction_batches import ClaimExtractions
from state.messages.jobs import ListJobs
from state.messages.leases import ClaimTerms
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, draft
from workers.backfill import scan
from workers.extraction.ending import end_and_claim
from workers.progress import NoProgress


@pytest.fixture
async def indexed(folder: StateFolder, tmp_path: Path) -> AsyncIterator[StateHandle]:
    """A store with two jobs."""
    home = CodexHome(path=tmp_path / "codex-home")
    for hours in (100, 200):
        home.session(hours_ago=hours).user("Please use tabs.")
    async with open_store(folder, str(home.path)) as handle:
        await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=True)
        yield handle


async def _statuses(handle: StateHandle) -> list[str]:
    page = await handle.ask(ListJobs(limit=100))
    return sorted(job.status for job in page.jobs if job.thread_id is not None)


async def _finish_of_a_claimed_job(handle: StateHandle) -> FinishExtraction:
    terms = ClaimTerms(token=handle.mint_token(), owner=handle.owner("slot"), lease_ms=EXTRACTION_LEASE_MS)
    assert isinstance(await handle.ask(ClaimExtraction(terms=terms, eligibility=EVERYTHING)), ExtractionClaimed)
    return FinishExtraction(token=terms.token, input_digest="input", extractor=EXTRACTOR, draft=draft())


def _claim(handle: StateHandle) -> ClaimExtractions:
    return ClaimExtractions(
        tokens=(handle.mint_token(),),
        owner=handle.owner("slot"),
        lease_ms=EXTRACTION_LEASE_MS,
        eligibility=EVERYTHING,
    )


async def test_end_brings_the_next_job_until_there_is_none(indexed: StateHandle) -> None:
    finish, claim = await _finish_of_a_claimed_job(indexed), _claim(indexed)

    finished, following = await end_and_claim(indexed, finish, claim)
    assert isinstance(finished, ExtractionFinished)
    assert following is not None
    assert (following.token,) == claim.tokens
    assert await _statuses(indexed) == ["running", "succeeded"]

    finished, nothing = await end_and_claim(
        indexed,
        FinishExtraction(token=following.token, input_digest="input", extractor=EXTRACTOR, draft=draft()),
        _claim(indexed),
    )
    assert isinstance(finished, ExtractionFinished)
    assert nothing is None
    assert await _statuses(indexed) == ["succeeded", "succeeded"]


async def test_stop_that_comes_with_the_end_records_it_and_claims_nothing(indexed: StateHandle) -> None:
    finish, claim = await _finish_of_a_claimed_job(indexed), _claim(indexed)

    with trio.CancelScope() as stop:
        stop.cancel()
        await end_and_claim(indexed, finish, claim)

    assert stop.cancelled_caught
    assert await _statuses(indexed) == ["pending", "succeeded"]
