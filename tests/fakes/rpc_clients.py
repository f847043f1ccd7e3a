"""Clients of one Host, in memory: lines in, lines out, as at a socket."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from interfaces.rpc.connection import Connection
from interfaces.rpc.host import Host
from interfaces.rpc.methods import dispatch


class RpcClient:
    """One client that has shaken hands."""

    def __init__(self, stream: "trio.StapledStream[Any, Any]") -> None:
        self.news: list[tuple[str, Any]] = []
        self._stream = stream
        self._held = b""
        self._next_id = 0

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer's result; its `error` where it is refused. News that comes before it is kept."""
        self._next_id += 1
        line = json.dumps({"id": self._next_id, "method": method, "params": params})
        await self._stream.send_all(line.encode() + b"\n")
        while (message := await self._message()).get("id") != self._next_id:
            self.news.append((message["method"], message["params"]))
        result: dict[str, Any] = message["result"] if "result" in message else {"error": message["error"]}
        return result

    async def refused(self, method: str, **params: Any) -> tuple[int, str]:
        """The code and the sentence of a refusal."""
        error = (await self.ask(method, **params))["error"]
        return error["code"], error["message"]

    async def heard(self, count: int) -> list[tuple[str, Any]]:
        """Wait until so much news has come since the last time, and take it."""
        while len(self.news) < count:
            message = await self._message()
            self.news.append((message["method"], message["params"]))
        news, self.news = self.news, []
        return news

    async def _message(self) -> dict[str, Any]:
        with trio.fail_after(10):
            while b"\n" not in self._held:
                self._held += await self._stream.receive_some()
        line, _, self._held = self._held.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


@asynccontextmanager
async def rpc_client(host: Host, *, is_experimental: bool = False) -> AsyncIterator[RpcClient]:
    """A client of `host` for the block."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(host, dispatch, theirs, theirs).serve)
        client = RpcClient(ours)
        capabilities = {"experimentalApi": is_experimental}
        await client.ask("initialize", clientInfo={"name": "ann", "version": "1"}, capabilities=capabilities)
        yield client
        await ours.send_eof()
