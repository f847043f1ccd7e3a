"""Loaded threads for what needs some: none at all."""

# ruff: noqa: ARG002 - nothing is looked at

from collections.abc import Callable, Mapping
from typing import Any

from interfaces.rpc.host import LiveThread
from state.live import ForkCut, LiveError, LiveSettings, LiveView, NewThread, Tell, TurnInput
from state.messages.threads import Thread


class NoLiveThreads:
    """Nothing is loaded, and nothing can be."""

    def ids(self) -> list[str]:
        return []

    def get(self, thread_id: str) -> LiveThread | None:
        return None

    def look(self, thread_id: str) -> LiveView | None:
        return None

    def default_model(self, provider: str) -> str:
        return "builtin"

    def has_provider(self, provider: str) -> bool:
        return True

    async def start(self, new: NewThread) -> LiveView:
        raise LiveError("nothing can be loaded")

    async def resume(self, row: Thread, changes: Mapping[str, Any], defaults: LiveSettings) -> LiveView:
        raise LiveError("nothing can be loaded")

    async def fork(self, source: Thread, new: NewThread, changes: Mapping[str, Any], cut: ForkCut) -> LiveView:
        raise LiveError("nothing can be loaded")

    def listen(self, thread_id: str, key: object, tell: Tell) -> bool:
        return False

    def leave(self, thread_id: str, key: object) -> bool | None:
        return None

    def leave_all(self, key: object) -> None:
        return None

    async def start_turn(self, thread_id: str, said: TurnInput) -> tuple[str, Callable[[], None]]:
        raise LiveError(f"thread not found: {thread_id}")

    def active_turn(self, thread_id: str) -> str | None:
        raise LiveError(f"thread not found: {thread_id}")

    def stop_turn(self, thread_id: str) -> None:
        return None

    async def unload(self, thread_id: str) -> bool:
        return False
