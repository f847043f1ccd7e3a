"""Where requests wait for the store: three lanes, a bound, and a clear moment from which on there is no way back.

A request is withdrawn without any effect as long as the store has not picked it up; from then on it runs to its end
and its asker gets the answer. So a cancelled `ask` never leaves its outcome in doubt within this process.

Bulk writes yield: no bulk write is taken up into a batch of others, nor into one of bulk writes once another request
waits. That one ends such a batch: it would wait for the pages of the backfill to be written either way, and so it waits
for one COMMIT instead of two.
"""

import collections
import threading
from typing import Any

import outcome
import trio

from state.messages.base import Lane, Request

INBOX_REQUESTS_MAX = 1024
"""Askers wait for a slot beyond this. SQLite serves one batch at a time, so a longer inbox only hides overload."""

BATCHES_BEFORE_BULK_MAX = 16
"""So many batches may go before bulk writes that wait; then one of them has its turn, so that a backfill ends too."""


class Ticket:
    """One asked request and the task that waits for its answer."""

    __slots__ = ("is_picked", "request", "task")

    def __init__(self, request: Request[Any], task: trio.lowlevel.Task) -> None:
        self.request = request
        self.task = task
        self.is_picked = False


Answer = tuple[Ticket, outcome.Outcome[Any]]
"""A ticket and what its asker gets: a value or an exception."""


class Inbox:
    """Requests in order of lane, then of arrival. Used by the askers' thread and by the store's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By the number of the lane: looking a member of an enumeration up in a mapping costs more than all the rest.
        self._lanes: list[collections.deque[Ticket]] = [collections.deque() for _ in Lane]
        self._bulk = self._lanes[Lane.BULK]
        self._begin_with: collections.deque[Ticket] | None = None
        self._is_bulk_batch = False
        self._batches_before_bulk = 0

    def put(self, ticket: Ticket) -> None:
        """Add a request at the end of its lane. The caller holds a slot."""
        with self._lock:
            self._lanes[ticket.request.lane].append(ticket)

    def pick(self, *, within_batch: bool = False) -> Ticket | None:
        """Take the next request for good, or None when nothing waits.

        Some requests are not taken within a batch, and the answer is None where the next one is such: one that begins
        a batch, which is then the first of the next; and a bulk write behind others.
        """
        with self._lock:
            waiting = self._next_lane() if not within_batch else self._next_lane_within()
            if waiting is None:
                return None
            ticket = waiting.popleft()
            ticket.is_picked = True
            return ticket

    def _next_lane(self) -> collections.deque[Ticket] | None:
        """The lane whose first request begins a batch."""
        waiting, self._begin_with = self._begin_with, None
        if not waiting:
            if self._bulk and self._batches_before_bulk >= BATCHES_BEFORE_BULK_MAX:
                waiting = self._bulk
            else:
                waiting = next((lane for lane in self._lanes if lane), None)
        self._is_bulk_batch = waiting is self._bulk
        self._batches_before_bulk = self._batches_before_bulk + 1 if self._bulk and not self._is_bulk_batch else 0
        return waiting

    def _next_lane_within(self) -> collections.deque[Ticket] | None:
        """The lane whose first request may share the batch that has begun."""
        for waiting in self._lanes:
            if waiting:
                if waiting is self._bulk and not self._is_bulk_batch:
                    return None
                if waiting[0].request.begins_batch:
                    self._begin_with = waiting
                    return None
                self._is_bulk_batch = waiting is self._bulk
                return waiting
        return None

    def end_bulk(self) -> None:
        """Take up no more bulk writes within this batch."""
        self._is_bulk_batch = False

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a request back; False when the store has it already."""
        with self._lock:
            if ticket.is_picked:
                return False
            self._lanes[ticket.request.lane].remove(ticket)
            return True

    @property
    def is_bulk_next(self) -> bool:
        """Say whether nothing but bulk writes waits, and some do."""
        with self._lock:
            return bool(self._bulk) and not any(lane for lane in self._lanes if lane is not self._bulk)

    def __len__(self) -> int:
        with self._lock:
            return sum(len(lane) for lane in self._lanes)


def deliver(answers: list[Answer]) -> None:
    """Wake every asker with its answer. Runs in the askers' thread, once for a whole batch."""
    for ticket, answer in answers:
        trio.lowlevel.reschedule(ticket.task, answer)
