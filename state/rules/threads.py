"""Reading thread rows: one by its id, or a page by (time, id) keys that never lose a tie."""

from state.ids import Instant, ThreadId
from state.messages.threads import (
    GetThread,
    ListThreadIds,
    ListThreads,
    Thread,
    ThreadAnchor,
    ThreadFilter,
    ThreadFound,
    ThreadNotFound,
    ThreadPage,
)
from state.rules.prefixes import ids_with_prefix
from state.rules.thread_listing import SORT_COLUMN, listed_ids
from state.rules.thread_tools import tools_of
from state.transaction import Transaction, in_list

COLUMNS = ", ".join(
    (
        "id, rollout_path, created_at_ms, updated_at_ms, recency_at_ms, archived_at_ms, source, originator",
        "thread_source, parent_thread_id, forked_from_id, agent_nickname, agent_role, agent_path, model_provider",
        "model, reasoning_effort, cwd, cli_version, history_mode, memory_mode, title, name, preview",
        "first_user_message, sandbox_policy, approval_mode, tokens_used, git_sha, git_branch, git_origin_url",
        "content_at_ms, content_revision",
    )
)


async def list_threads(tx: Transaction, request: ListThreads, at: Instant) -> ThreadPage:
    """One page; one row more than asked tells whether there is another page."""
    ids = await listed_ids(tx, request, request.limit + 1)
    text, parameters = in_list("id", ids[: request.limit])
    rows = await tx.all(Thread, f"SELECT {COLUMNS} FROM threads WHERE id {text}", **parameters)
    by_id = {row.id: row for row in rows}
    page = tuple(by_id[one] for one in ids[: request.limit])
    return ThreadPage(
        threads=page,
        next_anchor=_anchor(request, page[-1]) if len(ids) > request.limit and page else None,
        first_anchor=_anchor(request, page[0]) if page else None,
        rows_scanned=len(ids),
    )


async def list_thread_ids(tx: Transaction, request: ListThreadIds, at: Instant) -> tuple[ThreadId, ...]:
    """The same rows, their ids alone."""
    return tuple(await listed_ids(tx, request, request.limit))


def _anchor(request: ThreadFilter, thread: Thread) -> ThreadAnchor:
    return ThreadAnchor(at_ms=getattr(thread, SORT_COLUMN[request.sort]), id=thread.id)


async def get_thread(tx: Transaction, request: GetThread, at: Instant) -> ThreadFound | ThreadNotFound:
    """One thread by its id or by a beginning that no other id has."""
    ids = await ids_with_prefix(tx, "threads", "id", request.thread_id)
    if len(ids) != 1:
        return ThreadNotFound(similar=tuple(ids))
    thread = await tx.one(Thread, f"SELECT {COLUMNS} FROM threads WHERE id = :id", id=ids[0])
    assert thread is not None, "the id was read in this transaction"
    return ThreadFound(thread=thread, dynamic_tools=await tools_of(tx, ThreadId(ids[0])))
