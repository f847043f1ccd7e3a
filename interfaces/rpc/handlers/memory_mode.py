"""`thread/memoryMode/set`: whether a thread may be remembered."""

from typing import Any

import attrs

from interfaces.rpc.handlers.stored import edit_refusals, editable
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import member, text, variant
from interfaces.rpc.thread_ids import thread_id
from state.messages.thread_edits import MemoryMode
from state.thread_editing import set_memory_mode


@attrs.frozen(kw_only=True)
class ThreadMemoryModeSetParams:
    """Which thread. mode: "enabled" or "disabled"; that it is polluted only its own turns say."""

    thread_id: str = member(text)
    mode: str = member(variant(MemoryMode.ENABLED.value, MemoryMode.DISABLED.value))


async def set_mode(host: Host, session: Session, params: ThreadMemoryModeSetParams) -> dict[str, Any]:
    """Say it. Nobody is told."""
    wanted = thread_id(params.thread_id)
    with edit_refusals(wanted, "set thread memory mode"):
        live = await editable(host, wanted)
        await set_memory_mode(host.storage, wanted, MemoryMode(params.mode), live)
    return {}
