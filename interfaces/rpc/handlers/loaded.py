"""`thread/loaded/list`: which threads are live in this process."""

from typing import Any

import attrs
import trio

from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import member_or, nullable, text, u32


@attrs.frozen(kw_only=True)
class ThreadLoadedListParams:
    """A page of the loaded threads. limit: all when it is left out; 0 acts as 1."""

    cursor: str | None = member_or(None, nullable(text))
    limit: int | None = member_or(None, nullable(u32))


async def list_loaded(host: Host, session: Session, params: ThreadLoadedListParams) -> dict[str, Any]:
    """The ids in their order; the cursor is the last id of the page before."""
    await trio.lowlevel.checkpoint()
    ids = sorted(host.loaded.ids())
    if params.cursor is not None:
        ids = [one for one in ids if one > params.cursor]
    limit = len(ids) if params.limit is None else max(params.limit, 1)
    page = ids[:limit]
    return {"data": page, "nextCursor": page[-1] if len(ids) > limit else None}
