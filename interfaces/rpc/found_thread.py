"""One stored thread: its row, put right where its file says otherwise, or the file alone where there is no row."""

from typing import Any

import structlog
import trio

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from state.errors import StoreError
from state.ids import ThreadId
from state.lookup import find_rollout
from state.messages.threads import Thread
from state.rollouts import find_rollouts
from state.rollouts.turns import HistoryPart, ToldTurns, history_base, read_turns
from state.thread_storage import NoRolloutError, ThreadChangeError, find_row, rollout_of
from state.unindexed import read_thread

log = structlog.get_logger(__name__)

BASES_MAX = 100
"""Forks of forks that are followed; a circle is not longer."""

REFRESH_SECONDS_MAX = 1.0
"""While somebody else reads a whole history, one thread is shown as the index has it."""


async def stored_thread(host: Host, thread_id: ThreadId) -> Thread:
    """The thread as it is stored.

    A row whose file has gone on is read again; one whose file is elsewhere is put right; a missing one is made.

    Raises:
      RpcError: there is no such thread.
      OSError: its file cannot be read, and there is no row.
    """
    row = await _row(host, thread_id)
    try:
        place = await rollout_of(host.storage, thread_id)
    except NoRolloutError as error:
        if row is not None:
            return row  # its file is away; what is known of it is not
        raise _unknown(thread_id) from error
    except ThreadChangeError as error:
        if row is not None:
            return row
        raise RpcError(f"failed to read thread: {error}") from error
    if host.handle is not None:
        try:
            with trio.move_on_after(REFRESH_SECONDS_MAX):
                await host.index.refresh([place.path])
        except StoreError as error:
            log.warning("a rollout could not be read again", thread=thread_id, reason=str(error))
        row = await _row(host, thread_id)
    return row if row is not None else await _of_file(host, thread_id, place.path)


async def turns_of(host: Host, thread: Thread) -> ToldTurns:
    """The thread's turns.

    Raises:
      OSError: its file cannot be read.
    """
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
    is_live = host.loaded.get(thread.id) is not None
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


def _unknown(thread_id: ThreadId) -> RpcError:
    return RpcError(f"thread not loaded: {thread_id}")


async def _row(host: Host, thread_id: ThreadId) -> Thread | None:
    if host.handle is None:
        return None
    try:
        return await find_row(host.handle, thread_id)
    except StoreError as error:
        log.warning("the index could not be asked for a thread", thread=thread_id, reason=str(error))
        return None


async def _of_file(host: Host, thread_id: ThreadId, path: str) -> Thread:
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
    if thread is None or thread.id != thread_id:
        raise _unknown(thread_id)
    return thread
