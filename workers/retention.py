"""Retention: memories that nobody needed for long go, so that what is remembered stays worth reading.

What is in no files is deleted; files that hold such memories are written again without them, and then these go too.
"""

import structlog
import trio

from config import Settings
from state.messages.retention import PRUNED_MAX, MemoriesPruned, PruneMemories
from state.store import StateHandle

log = structlog.get_logger(__name__)

PRUNE_SECONDS = 3_600.0
"""How often is looked. Ages are days; a look that finds nothing writes nothing."""


async def serve(handle: StateHandle, settings: Settings) -> None:
    """Prune for ever."""
    while True:
        await prune(handle, settings)
        await trio.sleep(PRUNE_SECONDS)


async def prune(handle: StateHandle, settings: Settings) -> MemoriesPruned:
    """Delete every memory that is too old and in no files; answer how many. Doing it twice is safe.

    Where `consolidation.max_unused_days` is unset no memory is ever too old.
    """
    unused_ms = settings.consolidation.unused_ms_max()
    memories = scopes = 0
    if unused_ms is not None:
        while True:
            pruned = await handle.ask(PruneMemories(unused_ms=unused_ms))
            memories += pruned.memories
            scopes += pruned.scopes
            if pruned.memories < PRUNED_MAX:
                break
    if memories or scopes:
        log.info("pruned memories that were not used", memories=memories, scopes_to_write_again=scopes)
    return MemoriesPruned(memories=memories, scopes=scopes)
