"""Reading thread rows: one by its id, or a page by (time, id) keys that never lose a tie."""

from state.ids import Instant, ThreadId
from state.messages.threads import (
    GetThread,
    ListThreads,
    Thread,
    ThreadAnchor,
    ThreadFound,
    ThreadNotFound,
    ThreadPage,
    ThreadSort,
)
from state.rollouts.model import DynamicTool
from state.rules.prefixes import ids_with_prefix
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


async def list_threads(tx: Transaction, request: ListThreads, at: Instant) -> ThreadPage:
    """One page, newest first; one row more than asked tells whether there is another page."""
    column = _SORT_COLUMN[request.sort]
    where = [
        "preview <> ''",
        f"archived_at_ms IS {'NOT ' if request.archived else ''}NULL",
        # Hidden, not deleted: a file that is away for a moment takes no names or memories with it.
        "NOT EXISTS (SELECT 1 FROM rollout_files f WHERE f.path = threads.rollout_path AND f.status = 'vanished')",
    ]
    parameters: dict[str, SqlValue] = {"limit": request.limit + 1}
    for name, values in (
        ("source", request.sources),
        ("model_provider", request.model_providers),
        ("cwd", request.cwds),
    ):
        if values is not None:
            text, more = in_list(name, values)
            where.append(f"{name} {text}")
            parameters.update(more)
    if request.title_contains:
        where.append("(instr(title, :part) > 0 OR instr(coalesce(name, ''), :part) > 0)")
        parameters["part"] = request.title_contains
    if request.anchor is not None:
        where.append(f"({column}, id) < (:anchor_at_ms, :anchor_id)")
        parameters.update(anchor_at_ms=request.anchor.at_ms, anchor_id=request.anchor.id)
    threads = await tx.all(
        Thread,
        f"SELECT {COLUMNS} FROM threads WHERE {' AND '.join(where)} ORDER BY {column} DESC, id DESC LIMIT :limit",
        **parameters,
    )
    page = tuple(threads[: request.limit])
    anchor = None
    if len(threads) > request.limit and page:
        anchor = ThreadAnchor(at_ms=getattr(page[-1], column), id=page[-1].id)
    return ThreadPage(threads=page, next_anchor=anchor)


async def get_thread(tx: Transaction, request: GetThread, at: Instant) -> ThreadFound | ThreadNotFound:
    """One thread by its id or by a beginning that no other id has."""
    ids = await ids_with_prefix(tx, "threads", "id", request.thread_id)
    if len(ids) != 1:
        return ThreadNotFound(similar=tuple(ids))
    thread = await tx.one(Thread, f"SELECT {COLUMNS} FROM threads WHERE id = :id", id=ids[0])
    assert thread is not None, "the id was read in this transaction"
    tools = await tx.all(
        DynamicTool,
        "SELECT name, description, input_schema, defer_loading, namespace FROM thread_dynamic_tools"
        " WHERE thread_id = :id ORDER BY position",
        id=ThreadId(ids[0]),
    )
    return ThreadFound(thread=thread, dynamic_tools=tuple(tools))
