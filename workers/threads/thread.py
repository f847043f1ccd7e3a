"""A loaded thread: what it is, who listens to it, and the one turn that it may be in."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import structlog
import trio

from state.live import PAGINATED, LiveSettings, LiveUsage, LiveView, Tell, TurnInput
from state.messages.threads import Thread
from workers.threads import payloads
from workers.threads.notices import ACTIVE, IDLE, SYSTEM_ERROR, Notice
from workers.threads.recording import Recorder

log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class ActiveTurn:
    """A turn that runs, or is about to.

    Attributes:
      begin: set once whoever asked for it has been answered.
      asking: around the model; cancelled to stop the turn in good order.
      everything: around all of it, and shielded; cancelled when it does not stop in time.
      done: set when it has ended and everybody was told.
      waiting: what was said while it ran; the model gets it before the turn ends.
      failure: why it failed; None while it did not.
    """

    id: str
    said: TurnInput
    begin: trio.Event = attrs.field(factory=trio.Event)
    asking: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    everything: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True))
    done: trio.Event = attrs.field(factory=trio.Event)
    waiting: list[TurnInput] = attrs.field(factory=list)
    takes_more: bool = True
    failure: str | None = None
    was_stopped: bool = False


@attrs.define(eq=False)
class LoadedThread:
    """One loaded thread.

    Attributes:
      row: as the index has it or would have it, edits left aside.
      path: of its rollout, relative to the home; None for one that leaves nothing behind.
      items: the conversation so far, as the model gets it.
      is_recorded, settings_known: its rollout is there, and says how its turns are run.
      recorded_bytes: how long it was when we looked last; it is longer when another program wrote into it.
      beginning: held while its first lines are written: a turn and an edit may both be the first to need them.
      listeners: who is told, each under a key of its own.
    """

    row: Thread
    path: str | None
    settings: LiveSettings
    recorder: Recorder
    items: list[dict[str, Any]]
    usage: LiveUsage | None = None
    is_recorded: bool = False
    settings_known: bool = False
    recorded_bytes: int = 0
    window_id: str = ""
    git: Mapping[str, str | None] | None = None
    turn: ActiveTurn | None = None
    has_failed: bool = False
    beginning: trio.Lock = attrs.field(factory=trio.Lock)
    listeners: dict[object, Tell] = attrs.field(factory=dict)

    @property
    def id(self) -> str:
        """The thread's id."""
        return self.row.id

    @property
    def status(self) -> Mapping[str, Any]:
        """The app-server's object."""
        if self.turn is not None:
            return ACTIVE
        return SYSTEM_ERROR if self.has_failed else IDLE

    @property
    def is_paginated(self) -> bool:
        """Its lines are numbered."""
        return self.row.history_mode == PAGINATED

    def look(self) -> LiveView:
        """What it is at this moment."""
        return LiveView(
            row=self.row,
            ephemeral=self.path is None,
            settings=self.settings,
            status=dict(self.status),
            is_recorded=self.is_recorded,
            turn_id=None if self.turn is None else self.turn.id,
            usage=self.usage,
            last_turn_ordinal=self.recorder.last_turn_ordinal,
            last_item_ordinal=self.recorder.last_item_ordinal,
        )

    @property
    def is_ephemeral(self) -> bool:
        """It has no rollout and never gets one."""
        return self.path is None

    @property
    def is_in_turn(self) -> bool:
        """A turn of it goes on, or is about to."""
        return self.turn is not None

    def live_members(self) -> Mapping[str, Any]:
        """The members of its object that only a live thread has, by name."""
        return {
            "status": dict(self.status),
            "environments": self.settings.environments(),
            "model": self.settings.model,
            "reasoningEffort": self.settings.reasoning_effort,
        }

    async def materialize(self) -> None:
        """Have its rollout on disk, if it has one. Asking again is safe.

        Raises:
          OSError: it could not be written.
        """
        async with self.beginning:
            if self.path is None or self.is_recorded:
                return
            await self.recorder.write(payloads.session_meta(self.look(), self.window_id, {}, self.git))
            knows_settings = self.settings_known
            self.begin_recorded()
            self.settings_known = knows_settings

    async def append(self, line: bytes) -> None:
        """Append one line, given without its line feed, to its rollout, and have it on the disk.

        Raises:
          OSError: it could not be written.
        """
        if self.recorder.lines is not None:
            await trio.to_thread.run_sync(self.recorder.lines.append, [line])

    def begin_recorded(self) -> None:
        """Its rollout is there, and says how its turns are run and which commit its folder was at."""
        if not self.is_recorded and self.git is not None:
            self.row = attrs.evolve(
                self.row,
                git_sha=self.git.get("commit_hash"),
                git_branch=self.git.get("branch"),
                git_origin_url=self.git.get("repository_url"),
            )
        self.is_recorded = self.settings_known = True

    async def tell(self, notice: Notice) -> None:
        """Tell everybody who listens. One who cannot be told hears no more."""
        method, params = notice
        for key, tell in list(self.listeners.items()):
            try:
                await tell(method, params)
            except OSError as error:
                log.warning("a listener is gone", thread=self.id, reason=str(error))
                self.listeners.pop(key, None)


Indexed = Callable[[str], Awaitable[None]]
"""Has the index read a rollout."""
