"""Fixtures for tests that look at the store from the inside."""

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from chaos.disk.faulty import FaultyDisk, faulty_disk
from state.folder import StateFolder
from state.opening import OpenedStore, open_for_writing
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.memory_state import MemoryState
from tests.fakes.probe import probes_registered

CODEX_HOME = "/home/ann/.codex"

BUSY_DEADLINE_MS = 30
"""Long enough to be a wait, short enough for a test that waits it out."""


@pytest.fixture(autouse=True)
def probes() -> Iterator[None]:
    """Every store in these tests answers probes."""
    with probes_registered():
        yield


@pytest.fixture
def state(tmp_path: Path) -> Iterator[MemoryState]:
    """An empty state in memory, whose clock stands still: for rules without a store around them."""
    state = MemoryState(tmp_path / "memories")
    yield state
    state.close()


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """The disk of every connection that is opened after this; good until the test says otherwise."""
    with faulty_disk(is_default=True) as faulty:
        yield faulty


@pytest.fixture
def opened(folder: StateFolder, clock: ManualClock) -> Iterator[OpenedStore]:
    """An open store that has no thread yet."""
    store = open_for_writing(folder, CODEX_HOME, clock, BUSY_DEADLINE_MS)
    yield store
    store.long_reads.close()
    store.group_commit.close()
    store.locks.close()


@pytest.fixture
def store(opened: OpenedStore) -> DirectStore:
    """The group commit of an open store, asked directly."""
    return DirectStore(opened.group_commit)


@pytest.fixture
def processes(opened: OpenedStore, folder: StateFolder) -> Callable[[], set[str]]:
    """Reads, over a connection of its own, which processes are entered beside the store's own."""

    def read() -> set[str]:
        connection = apsw.Connection(str(folder.database))
        names = {str(name) for (name,) in connection.execute("SELECT process_uuid FROM processes")}
        connection.close()
        return names - {opened.process}

    return read
