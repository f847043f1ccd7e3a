"""`thread/resume`: load a stored thread, with its turns."""

import json
from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.found_thread import resumable, row_of, turns_of
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import live_object, settings_members
from interfaces.rpc.run_params import (
    SANDBOX_MODES,
    approval_policy,
    changes_of,
    default_settings,
    listen,
    overrides,
)
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import anything, boolean, member, member_or, nullable, text, variant
from interfaces.rpc.thread_ids import thread_id
from interfaces.rpc.turn_object import turn_object
from state.live import PAGINATED, LiveError, LiveView
from state.messages.threads import Thread

HYDRATION = {
    "summary": "Full-history hydration is deprecated for paginated threads; use `excludeTurns: true`, then page with"
    " `thread/turns/list` and `thread/items/list`.",
    "details": None,
}


@attrs.frozen(kw_only=True)
class ThreadResumeParams:
    """Which thread, and what is different from now on."""

    thread_id: str = member(text)
    exclude_turns: bool = member_or(False, boolean)
    model: str | None = member_or(None, nullable(text))
    model_provider: str | None = member_or(None, nullable(text))
    cwd: str | None = member_or(None, nullable(text))
    approval_policy: Any = member_or(None, nullable(approval_policy))
    sandbox: str | None = member_or(None, nullable(variant(*SANDBOX_MODES)))
    base_instructions: str | None = member_or(None, nullable(text))
    developer_instructions: str | None = member_or(None, nullable(text))
    config: dict[str, Any] | None = member_or(None, nullable(overrides))
    history: Any = member_or(None, anything)
    path: str | None = member_or(None, nullable(text))


async def resume_thread(host: Host, session: Session, params: ThreadResumeParams) -> dict[str, Any]:
    """Load a thread from its rollout, or give the one that is loaded. Asking again is safe."""
    wanted = thread_id(params.thread_id, what="session id")
    if params.history is not None or params.path is not None:
        raise RpcError("thread/resume takes a threadId here; history and path are not supported")
    was_loaded = host.loaded.look(wanted)
    if was_loaded is not None and not was_loaded.is_recorded:
        raise RpcError(f"no rollout found for thread id {wanted}")
    row = await resumable(host, wanted)
    changes = changes_of(params)
    if was_loaded is None:
        _check_provider_stays(host, row.model_provider, changes.get("model_provider"))
    try:
        live = await host.loaded.resume(row, changes, default_settings(host, None, None))
    except LiveError as error:
        raise RpcError(str(error)) from None
    listen(host, session, wanted)
    turns = [] if params.exclude_turns else await all_turns(host, session, live.row)
    if was_loaded is None:
        await session.notify("thread/status/changed", {"threadId": wanted, "status": dict(live.status)})
    if live.usage is not None and not params.exclude_turns:
        session.after(*live.usage.notice(wanted))
    session.after("thread/goal/cleared", {"threadId": wanted})
    # What people edited stands in the row, also where they took something away.
    shown = live_object(live, await row_of(host, wanted), host.codex_home, turns=turns)
    return {
        "thread": shown,
        **settings_members(live.settings),
        "collaborationMode": live.settings.collaboration_mode(),
        "initialTurnsPage": None,
        "turnsBackwardsCursor": _cursor(live, live.last_turn_ordinal, "turns"),
        "itemsBackwardsCursor": _cursor(live, live.last_item_ordinal, "itemsByCreatedAtOrdinal"),
    }


def _check_provider_stays(host: Host, recorded: str, asked: str | None) -> None:
    """Refuse a thread whose provider is not there any more, and one that would get another."""
    named = recorded or host.defaults.model_provider
    wanted = named if asked is None else asked
    if not host.loaded.has_provider(wanted):
        raise RpcError(
            f"This chat uses model provider \u201c{wanted}\u201d, which is no longer configured."
            " Restore this provider\u2019s configuration to continue.",
            data={"type": "modelProviderNotConfigured", "modelProvider": wanted},
        )
    if wanted != named:
        raise RpcError(
            f"failed to load configuration: Cannot change this thread's model provider from `{named}` to `{wanted}`"
            " on resume."
        )


async def all_turns(host: Host, session: Session, thread: Thread) -> list[dict[str, Any]]:
    """The turns of a thread that was just loaded; who takes them of a paginated one is told that pages are better."""
    turns = [turn_object(turn) for turn in (await turns_of(host, thread)).turns]
    if thread.history_mode == PAGINATED:
        await session.notify("deprecationNotice", HYDRATION)
    return turns


def _cursor(live: LiveView, ordinal: int | None, kind: str) -> str | None:
    """From where to go back in a paginated history."""
    if ordinal is None:
        return None
    cursor = {
        "requestedThreadId": live.id,
        "rolloutOrdinal": ordinal,
        "includeAnchor": True,
        "scope": {"kind": kind},
    }
    return json.dumps(cursor, separators=(",", ":"))
