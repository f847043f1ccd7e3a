"""Group commit: what waits goes into one transaction, and every asker is answered after its COMMIT.

    pick -> BEGIN IMMEDIATE -> for each request: its rule -> COMMIT -> answers
                                          |
                                          +- a rule failed, or SQLite ended the transaction (FULL, INTERRUPT, IOERR,
                                             NOMEM): the batch is void, nobody is acknowledged, and the survivors run
                                             again, now each within a savepoint: what fails then costs only itself

A lone request is committed at once; batches form by themselves while the previous one syncs to disk. When COMMIT fails
on the disk nobody knows what was kept, and a failed sync must not be tried again: the connection is dropped, and the
batch id that the transaction wrote into this process's row decides, after a checkpoint has proven what is on disk.
"""

import contextlib
import math
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw
import outcome

from state.clock import Clock
from state.connection import (
    BUSY_DEADLINE_MS,
    JitteredBusyHandler,
    Synchronous,
    close_untouched,
    open_writer,
    truncate_wal,
)
from state.errors import (
    NotCommittedError,
    OutcomeUnknownError,
    StoreBrokenError,
    StoreBusyError,
    StoreError,
)
from state.failures import all_fail, explained
from state.folder import holders_of
from state.ids import Instant, ProcessUuid
from state.inbox import Answer, Inbox, Ticket
from state.journal import Journal
from state.messages.base import Lane, Request
from state.rules.registry import RULES, Rule
from state.sqlite_transaction import SqliteTransaction, drive
from state.wal_checkpoints import WalCheckpoints

BATCH_REQUESTS_MAX = 256
"""More gained nothing when it was measured, and a batch is what a failing COMMIT fails."""

BATCH_WORK_MS_MAX = 2
"""After this much work in one transaction the next request waits for the next one, so that answers keep coming."""

BULK_WORK_MS_MAX = 4
"""The same for a batch of bulk writes. It ends as soon as somebody else waits, and its COMMIT is what a page costs that
many small messages have changed; so it is as long as its COMMIT may take."""


CLOSE_WAIT_MS_MAX = 100
"""How long a close waits for readers of other processes before it leaves the log to them."""


class _VoidBatchError(Exception):
    """The whole transaction ended, without effect, because `ticket`'s rule failed."""

    def __init__(self, ticket: Ticket, failure: StoreError) -> None:
        super().__init__(str(failure))
        self.ticket = ticket
        self.failure = failure


