"""The row that a new thread will have, as far as that is known before anything is said in it."""

import functools

from config.version import VERSION
from state.ids import ThreadId
from state.live import NewThread
from state.messages.threads import Thread
from state.rollouts.permissions import READ_ONLY

_row = functools.partial(
    Thread,
    archived_at_ms=None,
    parent_thread_id=None,
    agent_nickname=None,
    agent_role=None,
    agent_path=None,
    memory_mode="enabled",
    name=None,
    tokens_used=0,
    content_at_ms=None,
    content_revision=0,
)


def new_row(new: NewThread, thread_id: str, path: str, at_ms: int) -> Thread:
    """The row of a thread that was made at `at_ms`; nobody has said anything in it, and nothing of it is recorded."""
    settings = new.settings
    policy = settings.approval_policy
    return _row(
        id=ThreadId(thread_id),
        rollout_path=path,
        created_at_ms=at_ms,
        updated_at_ms=at_ms,
        recency_at_ms=at_ms,
        source=new.source,
        originator=new.originator,
        thread_source=new.thread_source,
        forked_from_id=None,
        model_provider=settings.model_provider,
        model=settings.model,
        reasoning_effort=settings.reasoning_effort,
        cwd=settings.cwd,
        cli_version=VERSION,
        history_mode=new.history_mode,
        title="",
        preview="",
        first_user_message="",
        sandbox_policy=READ_ONLY,
        approval_mode=policy if isinstance(policy, str) else "on-request",
        git_sha=None,
        git_branch=None,
        git_origin_url=None,
    )
