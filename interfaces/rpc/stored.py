"""The stored thread that a request is about: its row and its rollout; from the file alone where there is no store."""

import os
from typing import Any

import attrs
import trio

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from state.ids import ThreadId
from state.lookup import RolloutPlace, find_rollout
from state.messages.threads import GetThread, Thread, ThreadFound
from state.rollouts import FoundRollout, locate_rollout, read_rollout, thread_id_of
from state.rollouts.fold_state import DEFAULT_APPROVAL, DEFAULT_HISTORY_MODE, DEFAULT_SOURCE
from state.rollouts.permissions import READ_ONLY
from state.rollouts.stored_turns import turns_of


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


async def stored_turns(host: Host, path: str, running: str | None) -> list[dict[str, Any]]:
    """All turns of a rollout. running: the id of the one that goes on now."""

    def read() -> list[dict[str, Any]]:
        return turns_of(host.codex_home, path, locate, is_running=lambda turn_id: turn_id == running)

    def locate(thread_id: str) -> str | None:
        wanted = thread_id_of(thread_id)
        located = None if wanted is None else locate_rollout(host.codex_home, wanted)
        return None if located is None else located.found.path

    return await trio.to_thread.run_sync(read, abandon_on_cancel=True)


def _relative(host: Host, place: RolloutPlace) -> str:
    return os.path.relpath(host.codex_home / place.path, host.codex_home)


def _from_file(host: Host, thread_id: ThreadId, path: str) -> Thread:
    status = os.stat(host.codex_home / path, follow_symlinks=False)
    found = FoundRollout(
        path=path, archived=False, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino
    )
    facts = read_rollout(host.codex_home, found, None, redact=host.redact).facts
    if facts is None:
        raise RpcError(f"no rollout found for thread id {thread_id}")
    mtime_ms = status.st_mtime_ns // 1_000_000
    known: dict[str, Any] = {
        field.name: getattr(facts, field.name, None)
        for field in attrs.fields(Thread)
        if getattr(facts, field.name, None) is not None
    }
    given: dict[str, Any] = {
        "id": thread_id,
        "rollout_path": path,
        "created_at_ms": mtime_ms,
        "updated_at_ms": mtime_ms,
        "recency_at_ms": mtime_ms,
        "archived_at_ms": None,
        "source": DEFAULT_SOURCE,
        "originator": "",
        "model_provider": host.defaults.model_provider,
        "cwd": "",
        "cli_version": "",
        "history_mode": DEFAULT_HISTORY_MODE,
        "memory_mode": "enabled",
        "title": "",
        "preview": "",
        "first_user_message": "",
        "sandbox_policy": READ_ONLY,
        "approval_mode": DEFAULT_APPROVAL,
        "tokens_used": 0,
        "content_revision": 0,
    }
    empty: dict[str, Any] = {field.name: None for field in attrs.fields(Thread)}
    return Thread(**{**empty, **given, **known, "id": thread_id, "rollout_path": path})
