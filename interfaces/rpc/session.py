"""What is known of one client: who it is, and what it is told beside its answers."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

from interfaces.rpc.messages import RequestId

Notify = Callable[[str, Any], Awaitable[None]]
Post = Callable[[str, Any], None]

current_request: contextvars.ContextVar[RequestId] = contextvars.ContextVar("current_request")
"""The request that this task answers."""


class Session:
    """One client's state. Not shared between connections.

    Attributes:
      client_name, client_version: as the client introduced itself; None before the handshake.
      is_experimental: the client said that it understands what is not settled yet.
      notify: tells the client something at once, and waits while it reads nothing.
      post: tells it something soon, and never waits.
    """

    def __init__(self, notify: Notify, post: Post) -> None:
        self.notify = notify
        self.post = post
        self.client_name: str | None = None
        self.client_version: str | None = None
        self.is_experimental = False
        self._after: dict[RequestId, list[tuple[str, Any]]] = {}
        self._actions: dict[RequestId, list[Callable[[], None]]] = {}
        self._farewells: dict[str, Callable[[], None]] = {}

    @property
    def is_initialized(self) -> bool:
        """The handshake is done."""
        return self.client_name is not None

    def notify_after(self, request: RequestId, method: str, params: Any) -> None:
        """Have the client told something right after the answer to that request."""
        self._after.setdefault(request, []).append((method, params))

    def after(self, method: str, params: Any) -> None:
        """Have the client told something right after the answer that this task is about to give."""
        self.notify_after(current_request.get(), method, params)

    def take_notices(self, request: RequestId) -> list[tuple[str, Any]]:
        """What is to be told after that request's answer; asked once."""
        return self._after.pop(request, [])

    def do_next(self, action: Callable[[], None]) -> None:
        """Have something done once the answer that is being worked on has been sent, or cannot be."""
        self._actions.setdefault(current_request.get(), []).append(action)

    def take_actions(self, request: RequestId) -> list[Callable[[], None]]:
        """What is to be done after that request's answer; asked once."""
        return self._actions.pop(request, [])

    def do_at_end(self, what: str, action: Callable[[], None]) -> None:
        """Have something done when the client is gone. Asking again with the same word is safe."""
        self._farewells[what] = action

    def end(self) -> None:
        """The client is gone."""
        for action in self._farewells.values():
            action()
        self._farewells.clear()
