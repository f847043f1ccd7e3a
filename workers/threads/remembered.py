"""What is remembered of a folder, line by line: what the built-in model answers from."""

from collections.abc import Sequence

import structlog

from state.errors import StoreError
from state.ids import Scope
from state.messages.memories import ListMemories
from state.store import StateHandle

log = structlog.get_logger(__name__)

MEMORIES_MAX = 50


class RememberedOfFolder:
    """Asks the store for the memories of a folder."""

    def __init__(self, handle: StateHandle | None) -> None:
        self._handle = handle

    async def __call__(self, cwd: str) -> Sequence[str]:
        """The points of the newest memories of this folder; nothing without a store."""
        if self._handle is None:
            return ()
        try:
            page = await self._handle.ask(ListMemories(scope=Scope(kind="cwd", key=cwd), limit=MEMORIES_MAX))
        except StoreError as error:
            log.warning("the memories of a folder could not be read", cwd=cwd, reason=str(error))
            return ()
        return [line for memory in page.memories for line in _points(memory.raw_memory)]


def _points(markdown: str) -> list[str]:
    return [line.strip()[2:].strip() for line in markdown.splitlines() if line.strip().startswith("- ")]
