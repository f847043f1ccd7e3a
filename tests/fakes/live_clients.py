"""A client, in memory, of a service with live threads whose turns a test's own model answers."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from interfaces.rpc.host import Defaults, Host
from state.store import StateHandle
from tests.fakes.rpc_clients import RpcClient, rpc_client
from tests.fakes.turn_models import ToldModel, managed, saying


class CaughtUp:
    """An index with nothing to catch up with."""

    async def catch_up(self) -> None:
        await trio.lowlevel.checkpoint()

    async def refresh(self, paths: Collection[str]) -> bool:  # noqa: ARG002
        await trio.lowlevel.checkpoint()
        return False


@asynccontextmanager
async def live_client(
    home: Path, store: StateHandle | None, model: ToldModel | None = None
) -> AsyncIterator[RpcClient]:
    """A client of a service of this home for the block. model: says "Done." where none is given."""
    async with managed(home, model or ToldModel([saying("Done.")]), store) as manager:
        host = Host(
            handle=store,
            codex_home=home,
            defaults=Defaults(model_provider="openai", model="mock-model", approval_policy="never"),
            index=CaughtUp(),
            loaded=manager,
            version="1.2.3",
        )
        async with rpc_client(host, is_experimental=True) as client:
            yield client
