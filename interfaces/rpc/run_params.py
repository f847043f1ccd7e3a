"""What clients may say of how a thread's turns are run; the same in start, resume, fork and turn/start."""

import os
from typing import Any, Protocol

from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import Shape, WrongShapeError, described, text, variant
from state.live import LiveSettings

SANDBOX_MODES = ("read-only", "workspace-write", "danger-full-access")

_POLICIES: Shape[str] = variant("untrusted", "on-failure", "on-request", "never", "granular")


def approval_policy(value: Any) -> Any:
    """A word, or the object that says it in detail."""
    if isinstance(value, dict):
        if set(value) != {"granular"} or not isinstance(value["granular"], dict):
            raise WrongShapeError(f"invalid value: {described(value)}, expected an approval policy")
        return value
    return _POLICIES(value)


def effort(value: Any) -> str:
    """How long a model may think."""
    word = text(value)
    if not word:
        raise WrongShapeError("reasoning effort must not be empty")
    return word


def folder(cwd: str | None) -> str | None:
    """A working folder as a whole path; a relative one is below this process's own."""
    return None if cwd is None else os.path.normpath(os.path.join(os.getcwd(), cwd))


class SaysHowTurnsRun(Protocol):
    """Parameters that say how the turns of a thread with a history are run from now on."""

    @property
    def model(self) -> str | None: ...
    @property
    def model_provider(self) -> str | None: ...
    @property
    def cwd(self) -> str | None: ...
    @property
    def approval_policy(self) -> Any: ...
    @property
    def sandbox(self) -> str | None: ...
    @property
    def base_instructions(self) -> str | None: ...
    @property
    def developer_instructions(self) -> str | None: ...


def changes_of(params: SaysHowTurnsRun) -> dict[str, Any]:
    """What the client said, by the names of LiveSettings."""
    return {
        "model": params.model,
        "model_provider": params.model_provider,
        "cwd": folder(params.cwd),
        "approval_policy": params.approval_policy,
        "sandbox_mode": params.sandbox,
        "base_instructions": params.base_instructions,
        "developer_instructions": params.developer_instructions,
    }


def default_settings(host: Host, provider: str | None, cwd: str | None) -> LiveSettings:
    """How turns are run where nobody says."""
    named = provider or host.defaults.model_provider
    return LiveSettings(
        model=host.defaults.model or host.loaded.default_model(named),
        model_provider=named,
        cwd=folder(cwd) or os.getcwd(),
        approval_policy=host.defaults.approval_policy,
        sandbox_mode=host.defaults.sandbox_mode,
    )


def listen(host: Host, session: Session, thread_id: str) -> None:
    """Tell this client from now on what happens in a thread, until it leaves."""
    host.loaded.listen(thread_id, session, session.notify)
    session.do_at_end("loaded threads", lambda: host.loaded.leave_all(session))
