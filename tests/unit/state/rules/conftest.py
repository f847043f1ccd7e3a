"""Fixtures for tests of rules: a state in memory, nothing around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.memory_state import MemoryState


@pytest.fixture
def state(tmp_path: Path) -> Iterator[MemoryState]:
    """An empty state whose clock stands still."""
    state = MemoryState(tmp_path / "memories")
    yield state
    state.close()
