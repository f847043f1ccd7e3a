"""A store on a disk that can fail, asked batch by batch without an event loop, and what it answered.

Everything from opening to closing is the real store: locks, migrations, registration, group commit. Only its clock is
set from outside, and a batch has no limit of time, so that one script always makes the same transactions.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import apsw
import outcome
import trio

from chaos.disk.promises import Asked, Batch, Tables, tables_of
from chaos.disk.workload import CONTENT_AT_MS
from state.connection import open_reader, open_writer
from state.folder import StateFolder
from state.group_commit import GroupCommit
from state.ids import Instant, ProcessUuid
from state.inbox import Answer, Inbox, Ticket
from state.messages.base import Request
from state.opening import OpenedStore, mark_suspect, open_for_writing

CODEX_HOME = "/home/ann/.codex"
"""The invented home that every store here belongs to."""

BUSY_DEADLINE_MS = 20
"""Nobody else uses these files, so nobody is worth waiting for."""

_NOBODY = cast(trio.lowlevel.Task, None)
"""Nobody waits for a ticket here; the store looks at the answers itself."""

WrapCommits = Callable[[OpenedStore, Path, "AskedStore"], GroupCommit]
"""Puts another group commit in the place of an opened store's own."""


class AskedStore:
    """One opening of a store, until it is closed or given up.

    Attributes:
      history: everything that was asked and answered, batch by batch.
      on_batch: told of each batch at once when it was answered.
    """

    def __init__(
        self, folder: StateFolder, *, vfs: str | None = None, wrap: WrapCommits | None = None, number: int = 0
    ) -> None:
        """Open the store.

        Args:
          wrap: serve through this instead; for a store that is broken on purpose.
          number: which opening this is; later ones have a later clock.

        Raises:
          StateFolderError: it could not be opened.
        """
        self.folder = folder
        self.history: list[Batch] = []
        self.on_batch: Callable[[Batch], None] | None = None
        self._at = Instant(
            wall_ms=CONTENT_AT_MS + 1_000_000 + number * 100_000, boot_ms=1_000_000 + number * 100_000, boot_id="boot"
        )
        self._opened = open_for_writing(folder, CODEX_HOME, self.clock, BUSY_DEADLINE_MS, vfs=vfs)
        self._commits = self._opened.group_commit if wrap is None else wrap(self._opened, folder.database, self)
        self._commits.is_timeless = True
        self._wrapped = wrap is not None

    def clock(self) -> Instant:
        """Stands still while a batch runs."""
        return self._at

    @property
    def process(self) -> ProcessUuid:
        """Who this opening is, in the rows."""
        return self._opened.process

    @property
    def quarantined(self) -> bool:
        """The database was found damaged, and set aside."""
        return self._opened.quarantined is not None

    @property
    def is_broken(self) -> bool:
        """The store can answer no more."""
        return self._commits.broken is not None

    def ask(self, requests: Sequence[Request[Any]]) -> None:
        """Ask at one time, and write down what was answered."""
        self._at = Instant(wall_ms=self._at.wall_ms + 1_000, boot_ms=self._at.boot_ms + 1_000, boot_id=self._at.boot_id)
        inbox = Inbox()
        for request in requests:
            inbox.put(Ticket(request, _NOBODY))
        waiting = len(inbox)
        while len(inbox):
            answers = self._serve(inbox)
            waiting -= len(answers)
            self.history.append(Batch(self._at, tuple(_asked(answer) for answer in answers)))
            if self.on_batch is not None:
                self.on_batch(self.history[-1])
        assert waiting == 0, "somebody was not answered, or was answered twice"

    def _serve(self, inbox: Inbox) -> list[Answer]:
        """Answer as the store's actor does: one that is broken answers why, and nothing else."""
        if self._commits.broken is None:
            return self._commits.serve(inbox)
        answers: list[Answer] = []
        while (ticket := inbox.pick()) is not None:
            answers.append((ticket, outcome.Error(self._commits.broken)))
        return answers

    def close(self) -> None:
        """Close in good order. A store that is broken leaves word to look closer, as the real one does."""
        if self._commits.broken is not None:
            mark_suspect(self.folder, str(self._commits.broken))
        with contextlib.ExitStack() as stack:
            # SQLite passes over a checkpoint that fails while it closes; APSW raises what a VFS in Python raised.
            stack.enter_context(contextlib.suppress(apsw.Error))
            stack.callback(self._opened.locks.close)
            stack.callback(self._commits.close)
            if self._wrapped:
                stack.callback(self._opened.group_commit.close)
            stack.callback(self._opened.long_reads.close)


def _asked(answer: Answer) -> Asked:
    ticket, told = answer
    return Asked(ticket.request, told.error if isinstance(told, outcome.Error) else told.unwrap())


@contextlib.contextmanager
def small_checkpoints(vfs: str, frames: int) -> Iterator[None]:
    """For the block, have connections through this VFS move their log into the database after so few frames, so that a
    short script goes through many checkpoints while it is served.

    As with SQLite's own automatic checkpoint a failure is nobody's business: the commit before it is whole. That is why
    it is done here: APSW would raise what a VFS in Python raised, though SQLite had passed over it.
    """

    def checkpoint(connection: apsw.Connection, database: str, pages: int) -> int:
        if pages >= frames:
            with contextlib.suppress(apsw.Error):
                connection.wal_checkpoint(database)
        return apsw.SQLITE_OK

    def prepare(connection: apsw.Connection) -> None:
        if connection.open_vfs == vfs:
            connection.set_wal_hook(checkpoint)

    apsw.connection_hooks.append(prepare)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(prepare)


def less_durable(level: str, vfs: str) -> WrapCommits:
    """A store that syncs less than it must: `PRAGMA synchronous` is set to `level`."""

    def wrap(opened: OpenedStore, database: Path, store: AskedStore) -> GroupCommit:
        connection = open_writer(database, busy_deadline_ms=BUSY_DEADLINE_MS, vfs=vfs)
        connection.pragma("synchronous", level)
        return GroupCommit(
            connection,
            memories_dir=store.folder.memories_dir,
            clock=store.clock,
            process=opened.process,
            busy_deadline_ms=BUSY_DEADLINE_MS,
        )

    return wrap


def read_back(folder: StateFolder, process: ProcessUuid | None = None) -> tuple[Tables, object]:
    """Read every row, and the id of the last batch that this process has stored; over a connection of its own.

    Raises:
      apsw.CorruptError: the database is damaged.
    """
    reader = open_reader(folder.database)
    try:
        damage = [str(row[0]) for row in reader.execute("PRAGMA integrity_check(3)")]
        if damage != ["ok"] or reader.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise apsw.CorruptError("; ".join(damage))
        row = reader.execute("SELECT last_batch_id FROM processes WHERE process_uuid = ?", (process or "",)).fetchone()
        return tables_of(reader), row[0] if row else None
    finally:
        reader.close(True)


def batch_id_of(folder: StateFolder, process: ProcessUuid) -> object:
    """The id of the last batch that this process has stored."""
    reader = open_reader(folder.database)
    try:
        row = reader.execute("SELECT last_batch_id FROM processes WHERE process_uuid = ?", (process,)).fetchone()
        return row[0] if row else None
    finally:
        reader.close(True)
