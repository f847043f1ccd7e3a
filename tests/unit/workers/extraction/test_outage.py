"""While the model is not available the extraction worker pauses, longer each time, and says it once a pause."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from config import Settings
from config.settings import ExtractionSettings
from state.folder import StateFolder
from state.messages.jobs import Job, ListJobs
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill import scan
from workers.extraction import Extraction
from workers.models.builtin import BuiltinProvider
from workers.models.protocol import ExtractionAnswer, ExtractionTask, ModelUnavailableError
from workers.progress import NoProgress

SESSIONS = 12
ASKED_OFTEN = 10
WISH = "Always use pnpm instead of npm in this project, and never touch legacy.py."


class SometimesAway(BuiltinProvider):
    """A model that is away until it has been asked often enough."""

    def __init__(self, times_away: int) -> None:
        self.asked = 0
        self.asked_often = trio.Event()
        self._times_away = times_away

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer, if it is there."""
        self.asked += 1
        if self.asked == ASKED_OFTEN:
            self.asked_often.set()
        if self.asked <= self._times_away:
            raise ModelUnavailableError("the key is refused", hint="check the key")
        return await super().extract(task)


def settings(workers: int = 1, **extraction: int) -> Settings:
    """Take every session at once."""
    return Settings(
        extraction=ExtractionSettings(min_rollout_idle_hours=0, workers=workers, **extraction)  # type: ignore[arg-type]
    )


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A Codex home with SESSIONS sessions."""
    home = CodexHome(path=tmp_path / "codex")
    for _ in range(SESSIONS):
        home.session().user(WISH)
    return home


@pytest.fixture
async def indexed(folder: StateFolder, home: CodexHome) -> AsyncIterator[StateHandle]:
    """A store on the machine's clock that knows the home."""
    async with open_store(folder, str(home.path), inline=True) as handle:
        await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=True)
        yield handle


async def jobs(handle: StateHandle) -> tuple[Job, ...]:
    """Every extraction job."""
    page = await handle.ask(ListJobs(limit=1_000))
    return tuple(job for job in page.jobs if job.thread_id is not None)


async def served(handle: StateHandle, home: CodexHome, provider: SometimesAway, settings: Settings) -> list[float]:
    """Serve until the model was asked ASKED_OFTEN times; the pauses that were said, in seconds."""
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            extraction = Extraction(handle, home.path, settings, provider, NoProgress())

            async def work() -> None:
                await extraction.run(until_done=False)

            nursery.start_soon(work)
            await provider.asked_often.wait()
            nursery.cancel_scope.cancel()
    return [entry["seconds"] for entry in logs if entry["event"] == "extraction pauses"]


async def test_pauses_double_up_to_an_hour(autojump_clock: MockClock, indexed: StateHandle, home: CodexHome) -> None:
    pauses = await served(indexed, home, SometimesAway(100), settings())

    assert pauses[:9] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_slots_that_find_out_together_pause_once(
    autojump_clock: MockClock, indexed: StateHandle, home: CodexHome
) -> None:
    provider = SometimesAway(100)
    pauses = await served(indexed, home, provider, settings(workers=3))

    assert pauses[:2] == [30, 60]


async def test_an_answer_ends_the_outage(autojump_clock: MockClock, indexed: StateHandle, home: CodexHome) -> None:
    provider = SometimesAway(2)
    extraction = Extraction(indexed, home.path, settings(), provider, NoProgress())
    with trio.move_on_after(3_600):
        await extraction.run(until_done=False)

    assert extraction.unavailable is None
    assert extraction.summary.succeeded == SESSIONS - 2


async def test_no_job_pays_for_the_outage(autojump_clock: MockClock, indexed: StateHandle, home: CodexHome) -> None:
    await served(indexed, home, SometimesAway(100), settings(workers=2, max_rollouts_per_startup=1))

    found = await jobs(indexed)
    assert all(job.attempts == job.given_back for job in found)
    assert sum(job.status == "retry" for job in found) >= 5, "the claims of this start were not used up by it"


async def test_a_run_that_ends_stops_at_once_and_knows_why(indexed: StateHandle, home: CodexHome) -> None:
    provider = SometimesAway(100)
    extraction = Extraction(indexed, home.path, settings(), provider, NoProgress())
    with trio.fail_after(20):
        await extraction.run(until_done=True)

    assert provider.asked == 1
    assert str(extraction.unavailable) == "the key is refused"
    assert extraction.summary.retrying == 1
