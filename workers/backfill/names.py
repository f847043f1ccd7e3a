"""Names that people gave their sessions, from session_index.jsonl to rows. The rollouts do not hold them."""

from collections.abc import Collection
from pathlib import Path

import structlog
import trio

from state.ids import ThreadId
from state.messages.backfill import RecordThreadNames
from state.rollouts import plain_reason, read_thread_names
from state.rollouts.names import SESSION_INDEX
from state.store import StateHandle
from workers.redaction import redact

log = structlog.get_logger(__name__)

NAMES_MAX = 500
"""Names in one message: some milliseconds of work, so that other requests get in between."""


async def record_names(handle: StateHandle, codex_home: Path, threads: Collection[ThreadId] | None = None) -> None:
    """Record every name, or those of `threads`, for threads that have a row. Doing it twice changes nothing.

    A file that cannot be read costs the names and nothing else.

    Raises:
      StoreError: the store could not answer.
    """
    try:
        every = await trio.to_thread.run_sync(read_thread_names, codex_home, abandon_on_cancel=True)
    except OSError as error:
        log.warning("names of sessions not readable", path=str(codex_home / SESSION_INDEX), reason=plain_reason(error))
        return
    wanted = sorted(every if threads is None else every.keys() & set(threads))
    for start in range(0, len(wanted), NAMES_MAX):
        part = {thread: every[thread] for thread in wanted[start : start + NAMES_MAX]}
        await handle.ask(
            RecordThreadNames(
                names={thread: redact(given.name) for thread, given in part.items()},
                named_at_ms={
                    thread: given.named_at_ms for thread, given in part.items() if given.named_at_ms is not None
                },
            )
        )


class NameFollower:
    """Records names when their file has changed since it last looked."""

    def __init__(self, handle: StateHandle, codex_home: Path) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._seen: tuple[int, int] | None = None

    async def follow(self) -> None:
        """Look once. A missing file has no names."""
        try:
            status = await trio.Path(self._codex_home / SESSION_INDEX).stat()
        except OSError:
            return
        signature = (status.st_mtime_ns, status.st_size)
        if signature != self._seen:
            await record_names(self._handle, self._codex_home)
            self._seen = signature
