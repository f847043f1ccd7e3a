"""What the handlers share that change stored threads: the live thread, the answer's object, and words for refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from interfaces.rpc.errors import RpcError, internal
from interfaces.rpc.host import Host, LiveThread
from interfaces.rpc.thread_object import thread_object
from state.ids import ThreadId
from state.live import LEGACY, PAGINATED
from state.messages.threads import Thread
from state.rollouts.meta_line import MetaError
from state.rollouts.writer_lock import ActiveWriterError
from state.thread_deleting import HistoryNeededError
from state.thread_storage import NoRolloutError, ThreadChangeError, insert_row


def stored_object(host: Host, row: Thread, live: LiveThread | None = None) -> dict[str, Any]:
    """The object of a thread in an answer about that one thread.

    A legacy thread that is looked at by itself shows the moment of its making as that of its update: the original takes
    both from its first line. In a listing both show the index's, and so does a thread in which nobody has spoken.
    """
    updated_at_ms = row.created_at_ms if row.history_mode == LEGACY and row.preview else None
    found = thread_object(row, host.codex_home, updated_at_ms=updated_at_ms)
    return found if live is None else {**found, **live.live_members()}


async def editable(host: Host, thread_id: ThreadId, *, needs_rollout: bool = False) -> LiveThread | None:
    """The live thread of this id, ready to have something said of it; None for one that is not live.

    One in which nobody spoke gets its rollout where the edit will stand in that, or needs_rollout. Else it gets a row
    for the edit, and no file before there is something to record.

    Raises:
      RpcError: it is kept nowhere.
      StoreMissingError: it needs a row, and there is no store.
    """
    live = host.loaded.get(thread_id)
    if live is not None and live.is_ephemeral:
        raise RpcError(f"ephemeral thread does not support metadata updates: {thread_id}")
    if live is None:
        return None
    view = host.loaded.look(thread_id)
    is_row_enough = view is not None and not view.is_recorded and view.row.history_mode == PAGINATED
    if view is not None and is_row_enough and not needs_rollout:
        await insert_row(host.storage, view.row)
    else:
        await live.materialize()
    return live


@contextmanager
def edit_refusals(thread_id: ThreadId, what: str) -> Iterator[None]:
    """Say in the original's words why an edit was refused. what: e.g. "set thread name"."""
    try:
        yield
    except NoRolloutError as error:
        raise RpcError(f"thread not found: {thread_id}" if error.has_row else str(error)) from error
    except (ActiveWriterError, MetaError) as error:
        kind = "conflict" if isinstance(error, ActiveWriterError) else "internal error"
        raise internal(
            f"failed to {what}: Fatal error: failed to update thread metadata {thread_id}: thread-store {kind}: {error}"
        ) from error
    except ThreadChangeError as error:
        raise internal(str(error)) from error


@contextmanager
def move_refusals() -> Iterator[None]:
    """Say in the original's words why a thread was not moved or deleted."""
    try:
        yield
    except (NoRolloutError, HistoryNeededError, ActiveWriterError) as error:
        raise RpcError(str(error)) from error
    except ThreadChangeError as error:
        raise internal(str(error)) from error
