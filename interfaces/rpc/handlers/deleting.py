"""`thread/delete`: a thread and the agents that it has started, gone for good."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.handlers.archiving import unload_all
from interfaces.rpc.handlers.stored import move_refusals
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import member, text
from interfaces.rpc.thread_ids import thread_id
from state.thread_deleting import delete


@attrs.frozen(kw_only=True)
class ThreadDeleteParams:
    """Which thread."""

    thread_id: str = member(text)


async def delete_thread(host: Host, session: Session, params: ThreadDeleteParams) -> dict[str, Any]:
    """Delete it; one that is live is ended first."""
    wanted = thread_id(params.thread_id)
    live = host.loaded.get(wanted)
    if live is not None and live.is_ephemeral:
        raise RpcError(f"thread is not persisted and cannot be deleted: {wanted}")
    if live is not None:
        await live.materialize()
    with move_refusals():
        await unload_all(host, session, wanted)
        deleted = await delete(host.storage, wanted)
    for one in deleted:
        host.clients.tell(session, "thread/deleted", {"threadId": one})
    return {}
