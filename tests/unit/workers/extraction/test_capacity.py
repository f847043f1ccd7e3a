"""No more sessions are extracted at a time than all processes together may, and who has to wait does the rest later."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from config import Settings
from config.settings import ExtractionSettings
from state.folder import StateFolder
from state.ids import OwnershipToken, ProcessUuid
from state.messages.extraction import ClaimExtraction, Eligibility, ExtractionClaimed, ReleaseExtraction
from state.messages.leases import ClaimTerms, Owner
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill import scan
from workers.extraction import Extraction
from workers.models.builtin import BuiltinProvider
from workers.models.protocol import ExtractionAnswer, ExtractionTask
from workers.progress import NoProgress

SESSIONS = 6
ELSEWHERE = OwnershipToken("elsewhere")


class Counting(BuiltinProvider):
    """A model that takes its time and knows how often it was asked at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0
        self.at_once_max = 0

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer after a while."""
        self.asked += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        await trio.sleep(1)
        self.at_once -= 1
        return await super().extract(task)


def settings(*, workers: int, running_max: int) -> Settings:
    """Take every session at once, in so many slots."""
    return Settings(extraction=ExtractionSettings(min_rollout_idle_hours=0, workers=workers, running_max=running_max))


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A Codex home with SESSIONS sessions."""
    home = CodexHome(path=tmp_path / "codex")
    for _ in range(SESSIONS):
        home.session().user("Always use pnpm instead of npm in this project, and never touch legacy.py.")
    return home


@pytest.fixture
async def indexed(folder: StateFolder, home: CodexHome) -> AsyncIterator[StateHandle]:
    """A store on the machine's clock that knows the home."""
    async with open_store(folder, str(home.path), inline=True) as handle:
        await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=True)
        yield handle


@pytest.mark.parametrize(("workers", "running_max", "at_once"), [(4, 2, 2), (2, 4, 2), (3, 1, 1)])
async def test_slots_beyond_the_cap_wait_and_nothing_is_left_undone(
    autojump_clock: MockClock, indexed: StateHandle, home: CodexHome, workers: int, running_max: int, at_once: int
) -> None:
    provider = Counting()
    chosen = settings(workers=workers, running_max=running_max)
    extraction = Extraction(indexed, home.path, chosen, provider, NoProgress())
    await extraction.run(until_done=True)

    assert provider.at_once_max == at_once
    assert extraction.summary.succeeded == SESSIONS


async def test_job_of_another_process_takes_a_place_until_it_ends(
    autojump_clock: MockClock, indexed: StateHandle, home: CodexHome
) -> None:
    chosen = settings(workers=2, running_max=1)
    terms = ClaimTerms(token=ELSEWHERE, owner=Owner(process=ProcessUuid("other"), worker="w"), lease_ms=86_400_000)
    everything = Eligibility.from_settings(chosen.extraction)
    assert isinstance(await indexed.ask(ClaimExtraction(terms=terms, eligibility=everything)), ExtractionClaimed)
    provider = Counting()
    extraction = Extraction(indexed, home.path, chosen, provider, NoProgress())

    async with trio.open_nursery() as nursery:

        async def work() -> None:
            await extraction.run(until_done=True)

        nursery.start_soon(work)
        await trio.sleep(60)
        assert provider.asked == 0
        await indexed.ask(ReleaseExtraction(token=ELSEWHERE))

    assert extraction.summary.succeeded == SESSIONS
