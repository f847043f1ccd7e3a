"""`thread/read`: one thread, without loading it."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.handlers.loaded import read_loaded
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, text
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.thread_object import thread_object
from state.messages.threads import GetThread, ThreadFound


@attrs.frozen(kw_only=True)
class ThreadReadParams:
    """Which thread, and whether with what was said in it."""

    thread_id: str = member(text)
    include_turns: bool = member_or(False, boolean)


async def read_thread(host: Host, session: Session, params: ThreadReadParams) -> dict[str, Any]:
    """The thread as it is stored."""
    wanted = thread_id(params.thread_id)
    live = await read_loaded(host, wanted, include_turns=params.include_turns)
    if live is not None:
        return live
    found = await host.handle.ask(GetThread(thread_id=wanted)) if host.handle is not None else None
    if not isinstance(found, ThreadFound):
        raise RpcError(f"thread not loaded: {wanted}")
    return {
        "thread": thread_object(found.thread, host.codex_home),
        "readState": {"firstUnread": None, "revision": f"initial:{wanted}"},
    }
