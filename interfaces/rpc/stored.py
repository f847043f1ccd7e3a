"""The stored thread that a request is about: its row and its rollout; from the file alone where there is no store."""

import os

import attrs
import trio

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from state.ids import ThreadId
from state.lookup import RolloutPlace, find_rollout
from state.messages.threads import GetThread, Thread, ThreadFound
from state.rollouts import find_rollouts
from state.unindexed import read_thread


async def row_of(host: Host, thread_id: ThreadId) -> Thread | None:
    """The thread's row; None when it has none, or there is no store."""
    found = await host.handle.ask(GetThread(thread_id=thread_id)) if host.handle is not None else None
    return found.thread if isinstance(found, ThreadFound) else None


async def resumable(host: Host, thread_id: ThreadId) -> Thread:
    """The row of a thread that has a rollout among the active ones, with the path of that.

    Raises:
      RpcError: there is no rollout, or it is archived.
    """
    place = await find_rollout(
        host.handle,
        host.codex_home,
        thread_id,
        redact=host.redact,
        model_provider_default=host.defaults.model_provider,
    )
    if place is None:
        raise RpcError(f"no rollout found for thread id {thread_id}")
    if place.archived:
        raise RpcError(f"session {thread_id} is archived. Run `codex unarchive {thread_id}` to unarchive it first.")
    row = await row_of(host, thread_id)
    if row is not None:
        return attrs.evolve(row, rollout_path=_relative(host, place))
    return await trio.to_thread.run_sync(_from_file, host, thread_id, _relative(host, place), abandon_on_cancel=True)


def _relative(host: Host, place: RolloutPlace) -> str:
    return os.path.relpath(host.codex_home / place.path, host.codex_home)


def _from_file(host: Host, thread_id: ThreadId, path: str) -> Thread:
    for found in find_rollouts(host.codex_home, (path,))[0]:
        thread = read_thread(
            host.codex_home, found, redact=host.redact, model_provider_default=host.defaults.model_provider
        )
        if thread is not None and thread.id == thread_id:
            return thread
    raise RpcError(f"no rollout found for thread id {thread_id}")
