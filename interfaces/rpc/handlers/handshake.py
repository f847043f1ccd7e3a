"""`initialize`: who the client is and what it understands. Everything else is refused before it."""

import platform
import sys
from typing import Any

import attrs
import trio

from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import boolean, member, member_or, nullable, structure, text


@attrs.frozen(kw_only=True)
class ClientInfo:
    """Who the client is. title: for people."""

    name: str = member(text)
    title: str | None = member_or(None, nullable(text))
    version: str = member(text)


@attrs.frozen(kw_only=True)
class InitializeCapabilities:
    """What the client understands."""

    experimental_api: bool = member_or(False, boolean)


@attrs.frozen(kw_only=True)
class InitializeParams:
    """How a client introduces itself."""

    client_info: ClientInfo = member(structure(ClientInfo))
    capabilities: InitializeCapabilities | None = member_or(None, nullable(structure(InitializeCapabilities)))


async def initialize(host: Host, session: Session, params: InitializeParams) -> dict[str, Any]:
    """Remember the client; once."""
    await trio.lowlevel.checkpoint()
    if session.is_initialized:
        raise RpcError("Already initialized")
    client = params.client_info
    session.client_name, session.client_version = client.name, client.version
    session.is_experimental = params.capabilities is not None and params.capabilities.experimental_api
    return {
        "userAgent": f"{client.name}/{host.version} ({platform.system()}; {platform.machine()})"
        f" memoryd ({client.name}; {client.version})",
        "codexHome": str(host.codex_home),
        "platformFamily": "windows" if sys.platform == "win32" else "unix",
        "platformOs": "macos" if sys.platform == "darwin" else sys.platform,
    }
