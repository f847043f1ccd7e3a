"""`thread/fork`: a new thread that begins with the history of another."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.found_thread import resumable, row_of, turns_of
from interfaces.rpc.handlers.resuming import HYDRATION
from interfaces.rpc.handlers.starting import DEFAULT_ORIGINATOR
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object, settings_members
from interfaces.rpc.run_params import SANDBOX_MODES, approval_policy, default_settings, folder, listen
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import anything, boolean, member, member_or, nullable, text, variant
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.turn_object import turn_object
from interfaces.rpc.usage_notice import usage_updated
from state.live import PAGINATED, ForkCut, LiveError, NewThread


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

    def changes(self) -> dict[str, Any]:
        """What the client said, by the names of LiveSettings."""
        return {
            "model": self.model,
            "model_provider": self.model_provider,
            "cwd": folder(self.cwd),
            "approval_policy": self.approval_policy,
            "sandbox_mode": self.sandbox,
            "base_instructions": self.base_instructions,
            "developer_instructions": self.developer_instructions,
        }


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
        live = await host.loaded.fork(source, new, params.changes(), cut)
    except LiveError as error:
        raise RpcError(str(error)) from None
    listen(host, session, live.id)
    turns: list[dict[str, Any]] = []
    if not params.exclude_turns and not live.ephemeral:
        turns = [turn_object(turn) for turn in (await turns_of(host, live.row)).turns]
        if live.row.history_mode == PAGINATED:
            session.after("deprecationNotice", HYDRATION)
    if live.usage is not None and not params.exclude_turns:
        session.after(*usage_updated(live.id, live.usage))
    row = await row_of(host, live.id)
    session.after("thread/started", {"thread": live_object(live, row, host.codex_home)})
    return {"thread": live_object(live, row, host.codex_home, turns=turns), **settings_members(live.settings)}
