"""`thread/read`: one thread, without loading it."""

from typing import Any

import attrs

from interfaces.rpc.errors import METHOD_NOT_FOUND, RpcError
from interfaces.rpc.found_thread import row_of, stored_thread, turns_of, with_live_members
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object
from interfaces.rpc.read_state import read_state
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, text
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.thread_object import thread_object
from interfaces.rpc.turn_object import turn_object
from state.live import LEGACY, LiveView

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

    A legacy thread without its turns shows the moment of its making as that of its update, as the original's does: it
    takes both from the file.
    """
    wanted = thread_id(params.thread_id)
    live = host.loaded.look(wanted)
    if live is not None:
        return await read_loaded(host, session, live, include_turns=params.include_turns)
    stored = await stored_thread(host, wanted)
    thread = stored.thread
    turns, updated_at_ms = None, None
    if params.include_turns:
        if thread.history_mode != LEGACY:
            await session.notify("deprecationNotice", {"summary": DEPRECATED, "details": None})
        turns = [turn_object(turn) for turn in (await turns_of(host, thread)).turns]
    elif thread.history_mode == LEGACY and thread.preview and stored.has_file:
        updated_at_ms = thread.created_at_ms
    shown = thread_object(thread, host.codex_home, updated_at_ms=updated_at_ms, turns=turns)
    return {"thread": with_live_members(host, thread, shown), "readState": read_state(thread)}


async def read_loaded(host: Host, session: Session, live: LiveView, *, include_turns: bool) -> dict[str, Any]:
    """A loaded thread: as it is stored where it is, with what is live of it.

    Raises:
      RpcError: its turns are wanted, and it has no rollout to read them from.
    """
    turns: list[dict[str, Any]] = []
    if include_turns:
        if live.ephemeral:
            raise RpcError("ephemeral threads do not support includeTurns")
        if not live.is_recorded:
            raise _nothing_said(live)
        if live.row.history_mode != LEGACY:
            await session.notify("deprecationNotice", {"summary": DEPRECATED, "details": None})
        turns = [turn_object(turn) for turn in (await turns_of(host, live.row)).turns]
    row = await row_of(host, live.id)
    return {
        "thread": live_object(live, row, host.codex_home, turns=turns),
        "readState": None if row is None else read_state(row),
    }


def _nothing_said(live: LiveView) -> RpcError:
    """In the original's words, which depend on how the thread is recorded."""
    if live.row.history_mode != LEGACY:
        return RpcError("list_turns is not supported yet", METHOD_NOT_FOUND)
    return RpcError(f"thread {live.id} is not materialized yet; includeTurns is unavailable before first user message")
