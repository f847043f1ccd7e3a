"""What every connection shares, handed in by the entry point: the store, the home, and whoever keeps them in step."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio

from interfaces.rpc.session import Session
from state.live import ForkCut, LiveSettings, LiveView, NewThread, Tell, TurnInput
from state.messages.threads import Thread
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


class NoIndex:
    """Where there is no store, nothing is brought in step."""

    async def catch_up(self) -> None:
        """There is nothing to wait for."""
        await trio.lowlevel.checkpoint()

    async def refresh(self, paths: Collection[str]) -> bool:  # noqa: ARG002
        """No rollout differs from what no index has."""
        await trio.lowlevel.checkpoint()
        return False


class LiveThread(Protocol):
    """One thread that is live in this process. It holds the thread's writer lock as long as it is."""

    @property
    def is_ephemeral(self) -> bool:
        """It has no rollout and never gets one."""
        ...

    @property
    def is_in_turn(self) -> bool:
        """A turn of it goes on, or is about to."""
        ...

    @property
    def is_recorded(self) -> bool:
        """It has its rollout."""
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

    def look(self, thread_id: str) -> LiveView | None:
        """A loaded thread as it is now; None for one that is not loaded."""
        ...

    def default_model(self, provider: str) -> str:
        """The model that is asked where nobody names one."""
        ...

    def has_provider(self, provider: str) -> bool:
        """Whether the configuration knows a provider of this name."""
        ...

    async def start(self, new: NewThread) -> LiveView:
        """Load a new thread. Nothing of it is on disk before something is said in it. Asking again makes another."""
        ...

    async def resume(self, row: Thread, changes: Mapping[str, Any], defaults: LiveSettings) -> LiveView:
        """Load a thread from its rollout, or give the one that is loaded. Asking again is safe.

        Raises:
          OSError: the rollout cannot be read or written.
        """
        ...

    async def fork(self, source: Thread, new: NewThread, changes: Mapping[str, Any], cut: ForkCut) -> LiveView:
        """Load a new thread that begins with the history of another.

        Raises:
          LiveError: there is no such turn to cut at.
          OSError: the source cannot be read, or the rollout not be written.
        """
        ...

    def listen(self, thread_id: str, key: object, tell: Tell) -> bool:
        """Have somebody told of what happens in a thread; False when it is not loaded. Asking again is safe."""
        ...

    def leave(self, thread_id: str, key: object) -> bool | None:
        """Tell somebody no more. None when the thread is not loaded; False for one who did not listen."""
        ...

    def leave_all(self, key: object) -> None:
        """Somebody is gone."""
        ...

    async def start_turn(self, thread_id: str, said: TurnInput) -> tuple[str, Callable[[], None]]:
        """Say something in a thread; the turn's id, and what lets it begin once the asker has been answered.

        Raises:
          LiveError: the thread is not loaded.
        """
        ...

    def active_turn(self, thread_id: str) -> str | None:
        """The id of the turn that a thread is in.

        Raises:
          LiveError: the thread is not loaded.
        """
        ...

    def stop_turn(self, thread_id: str) -> None:
        """Stop the turn that a thread is in, if it is in one. Asking again is safe."""
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
      model, reasoning_effort: None when the configuration names none.
    """

    model_provider: str
    model: str | None = None
    approval_policy: str = "on-request"
    sandbox_mode: str = "read-only"
    reasoning_effort: str | None = None


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
        self._post(asker, method, params)

    async def tell_first(self, asker: Session, method: str, params: Any) -> None:
        """The same, but the one that asked is told before it is answered; waits while that one reads nothing."""
        self._post(asker, method, params)
        await asker.notify(method, params)

    def _post(self, asker: Session, method: str, params: Any) -> None:
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
