"""Where log entries wait to be stored: bounded, so that a slow disk costs entries and never memory or time."""

import collections
import os
import threading
import uuid
from collections.abc import Callable

from state.messages.logs import LogEntry

LOG_QUEUE_ENTRIES_MAX = 512
"""What comes while so many wait is dropped and counted."""

LOG_BATCH_ENTRIES_MAX = 128
"""So many are stored in one transaction, and as soon as so many wait."""


class LogQueue:
    """Filled from any thread, emptied by the one that stores.

    Attributes:
      process_uuid: how entries name this process.
      accepted: how many entries have been put in ever; those that were dropped are not among them.
    """

    def __init__(self) -> None:
        self.process_uuid = f"pid:{os.getpid()}:{uuid.uuid4()}"
        self.accepted = 0
        self._entries: collections.deque[LogEntry] = collections.deque()
        self._dropped = 0
        self._on_batch: Callable[[], None] | None = None
        # Re-entrant: a finaliser may run in the middle of this, and log.
        self._lock = threading.RLock()

    def put(self, entry: LogEntry) -> bool:
        """Add an entry; False when it was dropped. Never waits for more than another thread's `put` or `take`."""
        with self._lock:
            if len(self._entries) >= LOG_QUEUE_ENTRIES_MAX:
                self._dropped += 1
                return False
            self._entries.append(entry)
            self.accepted += 1
            wake = self._on_batch if len(self._entries) == LOG_BATCH_ENTRIES_MAX else None
        if wake is not None:
            wake()
        return True

    def take(self) -> tuple[LogEntry, ...]:
        """The oldest entries, at most a batch of them."""
        with self._lock:
            return tuple(self._entries.popleft() for _ in range(min(LOG_BATCH_ENTRIES_MAX, len(self._entries))))

    def count_dropped(self, entries: int) -> None:
        """Count entries that were taken and could not be stored as dropped too."""
        with self._lock:
            self._dropped += entries

    def take_dropped(self) -> int:
        """How many entries were dropped since this was asked last."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def when_batch_waits(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called, from any thread, whenever a whole batch has come to wait."""
        with self._lock:
            self._on_batch = wake

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)
