"""A handle around another one: the same store for whoever asks, and a place to write down what was asked."""

from typing import TypeVar

from state.errors import StoreError
from state.messages.base import Request
from state.store import StateHandle

ReplyT = TypeVar("ReplyT")


class HandleAround(StateHandle):
    """Passes everything on, and says of the store what the inner handle says."""

    def __init__(self, inner: StateHandle) -> None:
        super().__init__(
            inner.folder,
            inner.process,
            inner.clock,
            inner._writer,
            inner._reader,
            quarantined=inner.quarantined,
            kept_legacy=inner.kept_legacy,
        )
        self._inner = inner

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        """As the inner handle does, which may be around another one itself."""
        return await self._inner.ask(request)

    async def wait_broken(self) -> StoreError:
        """As the inner handle does."""
        return await self._inner.wait_broken()
