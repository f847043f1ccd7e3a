"""`thread/fork`: a new thread that begins with the history of another."""

from typing import Any

import attrs
import structlog

from interfaces.rpc.errors import RpcError
from interfaces.rpc.found_thread import resumable, row_of
from interfaces.rpc.handlers.resuming import all_turns
from interfaces.rpc.handlers.starting import DEFAULT_ORIGINATOR
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object, settings_members
from interfaces.rpc.run_params import (
    SANDBOX_MODES,
    approval_policy,
    changes_of,
    check_provider,
    default_settings,
    listen,
    overrides,
)
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, nullable, text, variant
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.thread_object import shown_name
from state.errors import StateError
from state.live import PAGINATED, ForkCut, LiveError, LiveView, NewThread
from state.thread_editing import set_name
from state.thread_storage import ThreadChangeError

log = structlog.get_logger(__name__)


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
    config: dict[str, Any] | None = member_or(None, nullable(overrides))


async def fork_thread(host: Host, session: Session, params: ThreadForkParams) -> dict[str, Any]:
    """Load a new thread with the history of another; its rollout is there at once. Asking again makes another."""
    wanted = thread_id(params.thread_id, what="session id")
    if params.last_turn_id is not None and params.before_turn_id is not None:
        raise RpcError("`beforeTurnId` cannot be combined with `lastTurnId`")
    source = await resumable(host, wanted)
    if params.ephemeral and source.history_mode == PAGINATED and not params.exclude_turns:
        raise RpcError("ephemeral paginated thread/fork requires `excludeTurns: true`")
    changes = changes_of(params)
    check_provider(host, changes.get("model_provider", host.defaults.model_provider))
    new = NewThread(
        settings=default_settings(host, None, None),
        ephemeral=params.ephemeral,
        originator=session.client_name or DEFAULT_ORIGINATOR,
        thread_source=params.thread_source,
    )
    cut = ForkCut(last_turn_id=params.last_turn_id, before_turn_id=params.before_turn_id)
    try:
        live = await host.loaded.fork(source, new, changes, cut)
    except LiveError as error:
        raise RpcError(str(error)) from None
    listen(host, session, live.id)
    name = shown_name(source)
    if name is not None and not live.ephemeral:
        await _call_it(host, live, name)
    turns: list[dict[str, Any]] = []
    if not params.exclude_turns:
        turns = await all_turns(host, session, source if live.ephemeral else live.row)
    if live.usage is not None and not params.exclude_turns:
        session.after(*live.usage.notice(live.id))
    row = await row_of(host, live.id)
    shown = {**live_object(live, row, host.codex_home), "name": name}
    session.after("thread/started", {"thread": shown})
    return {"thread": {**shown, "turns": turns}, **settings_members(live.settings)}


async def _call_it(host: Host, live: LiveView, name: str) -> None:
    """Give a fork the name of its source. The fork is there whatever becomes of this: asking again would make two."""
    try:
        await set_name(host.storage, live.id, name)
    except (ThreadChangeError, StateError, OSError) as error:
        log.warning("a fork could not be named like its source", thread=live.id, reason=str(error))
