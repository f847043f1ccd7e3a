"""Reading thread rows: one by its id, or a page by (time, id) keys that never lose a tie."""

import attrs

from state.ids import Instant, ThreadId
from state.messages.threads import (
    GetThread,
    ListThreadIds,
    ListThreads,
    Thread,
    ThreadAnchor,
    ThreadDirection,
    ThreadFilter,
    ThreadFound,
    ThreadNotFound,
    ThreadPage,
    ThreadSort,
)
from state.rules.prefixes import ids_with_prefix
from state.rules.thread_tools import tools_of
from state.transaction import SqlValue, Transaction, in_list

COLUMNS = ", ".join(
    (
        "id, rollout_path, created_at_ms, updated_at_ms, recency_at_ms, archived_at_ms, source, originator",
        "thread_source, parent_thread_id, forked_from_id, agent_nickname, agent_role, agent_path, model_provider",
        "model, reasoning_effort, cwd, cli_version, history_mode, memory_mode, title, name, preview",
        "first_user_message, sandbox_policy, approval_mode, tokens_used, git_sha, git_branch, git_origin_url",
        "content_at_ms, content_revision",
    )
)
_SORT_COLUMN = {
    ThreadSort.CREATED: "created_at_ms",
    ThreadSort.UPDATED: "updated_at_ms",
    ThreadSort.RECENCY: "recency_at_ms",
}


@attrs.frozen(kw_only=True)
class _Id:
    id: ThreadId


async def list_threads(tx: Transaction, request: ListThreads, at: Instant) -> ThreadPage:
    """One page; one row more than asked tells whether there is another page."""
    query = _query(request, COLUMNS, request.limit + 1)
    threads = await tx.all(Thread, query[0], **query[1]) if query is not None else []
    page = tuple(threads[: request.limit])
    return ThreadPage(
        threads=page,
        next_anchor=_anchor(request, page[-1]) if len(threads) > request.limit and page else None,
        first_anchor=_anchor(request, page[0]) if page else None,
        rows_scanned=len(threads),
    )


async def list_thread_ids(tx: Transaction, request: ListThreadIds, at: Instant) -> tuple[ThreadId, ...]:
    """The same rows, their ids alone."""
    query = _query(request, "id", request.limit)
    return tuple(row.id for row in await tx.all(_Id, query[0], **query[1])) if query is not None else ()


def _anchor(request: ThreadFilter, thread: Thread) -> ThreadAnchor:
    return ThreadAnchor(at_ms=getattr(thread, _SORT_COLUMN[request.sort]), id=thread.id)


def _query(request: ThreadFilter, columns: str, limit: int) -> tuple[str, dict[str, SqlValue]] | None:
    """The statement and its parameters; None when a list that allows nothing makes asking needless."""
    column = _SORT_COLUMN[request.sort]
    order, behind = ("ASC", ">") if request.direction is ThreadDirection.ASCENDING else ("DESC", "<")
    where = [
        "preview <> ''",
        f"archived_at_ms IS {'NOT ' if request.archived else ''}NULL",
        # Hidden, not deleted: a file that is away for a moment takes no names or memories with it.
        "NOT EXISTS (SELECT 1 FROM rollout_files f WHERE f.path = threads.rollout_path AND f.status = 'vanished')",
    ]
    parameters: dict[str, SqlValue] = {"limit": limit}
    for name, values in (
        ("source", request.sources),
        ("model_provider", request.model_providers),
        ("cwd", request.cwds),
    ):
        if values is not None:
            if not values:
                return None
            text, more = in_list(name, values)
            where.append(f"{name} {text}")
            parameters.update(more)
    if request.title_contains:
        where.append("(instr(title, :part) > 0 OR instr(coalesce(name, ''), :part) > 0)")
        parameters["part"] = request.title_contains
    if request.anchor is not None:
        where.append(f"({column}, id) {behind} (:anchor_at_ms, :anchor_id)")
        parameters.update(anchor_at_ms=request.anchor.at_ms, anchor_id=request.anchor.id)
    return (
        f"SELECT {columns} FROM threads WHERE {' AND '.join(where)} ORDER BY {column} {order}, id {order} LIMIT :limit",
        parameters,
    )


async def get_thread(tx: Transaction, request: GetThread, at: Instant) -> ThreadFound | ThreadNotFound:
    """One thread by its id or by a beginning that no other id has."""
    ids = await ids_with_prefix(tx, "threads", "id", request.thread_id)
    if len(ids) != 1:
        return ThreadNotFound(similar=tuple(ids))
    thread = await tx.one(Thread, f"SELECT {COLUMNS} FROM threads WHERE id = :id", id=ids[0])
    assert thread is not None, "the id was read in this transaction"
    return ThreadFound(thread=thread, dynamic_tools=await tools_of(tx, ThreadId(ids[0])))
