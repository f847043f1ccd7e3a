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
from state.messages.jobs import JobKind, ListJobs
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


async def running(handle: StateHandle) -> int:
    """How many extractions run, whoever does them."""
    return len((await handle.ask(ListJobs(kind=JobKind.EXTRACTION, status="running"))).jobs)


class Together(BuiltinProvider):
    """A model that answers so many at a time, and looks before it does how many run."""

    def __init__(self, handle: StateHandle, together: int) -> None:
        self._handle = handle
        self._together = together
        self._waiting = 0
        self._go_on = trio.Event()
        self.running_max = 0

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer when enough have asked, and everybody else had the time to try."""
        self._waiting += 1
        if self._waiting < self._together:
            await self._go_on.wait()
        else:
            await trio.sleep(10)
            self.running_max = max(self.running_max, await running(self._handle))
            self._go_on.set()
            self._waiting, self._go_on = 0, trio.Event()
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
    provider = Together(indexed, at_once)
    chosen = settings(workers=workers, running_max=running_max)
    extraction = Extraction(indexed, home.path, chosen, provider, NoProgress())
    await extraction.run(until_done=True)

    assert provider.running_max == at_once
    assert extraction.summary.succeeded == SESSIONS


async def test_job_of_another_process_takes_a_place_until_it_ends(
    autojump_clock: MockClock, indexed: StateHandle, home: CodexHome
) -> None:
    chosen = settings(workers=2, running_max=1)
    terms = ClaimTerms(token=ELSEWHERE, owner=Owner(process=ProcessUuid("other"), worker="w"), lease_ms=86_400_000)
    everything = Eligibility.from_settings(chosen.extraction)
    assert isinstance(await indexed.ask(ClaimExtraction(terms=terms, eligibility=everything)), ExtractionClaimed)
    extraction = Extraction(indexed, home.path, chosen, BuiltinProvider(), NoProgress())

    async with trio.open_nursery() as nursery:

        async def work() -> None:
            await extraction.run(until_done=True)

        nursery.start_soon(work)
        await trio.sleep(60)
        assert await running(indexed) == 1
        assert extraction.summary.claimed == 0
        await indexed.ask(ReleaseExtraction(token=ELSEWHERE))

    assert extraction.summary.succeeded == SESSIONS
