"""`thread/start`: a new thread, loaded. `thread/unsubscribe`: hear no more of one."""

from typing import Any

import attrs
import trio

from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object, settings_members
from interfaces.rpc.run_params import (
    SANDBOX_MODES,
    approval_policy,
    check_provider,
    configured,
    default_settings,
    effort,
    listen,
    overrides,
)
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, nullable, text, variant
from interfaces.rpc.thread_ids import thread_id
from state.live import LEGACY, PAGINATED, NewThread

DEFAULT_ORIGINATOR = "memoryd"


@attrs.frozen(kw_only=True)
class ThreadStartParams:
    """How the new thread is run; the home's configuration says the rest.

    history_mode: how it is recorded; only an experimental client may say.
    """

    model: str | None = member_or(None, nullable(text))
    model_provider: str | None = member_or(None, nullable(text))
    cwd: str | None = member_or(None, nullable(text))
    approval_policy: Any = member_or(None, nullable(approval_policy))
    sandbox: str | None = member_or(None, nullable(variant(*SANDBOX_MODES)))
    base_instructions: str | None = member_or(None, nullable(text))
    developer_instructions: str | None = member_or(None, nullable(text))
    config: dict[str, Any] | None = member_or(None, nullable(overrides))
    ephemeral: bool | None = member_or(None, nullable(boolean))
    history_mode: str | None = member_or(None, nullable(variant(LEGACY, PAGINATED)))
    thread_source: str | None = member_or(None, nullable(text))
    effort: str | None = member_or(None, nullable(effort))

    def changes(self) -> dict[str, Any]:
        """What the client said, by the names of LiveSettings."""
        return {
            "model": self.model,
            "approval_policy": self.approval_policy,
            "sandbox_mode": self.sandbox,
            "base_instructions": self.base_instructions,
            "developer_instructions": self.developer_instructions,
            "reasoning_effort": self.effort,
        }


@attrs.frozen(kw_only=True)
class ThreadUnsubscribeParams:
    """Which thread."""

    thread_id: str = member(text)


async def start_thread(host: Host, session: Session, params: ThreadStartParams) -> dict[str, Any]:
    """Load a new thread; nothing is on disk before something is said in it. Asking again makes another."""
    from_config = configured(params.config)
    provider = from_config.get("model_provider") if params.model_provider is None else params.model_provider
    if provider is not None:
        check_provider(host, provider)
    settings = default_settings(host, provider, params.cwd).changed(from_config).changed(params.changes())
    settings = attrs.evolve(settings, model_provider=provider or host.defaults.model_provider)
    live = await host.loaded.start(
        NewThread(
            settings=settings,
            ephemeral=params.ephemeral is True,
            history_mode=params.history_mode or PAGINATED,
            originator=session.client_name or DEFAULT_ORIGINATOR,
            thread_source=params.thread_source,
        )
    )
    listen(host, session, live.id)
    shown = live_object(live, None, host.codex_home)
    session.after("thread/started", {"thread": shown})
    return {"thread": shown, **settings_members(settings)}


async def unsubscribe(host: Host, session: Session, params: ThreadUnsubscribeParams) -> dict[str, Any]:
    """Tell this client no more; the thread stays loaded. Asking again is safe."""
    await trio.lowlevel.checkpoint()
    did = host.loaded.leave(thread_id(params.thread_id), session)
    return {"status": {None: "notLoaded", False: "notSubscribed", True: "unsubscribed"}[did]}
