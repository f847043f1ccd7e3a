"""The index learns at once of what a live thread has recorded, and does not wait for the backfill to see the file.

What goes wrong here costs freshness only: the backfill comes by later.
"""

import os
from pathlib import Path

import structlog
import trio

from state.errors import StoreError
from state.messages.backfill import RolloutRead
from state.messages.thread_rows import ApplyRolloutItems
from state.rollouts import Checkpoint, FoundRollout, Redact, plain_reason, read_rollout
from state.rollouts.find import ARCHIVED_SESSIONS
from state.store import StateHandle

log = structlog.get_logger(__name__)


class ThreadIndexer:
    """Has the index read one rollout, from where it was read before."""

    def __init__(self, handle: StateHandle | None, codex_home: Path, redact: Redact, provider_default: str) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._redact = redact
        self._provider_default = provider_default
        self._checkpoints: dict[str, Checkpoint] = {}

    async def index(self, path: str) -> None:
        """Bring the row of the thread in this rollout up to date. Doing it again is safe and cheap."""
        if self._handle is None:
            return
        try:
            read = await trio.to_thread.run_sync(self._read, path)
            self._checkpoints[path] = read.reading.checkpoint
            await self._handle.ask(ApplyRolloutItems(read=read, model_provider_default=self._provider_default))
        except OSError as error:
            log.warning("a rollout cannot be read", path=path, reason=plain_reason(error))
        except StoreError as error:
            log.warning("a live thread could not be indexed", path=path, reason=str(error))

    def forget(self, path: str) -> None:
        """The thread is not live any more."""
        self._checkpoints.pop(path, None)

    def _read(self, path: str) -> RolloutRead:
        status = os.stat(self._codex_home / path, follow_symlinks=False)
        found = FoundRollout(
            path=path,
            archived=path.startswith(f"{ARCHIVED_SESSIONS}/"),
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            inode=status.st_ino,
        )
        reading = read_rollout(self._codex_home, found, self._checkpoints.get(path), redact=self._redact)
        return RolloutRead(found=found, reading=reading)
