"""A stop gives back what was claimed, also when it comes with the claim and the work has not begun."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from config import Settings
from config.settings import ExtractionSettings
from state.folder import StateFolder
from state.messages.backfill import ClaimBackfill, GetBackfillState
from state.messages.base import Request
from state.messages.consolidation import ClaimConsolidation
from state.messages.extraction import ClaimExtraction
from state.messages.jobs import ListJobs
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill import scan
from workers.consolidation import Consolidation
from workers.extraction import Extraction
from workers.models.builtin import BuiltinProvider
from workers.progress import NoProgress

SETTINGS = Settings(extraction=ExtractionSettings(min_rollout_idle_hours=0, workers=1))
WISH = "Always use pnpm instead of npm in this project, and never touch legacy.py."


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A Codex home with one session."""
    home = CodexHome(path=tmp_path / "codex")
    home.session().user(WISH)
    return home


@pytest.fixture
async def handle(folder: StateFolder, home: CodexHome) -> AsyncIterator[StateHandle]:
    """A store that knows the home, with one session to extract."""
    async with open_store(folder, str(home.path), inline=True) as opened:
        await scan(opened, home.path, SETTINGS, NoProgress(), retry_failed_now=True)
        yield opened


@pytest.fixture
def stop_with(handle: StateHandle, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Request[Any]]], trio.CancelScope]:
    """Makes a scope that is cancelled at the very moment in which a request of this kind is answered."""

    def make(kind: type[Request[Any]]) -> trio.CancelScope:
        ask, stop = handle.ask, trio.CancelScope()

        async def answer_and_stop(request: Any) -> Any:
            reply = await ask(request)
            if isinstance(request, kind):
                stop.cancel()
            return reply

        monkeypatch.setattr(handle, "ask", answer_and_stop)
        return stop

    return make


async def stopped(stop: trio.CancelScope, work: Callable[[], Awaitable[Any]]) -> None:
    """Work until the stop, which must come."""
    with stop:
        await work()
    assert stop.cancelled_caught


async def held(handle: StateHandle) -> list[tuple[str, str, int, int]]:
    """What every job looks like: id, status, fencing number, claims that are held against it."""
    page = await handle.ask(ListJobs())
    assert [job.owner for job in page.jobs] == [None] * len(page.jobs)
    return [(job.kind.value, job.status, job.fencing_number, job.attempts - job.given_back) for job in page.jobs]


async def test_extraction_gives_an_unstarted_job_back(
    handle: StateHandle, home: CodexHome, stop_with: Callable[[type[Request[Any]]], trio.CancelScope]
) -> None:
    extraction = Extraction(handle, home.path, SETTINGS, BuiltinProvider(), NoProgress())

    async def work() -> None:
        await extraction.run(until_done=True)

    await stopped(stop_with(ClaimExtraction), work)

    assert extraction.summary.claimed == 1
    assert await held(handle) == [("extraction", "pending", 1, 0)]


async def test_consolidation_gives_an_unstarted_scope_back(
    handle: StateHandle, home: CodexHome, stop_with: Callable[[type[Request[Any]]], trio.CancelScope]
) -> None:
    await Extraction(handle, home.path, SETTINGS, BuiltinProvider(), NoProgress()).run(until_done=True)

    async def work() -> None:
        await Consolidation(handle, home.path, SETTINGS, NoProgress()).run(until_done=True)

    await stopped(stop_with(ClaimConsolidation), work)

    assert await held(handle) == [("consolidation", "pending", 1, 0), ("extraction", "succeeded", 1, 0)]


async def test_backfill_gives_an_unstarted_scan_back(
    handle: StateHandle, home: CodexHome, stop_with: Callable[[type[Request[Any]]], trio.CancelScope]
) -> None:
    async def work() -> None:
        await scan(handle, home.path, SETTINGS, NoProgress(), retry_failed_now=True)

    await stopped(stop_with(ClaimBackfill), work)

    assert (await handle.ask(GetBackfillState())).owner is None
