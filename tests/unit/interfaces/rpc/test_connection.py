"""A client is answered whatever it sends, in any order but about one thread, and harms nobody when it goes away."""

import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from interfaces.rpc.connection import Connection, Dispatch
from interfaces.rpc.errors import RpcError
from interfaces.rpc.host import Clients, Defaults, Host, NoIndex
from interfaces.rpc.messages import Call
from interfaces.rpc.methods import dispatch
from interfaces.rpc.session import Session
from state.errors import StoreBusyError
from tests.fakes.live_threads import NoLiveThreads

HOST = Host(
    handle=None,
    codex_home=Path("/home/ann/.codex"),
    defaults=Defaults(model_provider="openai"),
    index=NoIndex(),
    loaded=NoLiveThreads(),
    version="1.2.3",
)
Answer = Callable[[Session, Call], Awaitable[Any]]

INITIALIZE = {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "ann", "version": "1"}}}


class Client:
    """The other end."""

    def __init__(self, stream: trio.StapledStream[Any, Any]) -> None:
        self.stream = stream
        self._held = b""

    async def send(self, *messages: Any) -> None:
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            await self.stream.send_all(line + b"\n")

    async def next(self) -> dict[str, Any]:
        with trio.fail_after(5):
            while b"\n" not in self._held:
                self._held += await self.stream.receive_some()
        line, _, self._held = self._held.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


async def served(dispatcher: Dispatch, stream: trio.StapledStream[Any, Any]) -> None:
    async with stream:
        await Connection(HOST, dispatcher, stream, stream).serve()


def answering(answer: Answer) -> Dispatch:
    """Has every request answered by one function."""
    return lambda _host, session, call: functools.partial(answer, session, call)


@asynccontextmanager
async def client(dispatcher: Dispatch = dispatch) -> AsyncIterator[Client]:
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(served, dispatcher, theirs)
        yield Client(ours)
        await ours.send_eof()
        with trio.fail_after(5):
            while await ours.receive_some():
                pass


async def test_nothing_is_answered_before_the_handshake_and_the_handshake_is_done_once() -> None:
    async with client() as ann:
        await ann.send({"id": 0, "method": "thread/loaded/list", "params": {}}, INITIALIZE, INITIALIZE | {"id": 2})
        answers = {answer["id"]: answer for answer in [await ann.next() for _ in range(3)]}
        assert answers[0]["error"] == {"code": -32600, "message": "Not initialized"}
        assert answers[1]["result"]["codexHome"] == "/home/ann/.codex"
        assert answers[2]["error"] == {"code": -32600, "message": "Already initialized"}


async def test_what_follows_the_handshake_in_the_same_breath_is_answered() -> None:
    async with client() as ann:
        await ann.send(INITIALIZE, {"id": "text-id", "method": "thread/loaded/list", "params": {}})
        answers = {answer["id"]: answer for answer in [await ann.next() for _ in range(2)]}
        assert answers["text-id"] == {"id": "text-id", "result": {"data": [], "nextCursor": None}}


async def test_what_is_no_request_is_passed_over() -> None:
    async with client() as ann:
        await ann.send(
            b"this is not json",
            b"\xff{}",
            b'{"id": 1, "method": "initialize", "params": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            {"id": 99},
            {"id": None, "method": "initialize", "params": {}},
            {"id": 1.5, "method": "initialize", "params": {}},
            {"id": True, "method": "initialize", "params": {}},
            {"id": 2**63, "method": "initialize", "params": {}},
            {"id": 3, "result": {}},
            {"method": "bogus/notification", "params": {}},
            [INITIALIZE],
            "x",
            5,
            INITIALIZE,
        )
        assert (await ann.next())["id"] == 1


async def test_an_unknown_method_is_refused_by_name() -> None:
    async with client() as ann:
        await ann.send(INITIALIZE, {"id": 2, "method": "no/such/method", "params": {}})
        await ann.next()
        error = (await ann.next())["error"]
        assert error["code"] == -32600
        assert error["message"].startswith("Invalid request: unknown variant `no/such/method`, expected one of `")


async def test_a_slow_request_delays_no_other() -> None:
    release = trio.Event()

    async def slow_first(session: Session, call: Call) -> Any:
        if call.id == 1:
            await release.wait()
        return call.id

    async with client(answering(slow_first)) as ann:
        await ann.send({"id": 1, "method": "x", "params": {}}, {"id": 2, "method": "x", "params": {}})
        assert (await ann.next())["id"] == 2
        release.set()
        assert (await ann.next())["id"] == 1


async def test_requests_about_one_thread_keep_their_order() -> None:
    async def later_ones_are_quicker(session: Session, call: Call) -> Any:
        await trio.sleep(0.02 / int(call.id))
        return call.id

    async with client(answering(later_ones_are_quicker)) as ann:
        await ann.send(*({"id": n, "method": "x", "params": {"threadId": "T"}} for n in range(1, 9)))
        assert [(await ann.next())["id"] for _ in range(8)] == list(range(1, 9))


async def test_a_failure_is_one_answer_and_the_next_request_is_answered() -> None:
    async def failing(session: Session, call: Call) -> Any:
        await trio.lowlevel.checkpoint()
        match call.method:
            case "refuse":
                raise RpcError("no")
            case "busy":
                raise StoreBusyError("locked for 5 s")
            case "defect":
                raise ZeroDivisionError("a secret")
            case _:
                return "fine"

    async with client(answering(failing)) as ann:
        for number, method in enumerate(("refuse", "busy", "defect", "go on")):
            await ann.send({"id": number, "method": method, "params": {}})
        answers = {answer["id"]: answer for answer in [await ann.next() for _ in range(4)]}
        assert answers[0]["error"] == {"code": -32600, "message": "no"}
        assert answers[1]["error"] == {"code": -32603, "message": "the store could not answer: locked for 5 s"}
        assert answers[2]["error"] == {"code": -32603, "message": "internal error: ZeroDivisionError"}
        assert answers[3]["result"] == "fine"


async def test_what_is_told_beside_an_answer_comes_right_after_it() -> None:
    async def noisy(session: Session, call: Call) -> Any:
        await trio.lowlevel.checkpoint()
        session.notify_after(call.id, "thread/archived", {"threadId": "T"})
        return {}

    async with client(answering(noisy)) as ann:
        await ann.send({"id": 1, "method": "x", "params": {}})
        assert (await ann.next())["id"] == 1
        told = await ann.next()
        assert (told["method"], told["params"]) == ("thread/archived", {"threadId": "T"})
        assert isinstance(told["emittedAtMs"], int)


async def test_a_client_that_goes_away_ends_its_connection_alone() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    started = trio.Event()

    async def endless(session: Session, call: Call) -> Any:
        started.set()
        for _ in range(1_000):
            await session.notify("item", {})
        return {}

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Connection(HOST, answering(endless), theirs, theirs).serve)
            await ours.send_all(json.dumps({"id": 1, "method": "x", "params": {}}).encode() + b"\n")
            await started.wait()
            await ours.aclose()


async def test_news_never_waits_for_a_client_that_reads_nothing() -> None:
    host = attrs.evolve(HOST, clients=Clients())
    _ours, theirs = trio.testing.memory_stream_pair()
    connection = Connection(host, dispatch, theirs, theirs)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.serve)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(10_000):
                connection.session.post("thread/archived", {"threadId": "T"})
            nursery.cancel_scope.cancel()
    connection.session.post("thread/archived", {"threadId": "T"})
