"""`thread/loaded/list`: which threads are live in this process; and such a thread for `thread/read`."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import member_or, nullable, text, u32
from interfaces.rpc.stored import row_of, stored_turns
from state.ids import ThreadId


@attrs.frozen(kw_only=True)
class ThreadLoadedListParams:
    """A page of the loaded threads. limit: all when it is left out; 0 acts as 1."""

    cursor: str | None = member_or(None, nullable(text))
    limit: int | None = member_or(None, nullable(u32))


async def list_loaded(host: Host, session: Session, params: ThreadLoadedListParams) -> dict[str, Any]:
    """The ids in their order; the cursor is the last id of the page before."""
    ids = sorted(host.loaded.ids())
    if params.cursor is not None:
        ids = [one for one in ids if one > params.cursor]
    limit = len(ids) if params.limit is None else max(params.limit, 1)
    page = ids[:limit]
    return {"data": page, "nextCursor": page[-1] if len(ids) > limit else None}


async def read_loaded(host: Host, thread_id: ThreadId, *, include_turns: bool) -> dict[str, Any] | None:
    """The answer of `thread/read` for a loaded thread; None for one that is not loaded.

    Raises:
      RpcError: its turns are wanted, and it has no rollout to read them from.
    """
    live = host.loaded.look(thread_id)
    if live is None:
        return None
    turns: list[dict[str, Any]] = []
    if include_turns:
        if live.ephemeral:
            raise RpcError("ephemeral threads do not support includeTurns")
        if not live.is_recorded:
            raise RpcError(
                f"thread {thread_id} is not materialized yet; includeTurns is unavailable before first user message"
            )
        running = live.turn_id
        turns = await stored_turns(host, live.row.rollout_path, running)
    row = await row_of(host, thread_id)
    return {
        "thread": live_object(live, row, host.codex_home, turns=turns),
        "readState": None if row is None else {"firstUnread": None, "revision": f"initial:{thread_id}"},
    }
