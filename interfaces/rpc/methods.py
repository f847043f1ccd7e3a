"""Which methods there are, what each takes, and who answers it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from interfaces.rpc import shapes
from interfaces.rpc.errors import RpcError
from interfaces.rpc.handlers import (
    archiving,
    deleting,
    forking,
    handshake,
    listing,
    loaded,
    memory_mode,
    metadata,
    naming,
    reading,
    resuming,
    searching,
    starting,
    turning,
    turns,
)
from interfaces.rpc.host import Host
from interfaces.rpc.messages import Call
from interfaces.rpc.session import Session

Handler = Callable[[Host, Session, Any], Awaitable[Any]]


@attrs.frozen(kw_only=True)
class Method:
    """One method.

    Attributes:
      params: the attrs class of its parameters.
      handle: answers it.
      experimental: parameters, as they stand on the line, that only a client may give that said it is experimental.
      is_experimental: only such a client may ask at all.
    """

    params: type[Any]
    handle: Handler
    experimental: tuple[str, ...] = ()
    is_experimental: bool = False


INITIALIZE = "initialize"

METHODS: dict[str, Method] = {
    INITIALIZE: Method(params=handshake.InitializeParams, handle=handshake.initialize),
    "thread/archive": Method(params=archiving.ThreadArchiveParams, handle=archiving.archive_thread),
    "thread/delete": Method(params=deleting.ThreadDeleteParams, handle=deleting.delete_thread),
    "thread/unarchive": Method(params=archiving.ThreadUnarchiveParams, handle=archiving.unarchive_thread),
    "thread/name/set": Method(params=naming.ThreadSetNameParams, handle=naming.name_thread),
    "thread/memoryMode/set": Method(params=memory_mode.ThreadMemoryModeSetParams, handle=memory_mode.set_mode),
    "thread/metadata/update": Method(params=metadata.ThreadMetadataUpdateParams, handle=metadata.update_metadata),
    "thread/list": Method(
        params=listing.ThreadListParams,
        handle=listing.list_threads,
        experimental=("parentThreadId", "ancestorThreadId", "attachedToThreadId", "projectId"),
    ),
    "thread/loaded/list": Method(params=loaded.ThreadLoadedListParams, handle=loaded.list_loaded),
    "thread/start": Method(
        params=starting.ThreadStartParams,
        handle=starting.start_thread,
        experimental=("historyMode", "dynamicTools", "environments", "permissions"),
    ),
    "thread/resume": Method(
        params=resuming.ThreadResumeParams,
        handle=resuming.resume_thread,
        experimental=("history", "path", "permissions"),
    ),
    "thread/fork": Method(
        params=forking.ThreadForkParams, handle=forking.fork_thread, experimental=("path", "permissions")
    ),
    "thread/unsubscribe": Method(params=starting.ThreadUnsubscribeParams, handle=starting.unsubscribe),
    "turn/start": Method(params=turning.TurnStartParams, handle=turning.start_turn),
    "turn/interrupt": Method(params=turning.TurnInterruptParams, handle=turning.interrupt_turn),
    "thread/read": Method(params=reading.ThreadReadParams, handle=reading.read_thread),
    "thread/search": Method(params=searching.ThreadSearchParams, handle=searching.search_threads, is_experimental=True),
    "thread/searchOccurrences": Method(
        params=searching.ThreadSearchOccurrencesParams, handle=searching.search_occurrences, is_experimental=True
    ),
    "thread/turns/list": Method(params=turns.ThreadTurnsListParams, handle=turns.list_turns),
    "thread/items/list": Method(params=turns.ThreadItemsListParams, handle=turns.list_items),
}


def dispatch(host: Host, session: Session, call: Call) -> Callable[[], Awaitable[Any]]:
    """Find who answers a request, and decode what it is about. Nothing is done until the answer is called.

    Raises:
      RpcError: it is refused; so may the answer.
    """
    method = METHODS.get(call.method)
    if method is None:
        raise RpcError(f"Invalid request: unknown variant `{call.method}`, expected {shapes.one_of(tuple(METHODS))}")
    params = shapes.decode(method.params, call.params)
    if call.method != INITIALIZE and not session.is_initialized:
        raise RpcError("Not initialized")
    if method.is_experimental and not session.is_experimental:
        raise RpcError(f"{call.method} requires experimentalApi capability")
    if not session.is_experimental and isinstance(call.params, dict):
        for name in method.experimental:
            if call.params.get(name) is not None:
                raise RpcError(f"{call.method}.{name} requires experimentalApi capability")
    return functools.partial(method.handle, host, session, params)
