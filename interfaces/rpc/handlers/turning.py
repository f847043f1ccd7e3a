"""`turn/start`: say something in a loaded thread. `turn/interrupt`: stop what it answers."""

from typing import Any

import attrs
import trio

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from interfaces.rpc.live_object import sandbox
from interfaces.rpc.run_params import approval_policy, effort, folder
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import WrongShapeError, anything, member, member_or, nullable, one_of, sequence, text
from interfaces.rpc.thread_ids import thread_id
from state.live import LiveError, LiveView, TurnInput

INPUTS = ("text", "image", "localImage", "audio", "localAudio", "skill", "mention")
"""The kinds of input that there are."""

TAKEN = ("text", "image", "skill", "mention")
"""Those that are taken here; nothing is read from this machine because a client names its path."""


def user_input(value: Any) -> dict[str, Any]:
    """One part of what somebody says, with all its members."""
    if not isinstance(value, dict):
        raise WrongShapeError("invalid type: expected internally tagged enum UserInput")
    kind = value.get("type")
    if kind is None:
        raise WrongShapeError("missing field `type`")
    if kind not in INPUTS:
        raise WrongShapeError(f"unknown variant `{kind}`, expected {one_of(INPUTS)}")
    match kind:
        case "text":
            elements = value.get("text_elements")
            return {
                "type": kind,
                "text": _needed(value, "text"),
                "text_elements": elements if isinstance(elements, list) else [],
            }
        case "image":
            return {"type": kind, "url": _needed(value, "url"), "detail": value.get("detail")}
        case "skill" | "mention":
            return {"type": kind, "name": _needed(value, "name"), "path": _needed(value, "path")}
    return {"type": kind}


@attrs.frozen(kw_only=True)
class TurnStartParams:
    """What is said, in which thread, and what is different from now on."""

    thread_id: str = member(text)
    input: tuple[dict[str, Any], ...] = member(sequence(user_input))
    client_user_message_id: str | None = member_or(None, nullable(text))
    model: str | None = member_or(None, nullable(text))
    cwd: str | None = member_or(None, nullable(text))
    approval_policy: Any = member_or(None, nullable(approval_policy))
    sandbox_policy: Any = member_or(None, anything)
    effort: str | None = member_or(None, nullable(effort))

    def changes(self) -> dict[str, Any]:
        """What the client said of the settings, by the names of LiveSettings; nothing that it left out."""
        modes = {
            "readOnly": "read-only",
            "workspaceWrite": "workspace-write",
            "dangerFullAccess": "danger-full-access",
        }
        kind = self.sandbox_policy.get("type") if isinstance(self.sandbox_policy, dict) else None
        said = {
            "model": self.model,
            "cwd": folder(self.cwd),
            "approval_policy": self.approval_policy,
            "sandbox_mode": modes.get(str(kind)),
            "reasoning_effort": self.effort,
        }
        return {name: value for name, value in said.items() if value is not None}


@attrs.frozen(kw_only=True)
class TurnInterruptParams:
    """Which turn. turn_id: empty for one that is only beginning."""

    thread_id: str = member(text)
    turn_id: str = member(text)


async def start_turn(host: Host, session: Session, params: TurnStartParams) -> dict[str, Any]:
    """Say something; the turn begins once this is answered. In a turn that runs it is part of that."""
    wanted = thread_id(params.thread_id)
    for part in params.input:
        if part["type"] not in TAKEN:
            raise RpcError(f"input of type `{part['type']}` is not supported here; send an image as a data URL")
    before = host.loaded.look(wanted)
    said = TurnInput(
        content=params.input, client_id=params.client_user_message_id, settings=_changed(before, params.changes())
    )
    try:
        turn_id, begin = await host.loaded.start_turn(wanted, said)
    except LiveError as error:
        raise RpcError(str(error)) from None
    session.do_next(begin)
    after = host.loaded.look(wanted)
    if said.settings and after is not None:
        session.after("thread/settings/updated", {"threadId": wanted, "threadSettings": _settings_object(after)})
    turn: dict[str, Any] = {
        "id": turn_id,
        "rootTurnId": turn_id,
        "items": [],
        "itemsView": "notLoaded",
        "status": "inProgress",
        "error": None,
        "startedAt": None,
        "completedAt": None,
        "durationMs": None,
    }
    return {"turn": turn}


async def interrupt_turn(host: Host, session: Session, params: TurnInterruptParams) -> dict[str, Any]:
    """Stop a turn; it is recorded and told as stopped after this is answered."""
    await trio.lowlevel.checkpoint()
    wanted = thread_id(params.thread_id)
    try:
        running = host.loaded.active_turn(wanted)
    except LiveError as error:
        raise RpcError(str(error)) from None
    if running is None:
        if not params.turn_id:
            return {}
        raise RpcError("no active turn to interrupt")
    if params.turn_id and params.turn_id != running:
        raise RpcError(f"expected active turn id {params.turn_id} but found {running}")
    session.do_next(lambda: host.loaded.stop_turn(wanted))
    return {}


def _needed(value: dict[str, Any], name: str) -> str:
    if name not in value:
        raise WrongShapeError(f"missing field `{name}`")
    return text(value[name])


def _changed(live: LiveView | None, changes: dict[str, Any]) -> dict[str, Any]:
    """What is really different."""
    if live is None:
        return changes
    return {name: value for name, value in changes.items() if getattr(live.settings, name) != value}


def _settings_object(live: LiveView) -> dict[str, Any]:
    settings = live.settings
    return {
        "disabledPluginIds": [],
        "cwd": settings.cwd,
        "environments": settings.environments(),
        "approvalPolicy": settings.approval_policy,
        "approvalsReviewer": "user",
        "sandboxPolicy": sandbox(settings),
        "activePermissionProfile": None,
        "model": settings.model,
        "modelProvider": settings.model_provider,
        "serviceTier": None,
        "effort": settings.reasoning_effort,
        "summary": None,
        "collaborationMode": settings.collaboration_mode(),
        "multiAgentMode": "explicitRequestOnly",
        "personality": None,
    }
