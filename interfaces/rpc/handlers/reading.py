"""`thread/read`: one thread, without loading it."""

from typing import Any

import attrs

from interfaces.rpc.found_thread import stored_thread, turns_of, with_live_members
from interfaces.rpc.handlers.stored import LEGACY
from interfaces.rpc.host import Host
from interfaces.rpc.read_state import read_state
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, text
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.thread_object import thread_object
from interfaces.rpc.turn_object import turn_object

DEPRECATED = (
    "Full-history hydration is deprecated for paginated threads; omit `includeTurns` or set it to `false`, then page"
    " with `thread/turns/list` and `thread/items/list`."
)


@attrs.frozen(kw_only=True)
class ThreadReadParams:
    """Which thread, and whether with what was said in it."""

    thread_id: str = member(text)
    include_turns: bool = member_or(False, boolean)


async def read_thread(host: Host, session: Session, params: ThreadReadParams) -> dict[str, Any]:
    """The thread as it is stored.

    A legacy thread without its turns shows the moment of its making as that of its update, as the original's does.
    """
    thread = await stored_thread(host, thread_id(params.thread_id))
    turns, updated_at_ms = None, None
    if params.include_turns:
        if thread.history_mode != LEGACY:
            await session.notify("deprecationNotice", {"summary": DEPRECATED, "details": None})
        turns = [turn_object(turn) for turn in (await turns_of(host, thread)).turns]
    elif thread.history_mode == LEGACY:
        updated_at_ms = thread.created_at_ms
    shown = thread_object(thread, host.codex_home, updated_at_ms=updated_at_ms, turns=turns)
    return {"thread": with_live_members(host, thread, shown), "readState": read_state(thread)}
