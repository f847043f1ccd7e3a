"""`thread/archive` and `thread/unarchive`: out of sight and back, with the agents that a thread has started."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError, internal
from interfaces.rpc.handlers.stored import move_refusals, stored_object
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import member, text
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.thread_object import NOT_LOADED
from state.ids import ThreadId
from state.thread_moving import agents_of, archive, unarchive
from state.thread_storage import find_row, rollout_of, row_of_file


@attrs.frozen(kw_only=True)
class ThreadArchiveParams:
    """Which thread."""

    thread_id: str = member(text)


@attrs.frozen(kw_only=True)
class ThreadUnarchiveParams:
    """Which thread."""

    thread_id: str = member(text)


async def archive_thread(host: Host, session: Session, params: ThreadArchiveParams) -> dict[str, Any]:
    """Move it into the archive; one that is live is ended first."""
    wanted = thread_id(params.thread_id, what="session id")
    live = host.loaded.get(wanted)
    if live is not None and live.is_ephemeral:
        raise RpcError(f"no rollout found for thread id {wanted}")
    if live is not None:
        await live.materialize()
    with move_refusals():
        await unload_all(host, session, wanted)
        archived = await archive(host.storage, wanted)
    for one in archived:
        host.clients.tell(session, "thread/archived", {"threadId": one})
    return {}


async def unarchive_thread(host: Host, session: Session, params: ThreadUnarchiveParams) -> dict[str, Any]:
    """Move it back, and answer with it."""
    wanted = thread_id(params.thread_id, what="session id")
    with move_refusals():
        brought_back = await unarchive(host.storage, wanted)
        for one in brought_back:
            host.clients.tell(session, "thread/unarchived", {"threadId": one})
        found = await rollout_of(host.storage, wanted)
    row = await row_of_file(host.storage, found) if host.handle is None else await find_row(host.handle, wanted)
    if row is None:
        raise internal(f"failed to read unarchived thread {wanted}: there is no row of it")
    return {"thread": stored_object(host, row)}


async def unload_all(host: Host, session: Session, wanted: ThreadId) -> None:
    """End a thread and its agents where they are live, and tell everybody."""
    for one in (wanted, *await agents_of(host.storage, wanted)):
        if await host.loaded.unload(one):
            await host.clients.tell_first(
                session, "thread/status/changed", {"threadId": one, "status": dict(NOT_LOADED)}
            )
