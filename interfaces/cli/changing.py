"""Opening the store for commands that change what is there, beside a service that runs or not."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config import Paths
from interfaces.cli.reading import nothing_indexed
from state.folder import StateFolder
from state.store import StateHandle, open_store


@asynccontextmanager
async def changing(paths: Paths) -> AsyncIterator[StateHandle]:
    """Give a handle that can write. Makes no state where there is none; says on stderr what the opening set aside.

    Raises:
      NotFoundError: this home was never indexed.
    """
    folder = StateFolder(path=paths.state_dir)
    if not folder.database.is_file():
        raise nothing_indexed(paths)
    async with open_store(folder, str(paths.codex_home)) as handle:
        for remark in handle.remarks():
            sys.stderr.write(f"memoryd: {remark}\n")
        yield handle
