"""Which threads are loaded in this process, and the one turn that each of them may be in.

    start, fork, resume -> loaded, idle -> turn -> idle, or systemError -> unloaded

A turn goes on when the client that asked for it has left; what is still running when the manager closes is stopped and
recorded as stopped, within a bound.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from state.live import ForkCut, LiveError, LiveSettings, LiveView, NewThread, Tell, TurnInput
from state.messages.threads import Thread
from state.rollouts import Redact
from state.store import StateHandle
from workers.models.turns.choose import TurnModels
from workers.threads.identifiers import uuid7
from workers.threads.indexing import ThreadIndexer
from workers.threads.loading import ThreadLoader
from workers.threads.thread import ActiveTurn, LoadedThread
from workers.threads.turn import TurnRun

SHUTDOWN_SECONDS_MAX = 10.0
"""What runs is given so long to be stopped and recorded."""

LOADED_MAX = 1_000
"""More loaded threads than this, and the one that was used the longest ago, is idle and has no listener is unloaded."""


@attrs.define(eq=False)
class ThreadManager:
    """The loaded threads of a process. was_cut_off: a turn did not stop within its bound and was ended."""

    nursery: trio.Nursery
    loader: ThreadLoader
    models: TurnModels
    indexer: ThreadIndexer
    now_ms: Callable[[], int]
    is_closing: bool = False
    was_cut_off: bool = False
    _threads: OrderedDict[str, LoadedThread] = attrs.field(factory=OrderedDict)
    _loading: trio.Lock = attrs.field(factory=trio.Lock)

    def ids(self) -> list[str]:
        """The ids of the loaded threads, in no order."""
        return list(self._threads)

    def get(self, thread_id: str) -> LoadedThread | None:
        """The loaded thread of this id."""
        return self._threads.get(thread_id)

    def look(self, thread_id: str) -> LiveView | None:
        """A loaded thread as it is now; None for one that is not loaded."""
        thread = self._threads.get(thread_id)
        return None if thread is None else thread.look()

    def default_model(self, provider: str) -> str:
        """The model that is asked where nobody names one."""
        return self.models.model_default(provider)

    def has_provider(self, provider: str) -> bool:
        """Whether the configuration knows a provider of this name."""
        return self.models.has_provider(provider)

    async def start(self, new: NewThread) -> LiveView:
        """Load a new thread. Nothing of it is on disk before something is said in it. Asking again makes another."""
        return await self._load(await self.loader.new(new))

    async def resume(self, row: Thread, changes: Mapping[str, Any], defaults: LiveSettings) -> LiveView:
        """Load a thread from its rollout, or give the one that is loaded. Asking again is safe.

        Args:
          row: the thread as the index has it, with the path of its rollout.
          changes, defaults: as for `LiveSettings.changed`; the defaults count where the rollout says nothing.

        Raises:
          LiveError: another program writes this thread.
          OSError: the rollout cannot be read or written.
        """
        async with self._loading:
            loaded = self._threads.get(row.id)
            if loaded is not None:
                return loaded.look()
            return await self._load(await self.loader.stored(row, changes, defaults))

    async def fork(self, source: Thread, new: NewThread, changes: Mapping[str, Any], cut: ForkCut) -> LiveView:
        """Load a new thread that begins with the history of another. Its rollout is there at once.

        Raises:
          LiveError: there is no such turn to cut at, or the cut is of one that leaves nothing behind.
          OSError: the source cannot be read, or the rollout not be written.
        """
        return await self._load(await self.loader.fork(source, new, changes, cut))

    def listen(self, thread_id: str, key: object, tell: Tell) -> bool:
        """Have somebody told of what happens in a thread; False when it is not loaded. Asking again is safe."""
        thread = self._threads.get(thread_id)
        if thread is not None:
            thread.listeners[key] = tell
        return thread is not None

    def leave(self, thread_id: str, key: object) -> bool | None:
        """Tell somebody no more. None when the thread is not loaded; False for one who did not listen."""
        thread = self._threads.get(thread_id)
        return None if thread is None else thread.listeners.pop(key, None) is not None

    def leave_all(self, key: object) -> None:
        """Somebody is gone. The turns that they asked for go on."""
        for thread in self._threads.values():
            thread.listeners.pop(key, None)

    async def start_turn(self, thread_id: str, said: TurnInput) -> tuple[str, Callable[[], None]]:
        """Say something in a thread: a turn of its own, or part of the one that runs.

        Returns:
          The turn's id, and what lets it begin; call that once whoever asked has been answered.

        Raises:
          LiveError: the thread is not loaded.
        """
        while True:
            thread = self._threads.get(thread_id)
            if thread is None or self.is_closing:
                raise LiveError(f"thread not found: {thread_id}")
            running = thread.turn
            if running is None:
                break
            if running.takes_more:
                running.waiting.append(said)
                return running.id, _nothing
            await running.done.wait()
        self._threads.move_to_end(thread_id)
        thread.settings = thread.settings.changed(said.settings)
        if said.settings:
            thread.settings_known = False
        turn = ActiveTurn(id=uuid7(self.now_ms()), said=said)
        thread.turn = turn
        self.nursery.start_soon(self._run, thread, turn)
        return turn.id, turn.begin.set

    def active_turn(self, thread_id: str) -> str | None:
        """The id of the turn that a thread is in.

        Raises:
          LiveError: the thread is not loaded.
        """
        thread = self._threads.get(thread_id)
        if thread is None:
            raise LiveError(f"thread not found: {thread_id}")
        return thread.turn.id if thread.turn is not None else None

    def stop_turn(self, thread_id: str) -> None:
        """Stop the turn that a thread is in, if it is in one. Asking again is safe."""
        thread = self._threads.get(thread_id)
        if thread is not None and thread.turn is not None:
            thread.turn.begin.set()
            thread.turn.asking.cancel()

    async def wait_for_turn(self, thread_id: str) -> str | None:
        """Return once the thread is in no turn; with the reason if the last one failed."""
        thread = self._threads.get(thread_id)
        turn = thread.turn if thread is not None else None
        if turn is None:
            return None
        await turn.done.wait()
        return turn.failure

    async def unload(self, thread_id: str) -> bool:
        """Stop what runs in a thread, forget it here and give its lock back; its rollout stays. False for another."""
        thread = self._threads.get(thread_id)
        if thread is None:
            return False
        await self._stop(thread)
        self._threads.pop(thread_id, None)
        await self._forget(thread)
        return True

    async def close(self) -> None:
        """Stop all turns and wait until they are recorded, within SHUTDOWN_SECONDS_MAX. Asking again is safe."""
        self.is_closing = True
        async with trio.open_nursery() as stopping:
            for thread in self._threads.values():
                stopping.start_soon(self._stop, thread)
        for thread in self._threads.values():
            await self._forget(thread)

    async def _stop(self, thread: LoadedThread) -> None:
        turn = thread.turn
        if turn is None:
            return
        self.stop_turn(thread.id)
        with trio.move_on_after(SHUTDOWN_SECONDS_MAX) as patience:
            await turn.done.wait()
        if patience.cancelled_caught:
            turn.everything.cancel()
            self.was_cut_off = True

    async def _run(self, thread: LoadedThread, turn: ActiveTurn) -> None:
        try:
            with turn.everything:
                await turn.begin.wait()
                await self._catch_up(thread)
                run = TurnRun(thread, turn, self.models, self.indexer.index, self.now_ms)
                await run.run()
                if thread.path is not None:
                    thread.recorded_bytes = await self.loader.size_bytes(thread.path)
        finally:
            thread.turn = None
            turn.done.set()

    async def _catch_up(self, thread: LoadedThread) -> None:
        """Take in what another program has recorded in the thread's rollout since we did."""
        if (
            thread.path is None
            or not thread.is_recorded
            or await self.loader.size_bytes(thread.path) == thread.recorded_bytes
        ):
            return
        try:
            history = await self.loader.history(thread.path)
        except (OSError, LiveError):
            return
        thread.items = history.items
        recorder = thread.recorder
        recorder.next_ordinal = history.next_ordinal
        recorder.last_turn_ordinal, recorder.last_item_ordinal = history.last_turn_ordinal, history.last_item_ordinal

    async def _load(self, thread: LoadedThread) -> LiveView:
        self._threads[thread.id] = thread
        for thread_id, other in list(self._threads.items()):
            if len(self._threads) <= LOADED_MAX:
                break
            if other.turn is None and not other.listeners and other is not thread:
                del self._threads[thread_id]
                await self._forget(other)
        return thread.look()

    async def _forget(self, thread: LoadedThread) -> None:
        if thread.path is not None:
            self.indexer.forget(thread.path)
        if thread.recorder.lines is not None:
            await trio.to_thread.run_sync(thread.recorder.lines.release)


@asynccontextmanager
async def thread_manager(
    codex_home: Path,
    handle: StateHandle | None,
    models: TurnModels,
    *,
    redact: Redact,
    provider_default: str,
    now_ms: Callable[[], int],
) -> AsyncIterator[ThreadManager]:
    """Manage threads for the block; at its end what runs is stopped and recorded as stopped."""
    indexer = ThreadIndexer(handle, codex_home, redact, provider_default)
    async with trio.open_nursery() as nursery:
        loader = ThreadLoader(codex_home, indexer, now_ms)
        manager = ThreadManager(nursery, loader, models, indexer, now_ms)
        try:
            yield manager
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 2 * SHUTDOWN_SECONDS_MAX):
                await manager.close()


def _nothing() -> None:
    """The turn runs already."""
