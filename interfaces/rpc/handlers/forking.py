"""`thread/fork`: a new thread that begins with the history of another."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.found_thread import resumable, row_of
from interfaces.rpc.handlers.resuming import all_turns
from interfaces.rpc.handlers.starting import DEFAULT_ORIGINATOR
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object, settings_members
from interfaces.rpc.run_params import SANDBOX_MODES, approval_policy, changes_of, default_settings, listen
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import anything, boolean, member, member_or, nullable, text, variant
from interfaces.rpc.thread_ids import thread_id
from state.live import ForkCut, LiveError, NewThread


@attrs.frozen(kw_only=True)
class ThreadForkParams:
    """Which thread, where it is left, and what is different in the fork."""

    thread_id: str = member(text)
    exclude_turns: bool = member_or(False, boolean)
    ephemeral: bool = member_or(False, boolean)
    last_turn_id: str | None = member_or(None, nullable(text))
    before_turn_id: str | None = member_or(None, nullable(text))
    model: str | None = member_or(None, nullable(text))
    model_provider: str | None = member_or(None, nullable(text))
    cwd: str | None = member_or(None, nullable(text))
    approval_policy: Any = member_or(None, nullable(approval_policy))
    sandbox: str | None = member_or(None, nullable(variant(*SANDBOX_MODES)))
    base_instructions: str | None = member_or(None, nullable(text))
    developer_instructions: str | None = member_or(None, nullable(text))
    thread_source: str | None = member_or(None, nullable(text))
    config: Any = member_or(None, anything)


async def fork_thread(host: Host, session: Session, params: ThreadForkParams) -> dict[str, Any]:
    """Load a new thread with the history of another; its rollout is there at once. Asking again makes another."""
    wanted = thread_id(params.thread_id, what="session id")
    source = await resumable(host, wanted)
    new = NewThread(
        settings=default_settings(host, None, None),
        ephemeral=params.ephemeral,
        originator=session.client_name or DEFAULT_ORIGINATOR,
        thread_source=params.thread_source,
    )
    cut = ForkCut(last_turn_id=params.last_turn_id, before_turn_id=params.before_turn_id)
    try:
        live = await host.loaded.fork(source, new, changes_of(params), cut)
    except LiveError as error:
        raise RpcError(str(error)) from None
    listen(host, session, live.id)
    with_turns = not params.exclude_turns and not live.ephemeral
    turns = await all_turns(host, session, live) if with_turns else []
    if live.usage is not None and not params.exclude_turns:
        session.after(*live.usage.notice(live.id))
    row = await row_of(host, live.id)
    session.after("thread/started", {"thread": live_object(live, row, host.codex_home)})
    return {"thread": live_object(live, row, host.codex_home, turns=turns), **settings_members(live.settings)}
