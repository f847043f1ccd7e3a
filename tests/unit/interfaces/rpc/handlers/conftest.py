"""A home with a thread of each kind, answered with an index and from the files alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interfaces.rpc.host import Host
from state.folder import StateFolder
from tests.fakes.codex_home import CodexHome
from tests.fakes.listed_threads import host_of, make_threads
from tests.fakes.stored_threads import stored_threads


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    return make_threads(tmp_path / "codex")


@pytest.fixture(params=["index", "files"])
async def host(request: pytest.FixtureRequest, home: CodexHome, folder: StateFolder) -> AsyncIterator[Host]:
    if request.param == "files":
        yield host_of(home, None)
    else:
        async with stored_threads(home, folder) as stored:
            yield host_of(home, stored.handle)
