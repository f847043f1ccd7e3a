"""What clients may say of how a thread's turns are run; the same in start, resume, fork and turn/start."""

import os
from typing import Any, Protocol

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import Shape, WrongShapeError, described, text, variant
from state.live import LiveSettings

SANDBOX_MODES = ("read-only", "workspace-write", "danger-full-access")

_POLICIES: Shape[str] = variant("untrusted", "on-request", "granular", "never")
_CONFIGURED_POLICIES: Shape[str] = variant("untrusted", "on-failure", "on-request", "granular", "never")


def approval_policy(value: Any) -> Any:
    """A word, or the object that says it in detail."""
    return _approval_policy(value, _POLICIES)


def _approval_policy(value: Any, words: Shape[str]) -> Any:
    if isinstance(value, dict):
        if set(value) != {"granular"} or not isinstance(value["granular"], dict):
            raise WrongShapeError(f"invalid value: {described(value)}, expected an approval policy")
        return value
    return words(value)


def effort(value: Any) -> str:
    """How long a model may think."""
    word = text(value)
    if not word:
        raise WrongShapeError("reasoning effort must not be empty")
    return word


def overrides(value: Any) -> dict[str, Any]:
    """Settings as they would stand in the home's configuration, for one thread."""
    if not isinstance(value, dict):
        raise WrongShapeError(f"invalid type: {described(value)}, expected a map")
    return value


_CONFIGURED: dict[str, tuple[str, Shape[Any]]] = {
    "model": ("model", text),
    "model_provider": ("model_provider", text),
    "approval_policy": ("approval_policy", lambda value: _approval_policy(value, _CONFIGURED_POLICIES)),
    "sandbox_mode": ("sandbox_mode", variant(*SANDBOX_MODES)),
    "model_reasoning_effort": ("reasoning_effort", effort),
    "developer_instructions": ("developer_instructions", text),
}
"""What of a configuration says how turns are run here: its names in the file, with those of LiveSettings."""


def configured(config: dict[str, Any] | None) -> dict[str, Any]:
    """What overrides say, by the names of LiveSettings.

    Raises:
      RpcError: a value is none that its setting can have.
    """
    found = {}
    for name, (setting, shape) in _CONFIGURED.items():
        if config is not None and config.get(name) is not None:
            try:
                found[setting] = shape(config[name])
            except WrongShapeError as error:
                raise RpcError(f"failed to load configuration: {error}\nin `{name}`\n") from None
    return found


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
    @property
    def config(self) -> dict[str, Any] | None: ...


def changes_of(params: SaysHowTurnsRun) -> dict[str, Any]:
    """What the client said, by the names of LiveSettings; what it left out is None, or not there."""
    said = {
        "model": params.model,
        "model_provider": params.model_provider,
        "cwd": folder(params.cwd),
        "approval_policy": params.approval_policy,
        "sandbox_mode": params.sandbox,
        "base_instructions": params.base_instructions,
        "developer_instructions": params.developer_instructions,
    }
    return configured(params.config) | {name: value for name, value in said.items() if value is not None}


def default_settings(host: Host, provider: str | None, cwd: str | None) -> LiveSettings:
    """How turns are run where nobody says."""
    named = provider or host.defaults.model_provider
    return LiveSettings(
        model=host.defaults.model or host.loaded.default_model(named),
        model_provider=named,
        cwd=folder(cwd) or os.getcwd(),
        approval_policy=host.defaults.approval_policy,
        sandbox_mode=host.defaults.sandbox_mode,
        reasoning_effort=host.defaults.reasoning_effort,
    )


def check_provider(host: Host, provider: str) -> None:
    """Refuse a provider that nobody configured.

    Raises:
      RpcError: there is none of this name.
    """
    if not host.loaded.has_provider(provider):
        raise RpcError(f"failed to load configuration: Model provider `{provider}` not found")


def listen(host: Host, session: Session, thread_id: str) -> None:
    """Tell this client from now on what happens in a thread, until it leaves."""
    host.loaded.listen(thread_id, session, session.notify)
    session.do_at_end("loaded threads", lambda: host.loaded.leave_all(session))
