"""What every connection shares, handed in by the entry point: the store, the home, and whoever keeps them in step."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs

from interfaces.rpc.session import Session
from state.rollouts import Redact
from state.store import StateHandle
from state.thread_storage import ThreadStorage


class Index(Protocol):
    """Brings the index in step with the files."""

    async def catch_up(self) -> None:
        """Return once every rollout that was there at the call is in the index. Asking again is cheap and safe."""
        ...

    async def refresh(self, paths: Collection[str]) -> bool:
        """Look at these rollouts, and read those that are not what the index has; True when there was one."""
        ...


class LiveThread(Protocol):
    """One thread that is live in this process. It holds the thread's writer lock as long as it is."""

    @property
    def is_ephemeral(self) -> bool:
        """It has no rollout and never gets one."""
        ...

    def live_members(self) -> Mapping[str, Any]:
        """The members of its object that only a live thread has, by name: its `status` at least."""
        ...

    async def materialize(self) -> None:
        """Have its rollout on disk with all that was said so far, if it has one. Asking again is safe."""
        ...

    async def append(self, line: bytes) -> None:
        """Append one line, given without its line feed, to its rollout, and have it on the disk. Raises OSError."""
        ...


class LoadedThreads(Protocol):
    """The threads that are live in this process."""

    def ids(self) -> list[str]:
        """Their ids, in no order."""
        ...

    def get(self, thread_id: str) -> LiveThread | None:
        """The live thread of this id."""
        ...

    async def unload(self, thread_id: str) -> bool:
        """End a thread that is live, its turn and its lock with it, and return when it has ended; False for another."""
        ...


@attrs.frozen(kw_only=True)
class Defaults:
    """What the home's own configuration says of new threads and listings.

    Attributes:
      model: None when the configuration names none.
    """

    model_provider: str
    model: str | None = None
    approval_policy: str = "on-request"
    sandbox_mode: str = "read-only"


class Clients:
    """Who is connected now."""

    def __init__(self) -> None:
        self._sessions: set[Session] = set()

    def enter(self, session: Session) -> None:
        """A client came."""
        self._sessions.add(session)

    def leave(self, session: Session) -> None:
        """A client went."""
        self._sessions.discard(session)

    def tell(self, asker: Session, method: str, params: Any) -> None:
        """Tell every client that has shaken hands; the one that asked, right after its answer. Waits for nobody."""
        asker.after(method, params)
        for session in self._sessions:
            if session is not asker and session.is_initialized:
                session.post(method, params)


def _unchanged(text: str) -> str:
    return text


@attrs.frozen(kw_only=True)
class Host:
    """What a connection answers from.

    Attributes:
      handle: None when there is no store; what can be said from the files is said then.
      redact: goes over what clients have stored.
    """

    handle: StateHandle | None
    codex_home: Path
    defaults: Defaults
    index: Index
    loaded: LoadedThreads
    version: str
    redact: Redact = _unchanged
    clients: Clients = attrs.field(factory=Clients)

    @property
    def storage(self) -> ThreadStorage:
        """Where threads are stored, for what changes them."""
        return ThreadStorage(
            handle=self.handle,
            codex_home=self.codex_home,
            redact=self.redact,
            model_provider_default=self.defaults.model_provider,
        )
