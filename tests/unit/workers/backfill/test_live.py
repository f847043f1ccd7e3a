"""Who asks is answered by what the files say at that moment."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from config import Settings
from state.folder import StateFolder
from state.messages.threads import ListThreads
from tests.fakes.readings import thread_id
from tests.fakes.stored_threads import ONE, StoredThreads, make_home, stored_threads
from workers.backfill import LiveIndex, live

TWO = thread_id(2)


@pytest.fixture
async def stored(tmp_path: Path, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    async with stored_threads(make_home(tmp_path / "codex"), folder) as stored:
        yield stored


@pytest.fixture
def index(stored: StoredThreads) -> LiveIndex:
    return LiveIndex(stored.handle, stored.home.path, Settings())


async def listed(stored: StoredThreads) -> list[str]:
    page = await stored.handle.ask(ListThreads())
    return [thread.id for thread in page.threads]


async def test_rollouts_that_come_and_go_are_seen_at_once(stored: StoredThreads, index: LiveIndex) -> None:
    await index.catch_up()
    rollout = stored.home.session(thread_id=TWO, hours_ago=1)
    rollout.user("brand new")
    await index.catch_up()
    assert await listed(stored) == [TWO, ONE]

    rollout.path.unlink()
    await index.catch_up()
    assert await listed(stored) == [ONE]


async def test_what_was_appended_is_read_when_the_thread_is_looked_at(stored: StoredThreads, index: LiveIndex) -> None:
    rollout = stored.home.session(thread_id=TWO, hours_ago=1)
    await index.catch_up()
    assert await listed(stored) == [ONE]

    rollout.user("said later")
    path = str(rollout.path.relative_to(stored.home.path))
    await index.catch_up()
    assert await listed(stored) == [ONE]
    assert await index.refresh([path])
    assert await listed(stored) == [TWO, ONE]
    assert not await index.refresh([path])
    assert not await index.refresh([])


async def test_look_that_fails_is_taken_again(
    stored: StoredThreads, index: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    await index.catch_up()
    stored.home.session(thread_id=TWO, hours_ago=1).user("brand new")

    async def fail(*_: object) -> bool:
        await trio.lowlevel.checkpoint()
        raise OSError("the disk reported an error")

    with monkeypatch.context() as patched:
        patched.setattr(live, "has_work", fail)
        with pytest.raises(OSError, match="disk"):
            await index.catch_up()
    await index.catch_up()
    assert await listed(stored) == [TWO, ONE]
