"""A worker that wakes up late: before it spends or publishes anything it renews, and stops if its claim is gone."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from config import Settings
from config.settings import ExtractionSettings
from state.folder import StateFolder
from state.messages.backfill import ClaimBackfill, RenewBackfill
from state.messages.consolidation import HOME_SCOPE, ConsolidationTotals, GetConsolidationTotals, RenewConsolidation
from state.messages.extraction import RenewExtraction
from state.messages.job_control import JobFreed, StealJob
from state.messages.jobs import GetJob, JobFound
from state.messages.leases import ClaimTerms
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock
from tests.fakes.codex_home import CodexHome, RolloutFile, now_ms
from workers.backfill import BackfillSummary, scan
from workers.consolidation import Consolidation
from workers.consolidation import worker as consolidation_worker
from workers.extraction import Extraction
from workers.extraction import worker as extraction_worker
from workers.lease_keeper import LeaseLostError
from workers.models.builtin import BuiltinProvider
from workers.models.protocol import ExtractionAnswer, ExtractionTask
from workers.progress import NoProgress
from workers.reading import files as rollout_files

SETTINGS = Settings(extraction=ExtractionSettings(min_rollout_idle_hours=0, workers=1))
SCOPE = "consolidation:cwd:/home/ann/shop"
DAY_MS = 86_400_000


class CountingProvider(BuiltinProvider):
    """A model that knows how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer and count."""
        self.asked += 1
        return await super().extract(task)


@pytest.fixture
def machine() -> ManualClock:
    """The machine's clock; it sleeps when the test says."""
    return ManualClock(wall_ms=now_ms())


@pytest.fixture
def rollout(tmp_path: Path) -> RolloutFile:
    """A session with something to remember."""
    rollout = CodexHome(path=tmp_path / "codex").session()
    rollout.user("Always use pnpm instead of npm in this project, and never touch legacy.py.")
    return rollout


@pytest.fixture
async def handle(
    folder: StateFolder, machine: ManualClock, rollout: RolloutFile, tmp_path: Path
) -> AsyncIterator[StateHandle]:
    """A store that knows it."""
    async with open_store(folder, str(tmp_path / "codex"), clock=machine, inline=True) as opened:
        await scan(opened, tmp_path / "codex", SETTINGS, NoProgress(), retry_failed_now=True)
        yield opened


