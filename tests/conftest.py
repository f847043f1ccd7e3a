"""Fixtures that many tests share: a state folder, a clock that the test owns, and a store on them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from state.folder import StateFolder
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock

pytest_plugins = ["tests.properties.plugin"]


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A state folder that nobody has used yet."""
    return StateFolder(path=tmp_path / "state")


@pytest.fixture
def clock() -> ManualClock:
    """A clock that moves only when the test moves it."""
    return ManualClock()


@pytest.fixture
async def handle(folder: StateFolder, clock: ManualClock) -> AsyncIterator[StateHandle]:
    """A store that runs in the test's own thread, on the test's clock."""
    async with open_store(folder, "/home/ann/.codex", clock=clock, inline=True) as opened:
        yield opened
