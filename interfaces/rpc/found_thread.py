"""One stored thread: its row, put right where its file says otherwise, or the file alone where there is no row."""

import os
from typing import Any

import attrs
import structlog
import trio

from interfaces.rpc.errors import METHOD_NOT_FOUND, RpcError
from interfaces.rpc.host import Host
from state.errors import StoreError
from state.ids import ThreadId
from state.live import LEGACY, PAGINATED
from state.lookup import find_rollout
from state.messages.threads import Thread
from state.rollouts import find_rollouts
from state.rollouts.turns import HistoryPart, ToldTurns, history_base, read_turns
from state.thread_storage import NoRolloutError, ThreadChangeError, find_row, rollout_of, settled_row
from state.unindexed import read_thread

log = structlog.get_logger(__name__)

BASES_MAX = 100
"""Forks of forks that are followed; a circle is not longer."""

REFRESH_SECONDS_MAX = 1.0
"""While somebody else reads a whole history, one thread is shown as the index has it."""


@attrs.frozen(kw_only=True)
class FoundThread:
    """A thread as it is stored. has_file: False where its rollout is away, so that only the index knows of it."""

    thread: Thread
    has_file: bool = True


async def stored_thread(host: Host, thread_id: ThreadId) -> FoundThread:
    """The thread as it is stored.

    A row whose file has gone on is read again; one whose file is elsewhere is put right; a missing one is made.

    Raises:
      RpcError: there is no such thread.
      OSError: its file cannot be read, and there is no row.
    """
    settled = await settled_row(host.storage, thread_id)
    if settled is not None:
        return FoundThread(thread=settled)
    row = await row_of(host, thread_id)
    try:
        place = await rollout_of(host.storage, thread_id)
    except NoRolloutError as error:
        if row is not None:
            return FoundThread(thread=row, has_file=False)
        raise _unknown(thread_id) from error
    except ThreadChangeError as error:
        if row is not None:
            return FoundThread(thread=row)
        raise RpcError(f"failed to read thread: {error}") from error
    thread = await _in_step(host, thread_id, place.path)
    if thread is None:
        raise _unknown(thread_id)
    return FoundThread(thread=thread)


async def paginated_thread(host: Host, thread_id: ThreadId, method: str) -> Thread:
    """A thread of the newer form; `method` is for no other.

    Raises:
      RpcError: it is of the older form, or there is none.
      OSError: its file cannot be read, and there is no row.
    """
    unsupported = RpcError(f"{method} is not supported yet", METHOD_NOT_FOUND)
    try:
        thread = (await stored_thread(host, thread_id)).thread
    except RpcError as error:
        raise unsupported from error
    if thread.history_mode == LEGACY:
        raise unsupported
    return thread


async def resumable(host: Host, thread_id: ThreadId) -> Thread:
    """The row of a thread that has a rollout among the active ones, with the path of that.

    Raises:
      RpcError: there is no rollout, or it is archived.
      OSError: it cannot be read, and there is no row.
    """
    place = await find_rollout(
        host.handle,
        host.codex_home,
        thread_id,
        redact=host.redact,
        model_provider_default=host.defaults.model_provider,
    )
    if place is not None and place.archived:
        raise RpcError(f"session {thread_id} is archived. Run `codex unarchive {thread_id}` to unarchive it first.")
    thread = None if place is None else await _in_step(host, thread_id, place.path)
    if place is None or thread is None:
        raise RpcError(f"no rollout found for thread id {thread_id}")
    return attrs.evolve(thread, rollout_path=_below_home(host, place.path))


async def row_of(host: Host, thread_id: ThreadId) -> Thread | None:
    """The thread's row; None when it has none, or the store cannot say."""
    if host.handle is None:
        return None
    try:
        return await find_row(host.handle, thread_id)
    except StoreError as error:
        log.warning("the index could not be asked for a thread", thread=thread_id, reason=str(error))
        return None


async def turns_of(host: Host, thread: Thread) -> ToldTurns:
    """The thread's turns.

    Raises:
      RpcError: its file is gone.
      OSError: its file cannot be read.
    """
    try:
        return await _told_turns(host, thread)
    except FileNotFoundError as error:
        if thread.history_mode == PAGINATED:
            reason = f"invalid paginated history lineage for {thread.id}: missing source rollout"
            raise RpcError(reason) from error
        raise _unknown(thread.id) from error


async def _told_turns(host: Host, thread: Thread) -> ToldTurns:
    parts = [HistoryPart(path=thread.rollout_path)]
    while len(parts) <= BASES_MAX:
        base = await trio.to_thread.run_sync(history_base, host.codex_home, parts[0].path, abandon_on_cancel=True)
        if base is None:
            break
        place = await find_rollout(
            host.handle,
            host.codex_home,
            base.thread_id,
            redact=host.redact,
            model_provider_default=host.defaults.model_provider,
        )
        if place is None or any(part.path == place.path for part in parts):
            log.warning("a thread goes on from one that is not there", thread=thread.id, base=base.thread_id)
            break
        parts.insert(0, HistoryPart(path=place.path, ordinal_end=base.ordinal_end))
    live = host.loaded.get(thread.id)
    is_live = live is not None and live.is_in_turn
    told = await trio.to_thread.run_sync(
        lambda: read_turns(host.codex_home, parts, is_live=is_live), abandon_on_cancel=True
    )
    if told.omitted_items or told.damage:
        log.warning("not all of a thread is shown", thread=thread.id, left_out=told.omitted_items, damage=told.damage)
    return told


def with_live_members(host: Host, thread: Thread, shown: dict[str, Any]) -> dict[str, Any]:
    """The object of a thread, with what only a live thread has where it is one."""
    live = host.loaded.get(thread.id)
    return shown if live is None else {**shown, **live.live_members()}


def _below_home(host: Host, path: str) -> str:
    return os.path.relpath(host.codex_home / path, host.codex_home)


def _unknown(thread_id: ThreadId) -> RpcError:
    return RpcError(f"thread not loaded: {thread_id}")


async def _in_step(host: Host, thread_id: ThreadId, path: str) -> Thread | None:
    """The row, once the index has read what is new in the file; what the file alone says where there is no row."""
    if host.handle is not None:
        try:
            with trio.move_on_after(REFRESH_SECONDS_MAX):
                await host.index.refresh([path])
        except StoreError as error:
            log.warning("a rollout could not be read again", thread=thread_id, reason=str(error))
    row = await row_of(host, thread_id)
    return row if row is not None else await _of_file(host, thread_id, path)


async def _of_file(host: Host, thread_id: ThreadId, path: str) -> Thread | None:
    def read() -> Thread | None:
        found = find_rollouts(host.codex_home, (path,))[0]
        return next(
            (
                read_thread(
                    host.codex_home, one, redact=host.redact, model_provider_default=host.defaults.model_provider
                )
                for one in found
            ),
            None,
        )

    thread = await trio.to_thread.run_sync(read, abandon_on_cancel=True)
    return None if thread is None or thread.id != thread_id else thread