@pytest.fixture
def renewals(handle: StateHandle, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of renewals that were asked."""
    asked: list[str] = []
    ask = handle.ask

    async def note(request: Any) -> Any:
        if isinstance(request, RenewBackfill | RenewExtraction | RenewConsolidation):
            asked.append(type(request).__name__)
        return await ask(request)

    monkeypatch.setattr(handle, "ask", note)
    return asked


def sleeps_after(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, machine: ManualClock, then: Callable[[], None]
) -> None:
    """Let the machine sleep for a day when `module.name`, which runs in a pool thread, has done its work."""
    work = getattr(module, name)

    def and_sleep(*arguments: Any, **named: Any) -> Any:
        result = work(*arguments, **named)
        machine.advance(DAY_MS)
        then()
        return result

    monkeypatch.setattr(module, name, and_sleep)


async def steal(handle: StateHandle, job_id: str) -> None:
    """Take a job from its owner."""
    found = await handle.ask(GetJob(job_id=job_id))
    assert isinstance(found, JobFound)
    freed = await handle.ask(StealJob(job_id=job_id, fencing_number=found.job.fencing_number))
    assert isinstance(freed, JobFreed)


def from_the_pool(asked: Callable[[], Any]) -> Callable[[], None]:
    """Ask the store from a pool thread."""
    return lambda: trio.from_thread.run(asked)


def nothing() -> None:
    """Nobody does anything while the machine sleeps."""


async def extract(handle: StateHandle, codex_home: Path, provider: BuiltinProvider) -> Extraction:
    """Extract what there is."""
    extraction = Extraction(handle, codex_home, SETTINGS, provider, NoProgress())
    await extraction.run(until_done=True)
    return extraction


async def test_extraction_renews_before_it_asks_the_model(
    handle: StateHandle, machine: ManualClock, renewals: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps_after(monkeypatch, extraction_worker, "read_conversation", machine, nothing)

    extraction = await extract(handle, tmp_path / "codex", BuiltinProvider())

    assert renewals[:1] == ["RenewExtraction"]
    assert extraction.summary.succeeded == 1


async def test_extraction_asks_no_model_for_a_job_that_was_taken(
    handle: StateHandle, machine: ManualClock, rollout: RolloutFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = CountingProvider()
    stolen: list[bool] = []

    async def take() -> None:
        if not stolen:
            stolen.append(True)
            await steal(handle, f"extraction:{rollout.thread_id}")

    sleeps_after(monkeypatch, extraction_worker, "read_conversation", machine, from_the_pool(take))

    extraction = await extract(handle, tmp_path / "codex", provider)

    # The first claim came to nothing and cost nothing; the job was free, so the second one did it.
    assert (extraction.summary.claimed, provider.asked, extraction.summary.succeeded) == (2, 1, 1)


async def test_consolidation_that_was_taken_publishes_nothing_and_leaves_no_folder(
    handle: StateHandle, machine: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await extract(handle, tmp_path / "codex", BuiltinProvider())
    taken: list[list[str]] = []
    generations = handle.folder.memories_dir / "generations"

    async def take() -> None:
        if not taken:
            taken.append([path.name for path in generations.glob("shop-*/*")])
            await steal(handle, SCOPE)

    sleeps_after(monkeypatch, consolidation_worker, "stage", machine, from_the_pool(take))
    consolidation = Consolidation(handle, tmp_path / "codex", SETTINGS, NoProgress())
    await consolidation.run(until_done=True)

    assert len(taken[0]) == 1, "it had staged"
    assert consolidation.summary.published == 1, "by the second claim"
    assert taken[0][0] not in [path.name for path in generations.glob("shop-*/*")]
    assert await handle.ask(GetConsolidationTotals()) == ConsolidationTotals(
        scopes=1, dirty=0, running=0, failing=0, published=1
    )


async def test_consolidation_renews_before_it_publishes(
    handle: StateHandle, machine: ManualClock, renewals: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await extract(handle, tmp_path / "codex", BuiltinProvider())
    sleeps_after(monkeypatch, consolidation_worker, "stage", machine, nothing)

    consolidation = Consolidation(handle, tmp_path / "codex", SETTINGS, NoProgress())
    await consolidation.run(until_done=True)

    assert "RenewConsolidation" in renewals
    assert consolidation.summary.published == 1
    assert (await handle.ask(GetJob(job_id=f"consolidation:{HOME_SCOPE.kind}:"))).job.status == "succeeded"  # type: ignore[union-attr]


async def test_backfill_renews_before_it_records(
    handle: StateHandle,
    machine: ManualClock,
    rollout: RolloutFile,
    renewals: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rollout.user("and use tabs")
    sleeps_after(monkeypatch, rollout_files, "read_rollout", machine, nothing)

    result = await scan(handle, tmp_path / "codex", SETTINGS, NoProgress(), retry_failed_now=True)

    assert renewals[:1] == ["RenewBackfill"]
    assert isinstance(result, BackfillSummary)
    assert result.indexed == 1


async def test_backfill_that_was_taken_records_nothing(
    handle: StateHandle, machine: ManualClock, rollout: RolloutFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout.user("and use tabs")

    async def take() -> None:
        terms = ClaimTerms(token=handle.mint_token(), owner=handle.owner("thief"), lease_ms=60_000, stale_after_ms=0)
        await handle.ask(ClaimBackfill(terms=terms))

    sleeps_after(monkeypatch, rollout_files, "read_rollout", machine, from_the_pool(take))

    with pytest.raises(LeaseLostError):
        await scan(handle, tmp_path / "codex", SETTINGS, NoProgress(), retry_failed_now=True)
