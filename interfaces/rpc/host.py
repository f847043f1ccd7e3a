"""What every connection shares, handed in by the entry point: the store, the home, and whoever keeps them in step."""

from pathlib import Path
from typing import Protocol

import attrs

from state.store import StateHandle


class Index(Protocol):
    """Brings the index in step with the files."""

    async def catch_up(self) -> None:
        """Return once every rollout that was there at the call is in the index. Asking again is cheap and safe."""
        ...


class LoadedThreads(Protocol):
    """The threads that are live in this process."""

    def ids(self) -> list[str]:
        """Their ids, in no order."""
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


@attrs.frozen(kw_only=True)
class Host:
    """What a connection answers from.

    Attributes:
      handle: None when there is no store; what can be said from the files is said then.
    """

    handle: StateHandle | None
    codex_home: Path
    defaults: Defaults
    index: Index
    loaded: LoadedThreads
    version: str
