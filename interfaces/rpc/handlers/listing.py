"""`thread/list`: a page of stored threads."""

from typing import Any

import attrs

from interfaces.rpc import cursors
from interfaces.rpc.errors import INVALID_PARAMS, RpcError
from interfaces.rpc.found_thread import with_live_members
from interfaces.rpc.host import Host
from interfaces.rpc.pages import page_of
from interfaces.rpc.read_state import read_states
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member_or, nullable, sequence, text, u32, untagged
from interfaces.rpc.shapes import variant as one_word_of
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.thread_object import thread_object
from state.ids import ThreadId
from state.messages.threads import (
    INTERACTIVE_KINDS,
    ListThreads,
    SourceKind,
    Thread,
    ThreadAnchor,
    ThreadDirection,
    ThreadPage,
    ThreadSort,
)
from state.rollouts.folders import absolute_folder

LIMIT_DEFAULT, LIMIT_MAX = 25, 100
EXCLUDED_MAX = 100

SECTION_POSITION = "section_position"

SORTS = ("created_at", "updated_at", "recency_at")
KINDS = tuple(kind.value for kind in SourceKind if kind is not SourceKind.NAMED_APP)
DIRECTIONS = ("asc", "desc")


@attrs.frozen(kw_only=True)
class ThreadListParams:
    """Which threads, in which order. What is null counts as left out: no thread here has a section or a project."""

    cursor: str | None = member_or(None, nullable(text))
    limit: int | None = member_or(None, nullable(u32))
    sort_key: str | None = member_or(None, nullable(one_word_of(*SORTS, SECTION_POSITION)))
    sort_direction: str | None = member_or(None, nullable(one_word_of(*DIRECTIONS)))
    model_providers: tuple[str, ...] | None = member_or(None, nullable(sequence(text)))
    source_kinds: tuple[str, ...] | None = member_or(None, nullable(sequence(one_word_of(*KINDS))))
    archived: bool | None = member_or(None, nullable(boolean))
    section_id: str | None = member_or(None, nullable(text))
    project_id: str | None = member_or(None, nullable(text))
    cwd: Any = member_or(None, nullable(untagged("ThreadListCwdFilter", text, sequence(text))))
    use_state_db_only: bool = member_or(False, boolean)
    current_account_only: bool = member_or(False, boolean)
    search_term: str | None = member_or(None, nullable(text))
    include_attached_threads: bool = member_or(False, boolean)
    parent_thread_id: str | None = member_or(None, nullable(text))
    ancestor_thread_id: str | None = member_or(None, nullable(text))
    attached_to_thread_id: str | None = member_or(None, nullable(text))
    originators: tuple[str, ...] | None = member_or(None, nullable(sequence(text)))
    excluded_thread_ids: tuple[str, ...] | None = member_or(None, nullable(sequence(text)))


async def list_threads(host: Host, session: Session, params: ThreadListParams) -> dict[str, Any]:
    """The page, with cursors for the one behind it and for the way back."""
    excluded = _excluded(params)
    _refuse_unsupported(params)
    parent, ancestor = _relatives(params)
    if params.sort_key == SECTION_POSITION and params.section_id is None:
        raise RpcError("section-position sorting requires a section filter")
    direction = direction_of(params.sort_direction)
    anchor = anchor_of(params.cursor, direction)
    if params.section_id is not None or params.attached_to_thread_id is not None:
        return {"data": [], "readStates": {}, "nextCursor": None, "backwardsCursor": None}  # nothing here has either
    has_relative = parent is not None or ancestor is not None
    wanted = ListThreads(
        limit=limit_of(params.limit),
        anchor=anchor,
        sort=ThreadSort.CREATED if params.sort_key in (None, SECTION_POSITION) else ThreadSort(params.sort_key),
        direction=direction,
        archived=bool(params.archived),
        model_providers=_providers(host, params, has_relative=has_relative),
        source_kinds=None if has_relative and not params.source_kinds else kinds_of(params.source_kinds),
        cwds=_folders(params.cwd),
        title_contains=params.search_term or None,
        parent_thread_id=parent,
        ancestor_thread_id=ancestor,
        excluded_ids=excluded,
    )
    page = await page_of(host, wanted, as_files_say=not params.use_state_db_only)
    data = [listed_object(host, thread, shows_parent=has_relative) for thread in page.threads]
    return {"data": data, "readStates": read_states(page.threads), **page_cursors(page, direction)}


