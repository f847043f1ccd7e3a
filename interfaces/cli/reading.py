"""Opening the store for commands that only look: beside whoever writes, or not at all when nothing is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config import Paths
from interfaces.cli.errors import NotFoundError
from state.folder import StateFolder
from state.store import StateHandle, open_store_for_reading


@asynccontextmanager
async def reading(paths: Paths) -> AsyncIterator[StateHandle | None]:
    """Give a handle that can only read, or None when this home was never indexed."""
    async with open_store_for_reading(StateFolder(path=paths.state_dir), str(paths.codex_home)) as handle:
        yield handle


def nothing_indexed(paths: Paths) -> NotFoundError:
    """What to say where something specific was asked for and nothing is indexed."""
    return NotFoundError(f"nothing of {paths.codex_home} is indexed yet", hint="run `memoryd once` first")
