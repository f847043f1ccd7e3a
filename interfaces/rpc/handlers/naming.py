"""`thread/name/set`: what people call a thread."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.handlers.stored import edit_refusals, editable
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import member, text
from interfaces.rpc.thread_ids import thread_id
from state.thread_editing import set_name


@attrs.frozen(kw_only=True)
class ThreadSetNameParams:
    """Which thread, and its name."""

    thread_id: str = member(text)
    name: str = member(text)


async def name_thread(host: Host, session: Session, params: ThreadSetNameParams) -> dict[str, Any]:
    """Name it, and tell everybody."""
    wanted = thread_id(params.thread_id)
    name = params.name.strip()
    if not name:
        raise RpcError("thread name must not be empty")
    with edit_refusals(wanted, "set thread name"):
        await editable(host, wanted, needs_rollout=True)
        await set_name(host.storage, wanted, name)
    host.clients.tell(session, "thread/name/updated", {"threadId": wanted, "threadName": name})
    return {}