class GroupCommit:
    """Owns the connection that writes. Used by one thread at a time.

    The database has a table `processes` with this process's row, for the batch id; all else is the rules' business.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        memories_dir: Path,
        journal: Journal | None = None,
        clock: Clock,
        process: ProcessUuid,
        busy_deadline_ms: int = BUSY_DEADLINE_MS,
        rules: Mapping[type[Request[Any]], Rule] = RULES,
        synchronous: Synchronous = "FULL",
    ) -> None:
        self._connection = connection
        self._database = Path(connection.filename)
        self._vfs = connection.open_vfs
        self._memories_dir = memories_dir
        self._journal = journal
        self._transaction = SqliteTransaction(connection, memories_dir, journal)
        self._clock = clock
        self._process = process
        self._busy_deadline_ms = busy_deadline_ms
        self._identity = _identity_of(self._database)
        self._rules = rules
        self._synchronous: Synchronous = synchronous
        self.broken: StoreBrokenError | None = None
        """Set when the store can no longer vouch for its answers; nothing is served from then on."""
        self._checkpoints: WalCheckpoints | None = None
        self._has_savepoints = False
        """Set while a batch runs again: whatever else fails in it must not void it once more."""
        self.is_timeless = False
        """Set where the same requests must make the same batches every time, however slow the machine is."""

    def checkpoint_beside(self) -> None:
        """Have the write-ahead log moved beside the store; without this SQLite moves it within a COMMIT.

        Only where there may be a thread.
        """
        self._checkpoints = WalCheckpoints(self._database, vfs=self._vfs)
        self._checkpoints.attach(self._connection)

    def serve(self, inbox: Inbox) -> list[Answer]:
        """Take up a batch and answer it; an empty list when nothing waits."""
        picked: list[Ticket] = []
        failed: list[Answer] = []
        tickets = self._pick_batch(inbox, picked)
        self._has_savepoints = False
        while True:
            try:
                return failed + self._run(tickets)
            except _VoidBatchError as void:
                failed.append((void.ticket, outcome.Error(void.failure)))
                picked = [ticket for ticket in picked if ticket is not void.ticket]
                if self.broken is not None:
                    return failed + [(ticket, outcome.Error(self.broken)) for ticket in picked]
                tickets = iter(picked)
                self._has_savepoints = True

    def close(self) -> None:
        """Empty the write-ahead log if nobody else uses it, and close. A broken store leaves everything as it is."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        if self.broken:
            close_untouched(self._connection)
            return
        self._connection.set_busy_handler(JitteredBusyHandler(CLOSE_WAIT_MS_MAX))
        # Another process goes on with the log, or the disk is full: the log is whole either way.
        with contextlib.suppress(apsw.Error):
            truncate_wal(self._connection)
        self._connection.close(True)

    def _pick_batch(self, inbox: Inbox, picked: list[Ticket]) -> Iterator[Ticket]:
        stop_at = math.inf if self.is_timeless else time.monotonic() + BATCH_WORK_MS_MAX / 1000
        is_bulk = False
        while len(picked) < BATCH_REQUESTS_MAX:
            ticket = inbox.pick(within_batch=bool(picked))
            if ticket is None:
                return
            if not picked and ticket.request.lane is Lane.BULK:
                is_bulk = True
                stop_at += (BULK_WORK_MS_MAX - BATCH_WORK_MS_MAX) / 1000
            picked.append(ticket)
            yield ticket
            if time.monotonic() >= stop_at:
                if not is_bulk:
                    return
                # Whatever else waits by now ends the batch.
                is_bulk = False
                stop_at = time.monotonic() + BATCH_WORK_MS_MAX / 1000
                inbox.end_bulk()

    def _run(self, tickets: Iterator[Ticket]) -> list[Answer]:
        """Run tickets in one transaction that writes, after one that only reads where a batch begins with reads."""
        answers: list[Answer] = []
        unsettled: list[Answer] = []
        writing = False
        at = self._clock()
        was_bulk = False
        for ticket in tickets:
            is_bulk = ticket.request.lane is Lane.BULK
            if was_bulk and not is_bulk:
                at = self._clock()  # bulk writes may have taken long; a lease counts from when it was asked for
            was_bulk = is_bulk
            if ticket.request.mutates and not writing:
                self._end_read()
                try:
                    self._connection.execute("BEGIN IMMEDIATE")
                except apsw.BusyError:
                    answers.append((ticket, outcome.Error(self._busy())))
                    continue
                except apsw.Error as error:
                    answers.append((ticket, outcome.Error(self._failure(error))))
                    continue
                writing = True
                changes_before = self._connection.total_changes()
                at = self._clock()
            elif not self._connection.in_transaction:
                self._connection.execute("BEGIN")
                at = self._clock()
            (unsettled if writing else answers).append((ticket, self._answer(ticket, at)))
        if writing:
            answers.extend(self._commit(unsettled, changed=self._connection.total_changes() != changes_before))
        else:
            self._end_read()
        return answers

    def _answer(self, ticket: Ticket, at: Instant) -> outcome.Outcome[Any]:
        request: Request[Any] = ticket.request
        try:
            rule = self._rules[type(request)]
            if not request.mutates:
                return outcome.Value(drive(rule(self._transaction, request, at)))
            if not self._has_savepoints:
                return outcome.Value(drive(rule(self._transaction, request, at)))
            self._connection.execute("SAVEPOINT request")
            reply = drive(rule(self._transaction, request, at))
            self._connection.execute("RELEASE request")
        except Exception as error:
            failure = self._failure(error)
            if self.broken is not None:
                # Nothing is stored into a damaged file, and nobody is told that something was.
                self._abandon()
                raise _VoidBatchError(ticket, failure) from error
            if request.mutates and not self._has_savepoints:
                # Failures are rare, so nobody pays for a savepoint until there is one.
                self._abandon()
            if not self._connection.in_transaction:
                raise _VoidBatchError(ticket, failure) from error
            if request.mutates:
                self._roll_back_request(ticket, failure)
            return outcome.Error(failure)
        return outcome.Value(reply)

    def _roll_back_request(self, ticket: Ticket, failure: StoreError) -> None:
        try:
            self._connection.execute("ROLLBACK TO request")
            self._connection.execute("RELEASE request")
        except apsw.Error as error:
            self._abandon()
            raise _VoidBatchError(ticket, failure) from error

    def _commit(self, answers: list[Answer], *, changed: bool) -> list[Answer]:
        batch_id = secrets.token_hex(16)
        if _identity_of(self._database) != self._identity:
            # What is written into a file that has lost its name is gone with this process.
            self._abandon()
            return all_fail(answers, self._break(f"{self._database} was removed or replaced while it was in use"))
        try:
            if changed:
                self._connection.execute(
                    "UPDATE processes SET last_batch_id = ? WHERE process_uuid = ?", (batch_id, self._process)
                )
            self._connection.execute("COMMIT")
        except (apsw.BusyError, apsw.ConstraintError) as error:
            self._abandon()
            return all_fail(answers, NotCommittedError(f"the change was not stored: {error}"))
        except apsw.Error as error:
            return self._find_out(answers, batch_id, error)
        return answers

    def _find_out(self, answers: list[Answer], batch_id: str, error: apsw.Error) -> list[Answer]:
        """Decide a batch whose COMMIT failed on the disk."""
        try:
            self._reopen()
            kept = self._last_batch_id() == batch_id
            # A full disk failed to write, so what can be read back is what there is. Anything else may have failed to
            # sync, and then only a checkpoint proves what is on the disk. So does a commit that must be acknowledged.
            if kept or not isinstance(error, apsw.FullError):
                truncate_wal(self._connection)
                kept = self._last_batch_id() == batch_id
                if not kept:
                    self._bury_refused()
        except apsw.Error as second:
            self._break(f"the disk failed while {self._database} was written: {error}; then {second}")
            return all_fail(
                answers,
                OutcomeUnknownError(
                    f"the disk failed while {self._database} was written ({error}); the change may or may not be kept",
                    hint="free some space or check the disk, then start memoryd again",
                ),
            )
        return answers if kept else all_fail(answers, self._failure(error))

    def _bury_refused(self) -> None:
        """Make sure that the batch which is about to be refused can never come back.

        Its pages may have reached the log, and that the log was emptied may be lost with the power. What is committed
        now begins a new log, in which nothing of the old one counts.
        """
        self._connection.execute(
            "UPDATE processes SET last_batch_id = ? WHERE process_uuid = ?", (secrets.token_hex(16), self._process)
        )

    def _last_batch_id(self) -> object:
        row = self._connection.execute(
            "SELECT last_batch_id FROM processes WHERE process_uuid = ?", (self._process,)
        ).fetchone()
        return row[0] if row else None

    def _reopen(self) -> None:
        # What closing cannot write either is decided after reopening.
        with contextlib.suppress(apsw.Error):
            self._connection.close(True)
        self._connection = open_writer(
            self._database, busy_deadline_ms=self._busy_deadline_ms, synchronous=self._synchronous, vfs=self._vfs
        )
        self._transaction = SqliteTransaction(self._connection, self._memories_dir, self._journal)
        if self._checkpoints is not None:
            self._checkpoints.attach(self._connection)

    def _abandon(self) -> None:
        # A damaged file may refuse even this; closing the connection rolls back too.
        with contextlib.suppress(apsw.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _end_read(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")

    def _busy(self) -> StoreBusyError:
        holder = holders_of(self._database.with_name(self._database.name + "-shm"))
        return StoreBusyError(
            f"{self._database} is locked by {holder}",
            hint="the request can be asked again; if it stays so, end that process",
        )

    def _failure(self, error: Exception) -> StoreError:
        """What the asker is told. Damage breaks the store."""
        if isinstance(error, apsw.CorruptError | apsw.NotADBError):
            self._break(f"the database {self._database} is damaged: {error}")
        return self.broken or explained(error, self._database)

    def _break(self, message: str) -> StoreBrokenError:
        self.broken = StoreBrokenError(
            message, hint="start memoryd again: it checks the database and repairs what it can"
        )
        return self.broken


def _identity_of(database: Path) -> tuple[int, int] | None:
    """Which file has that name now; None where there is none."""
    try:
        status = os.stat(database)
    except OSError:
        return None
    return status.st_dev, status.st_ino
