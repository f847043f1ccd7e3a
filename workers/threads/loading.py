"""A thread is made ready to be loaded: a new one, one from its rollout, or a fork of one."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from state.ids import ThreadId
from state.live import LEGACY, PAGINATED, ForkCut, LiveError, LiveSettings, NewThread
from state.messages.threads import Thread
from state.rollouts import locate_rollout, thread_id_of
from state.rollouts.writer_lock import ActiveWriterError
from workers.threads import payloads
from workers.threads.forking import ForkSource, fork_lines
from workers.threads.git import git_of
from workers.threads.history import History, read_history
from workers.threads.identifiers import uuid7
from workers.threads.indexing import ThreadIndexer
from workers.threads.recording import HeldRollout, Lines, Recorder, rollout_path
from workers.threads.rows import new_row
from workers.threads.thread import LoadedThread


@attrs.frozen
class ThreadLoader:
    """Makes loaded threads of one Codex home."""

    codex_home: Path
    indexer: ThreadIndexer
    now_ms: Callable[[], int]

    async def new(self, new: NewThread) -> LoadedThread:
        """A new thread. Nothing of it is on disk before something is said in it."""
        at_ms = self.now_ms()
        thread_id = uuid7(at_ms)
        path = None if new.ephemeral else rollout_path(thread_id, at_ms)
        git = await trio.to_thread.run_sync(git_of, new.settings.cwd)
        row = new_row(new, thread_id, path or "", at_ms)
        return LoadedThread(
            row=row,
            path=path,
            settings=new.settings,
            recorder=self._recorder(thread_id, path, 0 if row.history_mode == PAGINATED else None),
            items=[],
            window_id=uuid7(at_ms),
            git=git,
        )

    async def stored(self, row: Thread, changes: Mapping[str, Any], defaults: LiveSettings) -> LoadedThread:
        """A thread from its rollout, whose one writer this process is from now on. Else as `ThreadManager.resume`."""
        path = row.rollout_path
        held = HeldRollout(self.codex_home, path, row.id)
        try:
            await trio.to_thread.run_sync(held.hold)
        except ActiveWriterError as error:
            raise LiveError(str(error)) from error
        async with _released_if_it_fails(held):
            history = await self.history(path)
            has_model = history.model is not None and changes.get("model") is None
            settings = attrs.evolve(
                defaults,
                model=history.model or defaults.model,
                # How long a model may think is said of that model.
                reasoning_effort=history.reasoning_effort if has_model else defaults.reasoning_effort,
                model_provider=row.model_provider or defaults.model_provider,
                cwd=row.cwd or defaults.cwd,
            ).changed(changes)
            thread = self._of_history(row, path, history, settings, held)
            if not thread.settings_known:
                # Read before it is written: a thread that is only loaded was not used just now.
                await self.indexer.index(path)
                await thread.recorder.write(payloads.settings_applied(row.id, settings))
                thread.settings_known = True
                thread.row = attrs.evolve(thread.row, updated_at_ms=self.now_ms())
                await self.indexer.index(path)
                thread.recorded_bytes = await self.size_bytes(path)
        return thread

    async def fork(self, source: Thread, new: NewThread, changes: Mapping[str, Any], cut: ForkCut) -> LoadedThread:
        """A new thread that begins with the history of another; its rollout is there. Else as `ThreadManager.fork`."""
        if new.ephemeral and cut != ForkCut():
            raise LiveError("an ephemeral fork takes all of its source")
        history = await self.history(source.rollout_path)
        settings = attrs.evolve(new.settings, cwd=source.cwd or new.settings.cwd).changed(changes)
        at_ms = self.now_ms()
        thread_id = uuid7(at_ms)
        path = None if new.ephemeral else rollout_path(thread_id, at_ms)
        new = attrs.evolve(new, settings=settings, history_mode=history.history_mode)
        git = await trio.to_thread.run_sync(git_of, settings.cwd)
        row = attrs.evolve(
            new_row(new, thread_id, path or "", at_ms),
            forked_from_id=source.id,
            originator=source.originator or new.originator,
            preview=source.preview,
            first_user_message=source.first_user_message,
            title=source.title,
        )
        thread = LoadedThread(
            row=row,
            path=path,
            settings=settings,
            recorder=self._recorder(thread_id, path, None),
            items=history.items,
            window_id=uuid7(at_ms),
            git=git,
        )
        taken = await trio.to_thread.run_sync(
            fork_lines, ForkSource(self.codex_home, source.rollout_path, source.id, history.history_mode), cut
        )
        if not taken.is_cut:
            thread.usage = history.usage
            thread.recorder.last_turn_ordinal = history.last_turn_ordinal
            thread.recorder.last_item_ordinal = history.last_item_ordinal
        thread.recorder.next_ordinal = taken.next_ordinal
        first = payloads.session_meta(thread.look(), thread.window_id, taken.meta, git)
        if thread.path is not None:
            applied = payloads.settings_applied(thread_id, settings)
            is_copy = history.history_mode == LEGACY
            rest = [*taken.copied, *taken.ended, applied] if is_copy else [applied, *taken.ended]
            async with _released_if_it_fails(thread.recorder.lines):
                await thread.recorder.write(first, *rest)
                thread.begin_recorded()
                await self.indexer.index(thread.path)
                thread.recorded_bytes = await self.size_bytes(thread.path)
                if taken.is_cut:
                    left = await self.history(thread.path)
                    thread.items, thread.usage = left.items, left.usage
                    thread.recorder.last_turn_ordinal = left.last_turn_ordinal
                    thread.recorder.last_item_ordinal = left.last_item_ordinal
                    if not left.has_message:
                        thread.row = attrs.evolve(thread.row, preview="", first_user_message="", title="")
        return thread

    def _recorder(self, thread_id: str, path: str | None, next_ordinal: int | None) -> Recorder:
        lines = None if path is None else HeldRollout(self.codex_home, path, ThreadId(thread_id))
        return Recorder(lines=lines, next_ordinal=next_ordinal, now_ms=self.now_ms)

    async def history(self, path: str) -> History:
        """What a rollout says. Raises OSError."""
        return await trio.to_thread.run_sync(read_history, self.codex_home, path, self._locate)

    def _locate(self, thread_id: str) -> str | None:
        wanted = thread_id_of(thread_id)
        located = None if wanted is None else locate_rollout(self.codex_home, wanted)
        return None if located is None else located.found.path

    async def size_bytes(self, path: str) -> int:
        """How long a rollout is; -1 when nobody can say."""
        try:
            status = await trio.Path(self.codex_home / path).stat()
        except OSError:
            return -1
        return status.st_size

    def _of_history(
        self, row: Thread, path: str, history: History, settings: LiveSettings, held: HeldRollout
    ) -> LoadedThread:
        return LoadedThread(
            row=attrs.evolve(row, updated_at_ms=history.last_at_ms or row.updated_at_ms),
            path=path,
            settings=settings,
            recorder=Recorder(
                lines=held,
                next_ordinal=history.next_ordinal,
                now_ms=self.now_ms,
                last_turn_ordinal=history.last_turn_ordinal,
                last_item_ordinal=history.last_item_ordinal,
            ),
            items=history.items,
            usage=history.usage,
            is_recorded=True,
            settings_known=history.says(settings),
            recorded_bytes=history.size_bytes,
        )


@asynccontextmanager
async def _released_if_it_fails(lines: Lines | None) -> AsyncIterator[None]:
    """A thread that could not be loaded keeps nobody from writing it."""
    try:
        yield
    except BaseException:
        if lines is not None:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(lines.release)
        raise
