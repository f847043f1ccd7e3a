"""Stores for the tests of live threads: with one, and without."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from state.folder import StateFolder
from state.store import StateHandle, open_store


@pytest.fixture(params=["with a store", "without a store"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateHandle | None]:
    """Both kinds of service."""
    if request.param == "without a store":
        yield None
        return
    async with open_store(StateFolder(path=tmp_path / "state"), str(tmp_path / "codex"), inline=True) as handle:
        yield handle


@pytest.fixture
async def handle(tmp_path: Path) -> AsyncIterator[StateHandle]:
    """A store of this home."""
    async with open_store(StateFolder(path=tmp_path / "state"), str(tmp_path / "codex"), inline=True) as opened:
        yield opened
