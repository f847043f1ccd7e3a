"""Where requests wait for the store: three lanes, a bound, and a clear moment from which on there is no way back.

A request is withdrawn without any effect as long as the store has not picked it up; from then on it runs to its end
and its asker gets the answer. So a cancelled `ask` never leaves its outcome in doubt within this process.
"""

import collections
import threading
from typing import Any

import outcome
import trio

from state.messages.base import Lane, Request

INBOX_REQUESTS_MAX = 1024
"""Askers wait for a slot beyond this. SQLite serves one batch at a time, so a longer inbox only hides overload."""


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
        self._lanes: dict[Lane, collections.deque[Ticket]] = {lane: collections.deque() for lane in Lane}
        self._begin_with: Lane | None = None

    def put(self, ticket: Ticket) -> None:
        """Add a request at the end of its lane. The caller holds a slot."""
        with self._lock:
            self._lanes[ticket.request.lane].append(ticket)

    def pick(self, *, within_batch: bool = False) -> Ticket | None:
        """Take the next request for good, or None when nothing waits.

        A request that begins a batch is not taken within one: the answer is None, and it is the first of the next.
        """
        with self._lock:
            if self._begin_with is not None:
                waiting, self._begin_with = self._lanes[self._begin_with], None
                if waiting:
                    return _take(waiting)
            for lane, waiting in self._lanes.items():
                if waiting:
                    if within_batch and waiting[0].request.begins_batch:
                        self._begin_with = lane
                        return None
                    return _take(waiting)
        return None

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a request back; False when the store has it already."""
        with self._lock:
            if ticket.is_picked:
                return False
            self._lanes[ticket.request.lane].remove(ticket)
            return True

    def __len__(self) -> int:
        with self._lock:
            return sum(len(lane) for lane in self._lanes.values())


def _take(waiting: collections.deque[Ticket]) -> Ticket:
    ticket = waiting.popleft()
    ticket.is_picked = True
    return ticket


def deliver(answers: list[Answer]) -> None:
    """Wake every asker with its answer. Runs in the askers' thread, once for a whole batch."""
    for ticket, answer in answers:
        trio.lowlevel.reschedule(ticket.task, answer)
