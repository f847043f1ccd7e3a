"""A stop that comes when the model has just answered: what was paid for is saved, and what it cost is known."""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from config import Settings
from config.settings import ExtractionSettings
from state.folder import StateFolder
from state.messages.extraction import TokenUsage
from state.messages.jobs import GetJob, Job, JobFound
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome, RolloutFile
from workers.backfill import scan
from workers.extraction import Extraction
from workers.models.builtin import BuiltinProvider
from workers.models.protocol import ExtractionAnswer, ExtractionTask, ModelTransientError
from workers.progress import NoProgress

COST = TokenUsage(input_tokens=100, output_tokens=10, model_calls=1)
SETTINGS = Settings(extraction=ExtractionSettings(min_rollout_idle_hours=0, workers=1))


class StoppedByItsAnswer(BuiltinProvider):
    """A model that costs, and with whose answer the stop comes."""

    def __init__(self, *, fails: bool) -> None:
        self.stop = trio.CancelScope()
        self._fails = fails

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer or fail, and stop."""
        answer = await super().extract(task)
        self.stop.cancel()
        if self._fails:
            raise ModelTransientError("it did not work", usage=COST)
        return attrs.evolve(answer, usage=COST)


@pytest.fixture
def rollout(tmp_path: Path) -> RolloutFile:
    """A session with something to remember."""
    rollout = CodexHome(path=tmp_path / "codex").session()
    rollout.user("Always use pnpm instead of npm in this project, and never touch legacy.py.")
    return rollout


@pytest.fixture
async def indexed(folder: StateFolder, rollout: RolloutFile, tmp_path: Path) -> AsyncIterator[StateHandle]:
    """A store that knows it."""
    async with open_store(folder, str(tmp_path / "codex"), inline=True) as handle:
        await scan(handle, tmp_path / "codex", Settings(), NoProgress(), retry_failed_now=True)
        yield handle


async def after_the_stop(handle: StateHandle, codex_home: Path, rollout: RolloutFile, *, fails: bool) -> Job:
    """The job's row after the stop."""
    provider = StoppedByItsAnswer(fails=fails)
    with provider.stop:
        await Extraction(handle, codex_home, SETTINGS, provider, NoProgress()).run(until_done=True)
    found = await handle.ask(GetJob(job_id=f"extraction:{rollout.thread_id}"))
    assert isinstance(found, JobFound)
    return found.job


async def test_answer_that_came_with_the_stop_is_saved(
    indexed: StateHandle, rollout: RolloutFile, tmp_path: Path
) -> None:
    job = await after_the_stop(indexed, tmp_path / "codex", rollout, fails=False)

    assert (job.status, job.input_tokens, job.model_calls) == ("succeeded", 100, 1)


async def test_failure_that_came_with_the_stop_is_recorded(
    indexed: StateHandle, rollout: RolloutFile, tmp_path: Path
) -> None:
    job = await after_the_stop(indexed, tmp_path / "codex", rollout, fails=True)

    assert (job.status, job.reason, job.input_tokens) == ("retry", "it did not work", 100)
