"""Long reads: one at a time, on a connection of their own that cannot write, each with a deadline.

So a listing or an export never makes a lease renewal wait, and one that takes too long is interrupted.
Damage that one meets has the next opening check the database whole.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import outcome

from state.clock import Clock
from state.damage import DAMAGE, leave_word
from state.errors import DeadlineError, RuleFailedError, StoreError
from state.folder import DatabaseFiles
from state.inbox import Answer, Inbox
from state.messages.base import Request
from state.rules.registry import RULES, Rule
from state.sqlite_transaction import SqliteTransaction, drive

LONG_READ_MS_MAX = 10_000
"""A page of a listing takes milliseconds; what takes this long is interrupted, and says so."""

_STEPS_BETWEEN_LOOKS = 20_000
"""Virtual machine steps of SQLite between two looks at the clock: about a millisecond."""


class LongReads:
    """Owns the connection that only reads. Used by one thread at a time."""

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        files: DatabaseFiles,
        memories_dir: Path,
        clock: Clock,
        rules: Mapping[type[Request[Any]], Rule] = RULES,
    ) -> None:
        self._connection = connection
        self._files = files
        self._transaction = SqliteTransaction(connection, memories_dir)
        self._clock = clock
        self._rules = rules
        self._deadline = 0.0
        self.broken: StoreError | None = None
        """Never set: a failing read is that read's failure."""
        connection.set_progress_handler(lambda: time.monotonic() >= self._deadline, _STEPS_BETWEEN_LOOKS)

    def serve(self, inbox: Inbox) -> list[Answer]:
        """Answer the next read; an empty list when nothing waits."""
        ticket = inbox.pick()
        if ticket is None:
            return []
        self._deadline = time.monotonic() + LONG_READ_MS_MAX / 1000
        answer: outcome.Outcome[object]
        try:
            self._connection.execute("BEGIN")
            rule = self._rules[type(ticket.request)]
            answer = outcome.Value(drive(rule(self._transaction, ticket.request, self._clock())))
        except apsw.InterruptError:
            answer = outcome.Error(DeadlineError(f"reading took longer than {LONG_READ_MS_MAX // 1000} seconds"))
        except DAMAGE as error:
            leave_word(self._files, str(error))
            damaged = StoreError(
                f"the database {self._files.database} is damaged: {error}",
                hint="`memoryd once` checks it whole and begins a damaged one anew; end a running service first",
            )
            damaged.__cause__ = error
            answer = outcome.Error(damaged)
        except Exception as error:
            failure = RuleFailedError(f"{type(error).__name__}: {error}")
            failure.__cause__ = error
            answer = outcome.Error(failure)
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return [(ticket, answer)]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close(True)