def listed_object(host: Host, thread: Thread, *, shows_parent: bool = False) -> dict[str, Any]:
    """The object of a thread in a listing, where the original does not say what it was forked from and who began it."""
    parent = thread.parent_thread_id if shows_parent else None
    shown = thread_object(thread, host.codex_home, parent_thread_id=parent)
    return with_live_members(host, thread, {**shown, "forkedFromId": None, "threadSource": None})


def limit_of(limit: int | None) -> int:
    """How many threads a page holds at most."""
    return min(max(LIMIT_DEFAULT if limit is None else limit, 1), LIMIT_MAX)


def direction_of(word: str | None) -> ThreadDirection:
    """Which way round; the newest first where nothing is said."""
    return ThreadDirection.DESCENDING if word is None else ThreadDirection(word)


def anchor_of(cursor: str | None, direction: ThreadDirection) -> ThreadAnchor | None:
    """The place that a cursor names.

    Raises:
      RpcError: it names none.
    """
    return None if cursor is None else cursors.parse(cursor, direction)


def kinds_of(kinds: tuple[str, ...] | None) -> frozenset[SourceKind]:
    """The kinds of sources that are shown; those that people talk to where none is named."""
    return frozenset(SourceKind(kind) for kind in kinds) if kinds else INTERACTIVE_KINDS


def page_cursors(page: ThreadPage, direction: ThreadDirection) -> dict[str, str | None]:
    """The cursor behind the page, and the one for the way back."""
    first, last = page.first_anchor, page.next_anchor
    return {
        "nextCursor": None if last is None else cursors.behind(last),
        "backwardsCursor": None if first is None else cursors.backwards(first, direction),
    }


def _excluded(params: ThreadListParams) -> tuple[ThreadId, ...]:
    ids = params.excluded_thread_ids or ()
    if len(ids) > EXCLUDED_MAX:
        raise RpcError(f"excludedThreadIds accepts at most {EXCLUDED_MAX} entries", INVALID_PARAMS)
    found = (thread_id(one, what="excluded thread id", code=INVALID_PARAMS) for one in ids)
    return tuple(dict.fromkeys(found))


def _refuse_unsupported(params: ThreadListParams) -> None:
    """Refuse what no stored thread can pass, in the order in which the original looks at it."""
    if params.originators:
        raise RpcError("originator filtering is not supported by the local app-server", INVALID_PARAMS)
    if params.project_id is not None:
        if not params.project_id:
            raise RpcError("projectId must not be empty", INVALID_PARAMS)
        raise RpcError(f"project not found: {params.project_id}", INVALID_PARAMS)
    if params.include_attached_threads and not (params.search_term or "").strip():
        raise RpcError("includeAttachedThreads requires a non-empty searchTerm")


def _relatives(params: ThreadListParams) -> tuple[ThreadId | None, ThreadId | None]:
    """The parent and the ancestor whose sub-agents are asked for; at most one of them."""
    parent, ancestor, attached = params.parent_thread_id, params.ancestor_thread_id, params.attached_to_thread_id
    if attached is not None and (parent is not None or ancestor is not None):
        raise RpcError("attachedToThreadId cannot be combined with parentThreadId or ancestorThreadId")
    if parent is not None and ancestor is not None:
        raise RpcError("parentThreadId and ancestorThreadId are mutually exclusive")
    if attached is not None:
        thread_id(attached, what="attached thread parent id")
    return (
        None if parent is None else thread_id(parent, what="parent thread id"),
        None if ancestor is None else thread_id(ancestor, what="ancestor thread id"),
    )


def _providers(host: Host, params: ThreadListParams, *, has_relative: bool) -> tuple[str, ...] | None:
    """An empty list means all, and so does none where sub-agents are asked for; else none means the home's own."""
    if params.model_providers is not None:
        return params.model_providers or None
    return None if has_relative else (host.defaults.model_provider,)


def _folders(cwd: Any) -> tuple[str, ...] | None:
    if cwd is None:
        return None
    return tuple(absolute_folder(one) for one in ((cwd,) if isinstance(cwd, str) else cwd))
