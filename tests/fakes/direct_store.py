"""The store without a thread and without an event loop: what is asked together is taken up together."""

from typing import Any, cast

import outcome
import trio

from state.group_commit import GroupCommit
from state.inbox import Answer, Inbox, Ticket
from state.long_read import LongReads
from state.messages.base import Request

_NOBODY = cast(trio.lowlevel.Task, None)
"""Nobody waits for a ticket here; `DirectStore` looks at the answers itself."""


class DirectStore:
    """Puts requests into an inbox and has the server serve until it is empty."""

    def __init__(self, server: GroupCommit | LongReads) -> None:
        self._server = server
        if isinstance(server, GroupCommit):
            server.is_timeless = True  # what is asked together stays together, however slow the machine is
        self.batches: list[list[Request[Any]]] = []
        """What was answered together, in the order of the answers."""

    def ask_all(self, *requests: Request[Any]) -> list[Any]:
        """Ask at one time; answer each reply, or the exception in its place, in the order of the requests."""
        inbox = Inbox()
        tickets = [Ticket(request, _NOBODY) for request in requests]
        for ticket in tickets:
            inbox.put(ticket)
        answered: dict[Ticket, outcome.Outcome[Any]] = {}
        while len(inbox):
            self._take(self._server.serve(inbox), answered)
        assert set(answered) == set(tickets), "somebody was not answered"
        return [_seen(answered[ticket]) for ticket in tickets]

    def ask(self, request: Request[Any]) -> Any:
        """Ask one request; answer its reply, or the exception in its place."""
        return self.ask_all(request)[0]

    def _take(self, answers: list[Answer], answered: dict[Ticket, outcome.Outcome[Any]]) -> None:
        self.batches.append([ticket.request for ticket, _ in answers])
        for ticket, answer in answers:
            assert ticket not in answered, "somebody was answered twice"
            answered[ticket] = answer


def _seen(answer: outcome.Outcome[Any]) -> Any:
    return answer.error if isinstance(answer, outcome.Error) else answer.unwrap()
