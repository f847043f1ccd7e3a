"""What one start may spend: a bound is never passed, whatever slots do and however often the worker starts again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from config import Settings
from config.settings import ExtractionSettings
from state.errors import StoreBusyError
from state.folder import StateFolder
from state.messages.base import Request
from state.messages.extraction import FinishExtraction
from state.messages.jobs import ListJobs
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill import scan
from workers.extraction import Extraction, ending
from workers.models.builtin import BuiltinProvider
from workers.models.protocol import ExtractionAnswer, ExtractionTask
from workers.progress import NoProgress

SESSIONS = 8


class Counting(BuiltinProvider):
    """Counts how often it is asked, and takes its time."""

    def __init__(self) -> None:
        self.asked = 0

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer after everybody else has had a turn."""
        self.asked += 1
        await trio.testing.wait_all_tasks_blocked()
        return await super().extract(task)


def _settings(claims_max: int, workers: int) -> Settings:
    return Settings(
        extraction=ExtractionSettings(min_rollout_idle_hours=0, max_rollouts_per_startup=claims_max, workers=workers)
    )


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A Codex home with SESSIONS sessions."""
    home = CodexHome(path=tmp_path / "codex")
    for _ in range(SESSIONS):
        home.session().user("Always use pnpm instead of npm in this project.")
    return home


@pytest.fixture
async def indexed(folder: StateFolder, home: CodexHome) -> AsyncIterator[StateHandle]:
    """A store that knows the home."""
    async with open_store(folder, str(home.path), inline=True) as handle:
        await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=True)
        yield handle


@pytest.mark.parametrize(("claims_max", "workers"), [(1, 2), (2, 2), (2, 4), (3, 2), (5, 4)])
async def test_bound_of_a_start_is_never_passed(
    indexed: StateHandle, home: CodexHome, claims_max: int, workers: int
) -> None:
    provider = Counting()
    await Extraction(indexed, home.path, _settings(claims_max, workers), provider, NoProgress()).run(until_done=True)

    assert provider.asked == claims_max


async def test_worker_that_starts_again_goes_on_with_what_is_left(indexed: StateHandle, home: CodexHome) -> None:
    provider, settings = Counting(), _settings(3, 2)
    for _ in range(3):
        await Extraction(indexed, home.path, settings, provider, NoProgress()).run(until_done=True)

    assert provider.asked == 3


async def test_answer_is_recorded_although_the_store_is_busy_for_a_while(
    indexed: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "RECORD_AGAIN_SECONDS", (0.0, 0.0, 0.0))
    busy = 3
    ask = StateHandle.ask

    async def ask_when_free(handle: StateHandle, request: Request[object]) -> object:
        nonlocal busy
        if isinstance(request, FinishExtraction) and busy:
            busy -= 1
            raise StoreBusyError("somebody else writes")
        return await ask(handle, request)

    monkeypatch.setattr(StateHandle, "ask", ask_when_free)
    provider = Counting()
    await Extraction(indexed, home.path, _settings(1, 1), provider, NoProgress()).run(until_done=True)

    assert (provider.asked, busy) == (1, 0)
    page = await indexed.ask(ListJobs(limit=100))
    assert [job.status for job in page.jobs if job.thread_id is not None].count("succeeded") == 1
