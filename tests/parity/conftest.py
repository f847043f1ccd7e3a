"""Fixtures of the parity tests."""

from collections.abc import Iterator

import pytest

from tests.fakes.memory_state import MemoryState


@pytest.fixture
def state() -> Iterator[MemoryState]:
    """An empty state in memory, whose clock stands still."""
    state = MemoryState()
    yield state
    state.close()
