"""A client, in memory, of a service with live threads whose turns a test's own model answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from interfaces.rpc.host import Defaults, Host, NoIndex
from state.store import StateHandle
from tests.fakes.rpc_clients import RpcClient, rpc_client
from tests.fakes.turn_models import ToldModel, managed, saying


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
            index=NoIndex(),
            loaded=manager,
            version="1.2.3",
        )
        async with rpc_client(host, is_experimental=True) as client:
            yield client
