"""Retention: prunes until nothing is left to prune, and only where a person set an age."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config import Settings
from config.settings import ConsolidationSettings
from state.folder import StateFolder
from state.ids import Scope, ThreadId
from state.messages.extraction import ExtractorId, MemoryDraft
from state.messages.memory_rows import LastMemories, MemoryRow, SaveMemory
from state.messages.retention import PRUNED_MAX, MemoriesPruned, RecordUsage
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill import scan
from workers.progress import NoProgress
from workers.retention import prune

MEMORIES = PRUNED_MAX + 1
DRAFT = MemoryDraft(raw_memory="- tabs", rollout_summary="# tabs", rollout_slug=None, notes=())


def after(days: float | None) -> Settings:
    """Memories may be unused for so long."""
    return Settings(consolidation=ConsolidationSettings(max_unused_days=days))


def scope(number: int) -> Scope:
    """One of many scopes."""
    return Scope(kind="team", key=f"team {number}")


@pytest.fixture
def thread_id(tmp_path: Path) -> ThreadId:
    """A session of long ago."""
    rollout = CodexHome(path=tmp_path / "codex").session()
    rollout.user("Always use pnpm instead of npm in this project.")
    return ThreadId(rollout.thread_id)


@pytest.fixture
async def handle(folder: StateFolder, tmp_path: Path, thread_id: ThreadId) -> AsyncIterator[StateHandle]:
    """A store that knows it, with a memory in more scopes than one request prunes."""
    async with open_store(folder, str(tmp_path / "codex"), inline=True) as handle:
        await scan(handle, tmp_path / "codex", Settings(), NoProgress(), retry_failed_now=True)
        extractor = ExtractorId(name="builtin", version=1)
        for number in range(MEMORIES):
            save = SaveMemory(thread_id=thread_id, scope=scope(number), extractor=extractor, draft=DRAFT)
            assert isinstance(await handle.ask(save), MemoryRow)
        yield handle


async def test_everything_that_is_too_old_goes_however_much_it_is(handle: StateHandle) -> None:
    with capture_logs() as logs:
        assert await prune(handle, after(1)) == MemoriesPruned(memories=MEMORIES, scopes=0)

    assert await handle.ask(LastMemories(scope=scope(MEMORIES - 1), count=1)) == ()
    assert [entry["memories"] for entry in logs] == [MEMORIES]


async def test_pruning_again_finds_nothing_and_says_nothing(handle: StateHandle) -> None:
    await prune(handle, after(1))
    with capture_logs() as logs:
        assert await prune(handle, after(1)) == MemoriesPruned(memories=0, scopes=0)

    assert logs == []


async def test_nothing_is_too_old_where_no_age_is_set(handle: StateHandle) -> None:
    assert await prune(handle, after(None)) == MemoriesPruned(memories=0, scopes=0)
    assert len(await handle.ask(LastMemories(scope=scope(0), count=1))) == 1


async def test_what_was_used_stays(handle: StateHandle, thread_id: ThreadId) -> None:
    await handle.ask(RecordUsage(thread_ids=(thread_id,)))

    assert await prune(handle, after(1)) == MemoriesPruned(memories=0, scopes=0)
