"""Moving the write-ahead log into the database beside the store, on a thread and a connection of their own.

SQLite would do it within the COMMIT that makes the log long: a thousand pages and a sync, for which whoever waits for
that batch, and everybody behind it, would wait too. Here the store's thread only finishes what was written meanwhile,
which is little; after that the next write begins the log anew. A thread and a connection are made when there is
something to move for the first time, so a service that hardly writes has neither.
"""

import contextlib
import queue
import threading
import time
from pathlib import Path

import apsw

from state.connection import close_untouched, open_checkpointer

LOG_PAGES_WANTED = 1_000
"""From so many pages on the log is moved. SQLite's own number."""

REST_PAGES_MAX = 128
"""What the store's thread may move itself, to come to the log's end: about a millisecond."""

LOG_PAGES_MAX = 4_000
"""16 MB. From here on the store's thread moves everything itself, so that the log stays bounded whatever happens."""

PASSES_MAX = 3
"""The log grows while it is moved, by less each time that it is moved again; more than this is for the next commit."""

ELSEWHERE_SECONDS = 0.01
"""Another process moves the same log: look again after this."""

CLOSE_SECONDS_MAX = 1.0
"""How long a close waits for a move that is in work. The log is whole either way."""


class WalCheckpoints:
    """Keeps the log of one database short. `after_commit` is called in the store's thread, all else anywhere.

    A move that fails is nobody's failure: the log stays whole, and the next commit has it tried again.
    """

    def __init__(self, database: Path, *, vfs: str | None = None) -> None:
        """vfs: as in `state.connection.open_writer`."""
        self._database = database
        self._vfs = vfs
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_asked = False
        self._pages = 0
        self._moved = 0

    def attach(self, connection: apsw.Connection) -> None:
        """Take the place of SQLite's own checkpoints on the connection that writes."""
        connection.set_wal_hook(self.after_commit)

    def after_commit(self, connection: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite's hook: `connection` calls it after each of its commits. pages: what the log has now."""
        if pages < self._pages:
            self._moved = 0  # a log that was begun anew
        self._pages = pages
        if pages >= LOG_PAGES_WANTED:
            is_for_us = pages - self._moved <= REST_PAGES_MAX or pages >= LOG_PAGES_MAX
            if is_for_us or not self._is_asked_beside():
                with contextlib.suppress(apsw.Error):
                    _, self._moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    def close(self) -> None:
        """End the thread and its connection. The log is left as it is."""
        if self._thread is not None:
            self._wake.put(False)
            self._thread.join(CLOSE_SECONDS_MAX)

    def _is_asked_beside(self) -> bool:
        """Have the log moved by the thread, unless it does so already; False when there can be none."""
        if self._thread is None:
            # A daemon: a thread that hangs in a dead disk must not keep the process from ending.
            thread = threading.Thread(target=self._run, name="memoryd-checkpoints", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system starts no more threads
                return False
            self._thread = thread
        if not self._is_asked:
            self._is_asked = True
            self._wake.put(True)
        return True

    def _run(self) -> None:
        connection: apsw.Connection | None = None
        try:
            while self._wake.get():
                try:
                    if connection is None:
                        connection = open_checkpointer(self._database, vfs=self._vfs)
                    self._move(connection)
                except apsw.Error:
                    time.sleep(ELSEWHERE_SECONDS)
                self._is_asked = False
        finally:
            if connection is not None:
                close_untouched(connection)

    def _move(self, connection: apsw.Connection) -> None:
        for _ in range(PASSES_MAX):
            pages, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._moved = moved
            if moved < pages or self._pages - moved <= REST_PAGES_MAX // 2:
                return
