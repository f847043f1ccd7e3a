"""Finding the rollout of a thread: what the index says, if the file agrees; else the tree, and the row is put right.

Works without a store, by the tree alone. What goes wrong on the way costs time and is logged; it is never the answer.
"""

from pathlib import Path

import attrs
import structlog
import trio

from state.errors import StoreError
from state.ids import ThreadId
from state.messages.backfill import RolloutRead
from state.messages.thread_places import FindRolloutPath, RepairRolloutPath, RolloutPathFound, ThreadPlace
from state.messages.thread_rows import ApplyRolloutItems
from state.messages.threads import UnknownThread
from state.rollouts import (
    FoundRollout,
    HeadError,
    Redact,
    head_thread_id,
    locate_rollout,
    plain_reason,
    read_rollout,
    thread_id_of,
)
from state.store import StateHandle

log = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class RolloutPlace:
    """Where a thread's rollout is.

    Attributes:
      path: relative to the Codex home, or as the index has it.
      is_verified: False when nobody could look into the file, and no better one was found.
    """

    path: str
    archived: bool
    is_verified: bool


async def find_rollout(
    handle: StateHandle | None,
    codex_home: Path,
    thread_id: str,
    place: ThreadPlace = ThreadPlace.ANY,
    *,
    redact: Redact,
    model_provider_default: str,
) -> RolloutPlace | None:
    """Find the rollout of a thread. Doing it again is safe.

    A file that the index names is believed if its head names the thread, whatever the file is called. Else the tree is
    searched, and the thread's row corrected, or written anew where there is none.

    Args:
      redact: goes over what is written into a row that is missing.
      model_provider_default: for such a row, if the rollout names no provider.

    Returns:
      None for an id that is no UUID, and for a thread that has no rollout in this place.
    """
    wanted = thread_id_of(thread_id)
    if wanted is None:
        return None
    known = await _path_in_index(handle, wanted, place)
    unverified: RolloutPlace | None = None
    if known is not None:
        verdict = await trio.to_thread.run_sync(_verdict, codex_home, known.path, wanted, abandon_on_cancel=True)
        if verdict is not False:
            unverified = RolloutPlace(path=known.path, archived=known.archived, is_verified=bool(verdict))
        if verdict:
            return unverified
    located = await trio.to_thread.run_sync(
        lambda: locate_rollout(
            codex_home,
            wanted,
            active=place is not ThreadPlace.ARCHIVED,
            archived=place is not ThreadPlace.ACTIVE,
        ),
        abandon_on_cancel=True,
    )
    if located is None or (unverified is not None and not located.is_verified):
        return unverified
    if located.is_verified and handle is not None and not handle.is_read_only:
        await _repair(handle, codex_home, wanted, located.found, redact, model_provider_default)
    return RolloutPlace(path=located.found.path, archived=located.found.archived, is_verified=located.is_verified)


async def _path_in_index(
    handle: StateHandle | None, thread_id: ThreadId, place: ThreadPlace
) -> RolloutPathFound | None:
    if handle is None:
        return None
    try:
        answer = await handle.ask(FindRolloutPath(thread_id=thread_id, place=place))
    except StoreError as error:
        log.warning("the index could not say where a rollout is", thread=thread_id, reason=str(error))
        return None
    return answer if isinstance(answer, RolloutPathFound) else None


def _verdict(codex_home: Path, path: str, thread_id: ThreadId) -> bool | None:
    """Whether the file is the thread's; None when that cannot be told now."""
    try:
        holder = head_thread_id(codex_home, path)
    except FileNotFoundError:
        return False
    except HeadError as error:
        log.warning("a rollout does not say whose it is", thread=thread_id, reason=str(error))
        return None
    except OSError as error:
        log.warning("a rollout cannot be read", thread=thread_id, path=path, reason=plain_reason(error))
        return None
    if holder != thread_id:
        log.error("the index names the rollout of another thread", thread=thread_id, path=path, holder=holder)
    return holder == thread_id


async def _repair(
    handle: StateHandle,
    codex_home: Path,
    thread_id: ThreadId,
    found: FoundRollout,
    redact: Redact,
    model_provider_default: str,
) -> None:
    """Have the row say where the rollout was found; write it from the file where that cannot be."""
    try:
        answer = await handle.ask(RepairRolloutPath(thread_id=thread_id, path=found.path, archived=found.archived))
        if not isinstance(answer, UnknownThread):
            return
    except StoreError as error:
        log.warning("the place of a rollout could not be corrected", thread=thread_id, reason=str(error))
    try:
        reading = await trio.to_thread.run_sync(
            lambda: read_rollout(codex_home, found, None, redact=redact), abandon_on_cancel=True
        )
        await handle.ask(
            ApplyRolloutItems(
                read=RolloutRead(found=found, reading=reading), model_provider_default=model_provider_default
            )
        )
    except OSError as error:
        log.warning("a rollout cannot be read", thread=thread_id, path=found.path, reason=plain_reason(error))
    except StoreError as error:
        log.warning("a thread's row could not be written", thread=thread_id, reason=str(error))
