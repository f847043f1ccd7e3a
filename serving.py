"""What `serve` runs: the store, an index that is kept in step with the files, and the clients.

    open the store -> take over from the dead -> listen -> reaper, backfill, clients

It extracts and publishes nothing; that is `run`, which may go on beside it. Where the store cannot be opened, threads
are answered from their files, and what needs an index is refused.
"""

import time
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
import trio

import commands
from config import Paths, Settings
from config.version import VERSION
from interfaces.rpc import Connection, Defaults, Host
from interfaces.rpc.connection import Sink
from interfaces.rpc.endpoints import serve_socket, serve_stdio
from interfaces.rpc.host import NoIndex
from interfaces.rpc.lines import Source
from interfaces.rpc.methods import dispatch
from state.codex_config import CodexConfig, provider_default, read_codex_config
from state.errors import StateError
from state.rules.registry import RULES
from state.store import StateHandle
from stopping import until_stopped

log = structlog.get_logger("memoryd")


async def serve(paths: Paths, settings: Settings, socket: Path | None) -> int:
    """Serve JSON-RPC at stdin and stdout, or at a socket, until the input ends or a signal comes; the exit code.

    Raises:
      SocketPathError: the socket cannot be made.
    """
    async with AsyncExitStack() as stack:
        handle = None
        try:
            handle = await stack.enter_async_context(commands.opened_store(paths))
        except (StateError, OSError) as error:
            log.warning(f"failed to initialize state runtime: {error}; threads are answered from their files")
        await until_stopped(lambda: _serve(handle, paths, settings, socket), settings.service.grace_seconds)
    return 0


async def _serve(handle: StateHandle | None, paths: Paths, settings: Settings, socket: Path | None) -> None:
    from workers import backfill, reaper, threads
    from workers.models.turns.choose import TurnModels
    from workers.redaction import redact
    from workers.threads.remembered import RememberedOfFolder

    index = None if handle is None else backfill.LiveIndex(handle, paths.codex_home, settings)
    config = read_codex_config(paths.codex_home)
    if config.problem is not None:
        log.warning("Codex's config.toml could not be read", reason=config.problem)
    taken = defaults(config, settings)
    async with (
        threads.thread_manager(
            paths.codex_home,
            handle,
            TurnModels(config=config, settings=settings, remembered=RememberedOfFolder(handle)),
            redact=redact,
            provider_default=taken.model_provider,
            now_ms=wall_ms,
        ) as manager,
        trio.open_nursery() as nursery,
    ):
        host = Host(
            handle=handle,
            codex_home=paths.codex_home,
            defaults=taken,
            index=index or NoIndex(),
            loaded=manager,
            version=VERSION,
            redact=redact,
        )

        async def serve_client(source: Source, sink: Sink) -> None:
            await Connection(host, dispatch, source, sink).serve()

        if handle is not None and index is not None:
            nursery.start_soon(reaper.serve, handle, settings)
            nursery.start_soon(index.serve)
            # What no request has needed yet, so that the first of each kind does not wait for its rule's import. In a
            # pool thread: it takes longer than the event loop may stand still.
            nursery.start_soon(trio.to_thread.run_sync, RULES.whole)
        if socket is None:
            await serve_stdio(serve_client)
        else:
            await serve_socket(socket, serve_client, lambda: log.info("ready", socket=str(socket)))
        nursery.cancel_scope.cancel()


def defaults(config: CodexConfig, settings: Settings) -> Defaults:
    """What the home says of new threads and listings, or what Codex takes where it says nothing."""
    return Defaults(
        model_provider=provider_default(config, settings.codex.model_provider_default),
        model=config.text("model"),
        approval_policy=config.text("approval_policy") or "on-request",
        sandbox_mode=config.text("sandbox_mode") or "read-only",
        reasoning_effort=config.text("model_reasoning_effort"),
    )


def wall_ms() -> int:
    """Unix ms by this machine's clock: what is recorded and told is for people."""
    return time.time_ns() // 1_000_000
