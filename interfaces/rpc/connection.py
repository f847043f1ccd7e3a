"""One client: its lines in, its answers out.

    reader ──request──> a task each ──answer──> bounded channel ──> writer
                         (requests about one thread go one after the other, in the order in which they came)

The rule: one slow request delays nobody but requests about the same thread. A client that reads no answers is not read
from any more either, since the channel is bounded; one that goes away takes its own requests with it and nothing else:
a change that the store has picked up is finished, as everywhere.
"""

import contextlib
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
import trio

from interfaces.rpc import messages
from interfaces.rpc.errors import INTERNAL, RpcError
from interfaces.rpc.host import Host
from interfaces.rpc.lines import Source, TooLong, lines
from interfaces.rpc.messages import Call, NoMessageError
from interfaces.rpc.session import Session, current_request
from state.errors import StateError, first_cause

log = structlog.get_logger(__name__)

REQUESTS_MAX = 64
"""So many requests of one client are worked on at a time; more wait in the client's pipe."""

ANSWERS_MAX = 64
NEWS_MAX = 1_024
"""So much news of what other clients did waits for a client that is slow to read; more is not told to it."""

WRITE_SECONDS_MAX = 30.0
"""A client that takes no byte for so long is gone, though its pipe is open."""

DRAIN_SECONDS_MAX = 5.0
"""After the last line of a client its requests have so long to be answered."""


class Sink(Protocol):
    """Where bytes go."""

    async def send_all(self, data: bytes) -> None: ...


Work = Callable[[], Awaitable[Any]]
Dispatch = Callable[[Host, Session, Call], Work]
"""Gives what answers a request. Both raise RpcError for one that is refused: the first in the order in which requests
come, which is what decides whether the handshake was before them."""


class Connection:
    """Serves one client until it has nothing more to say."""

    def __init__(self, host: Host, dispatch: Dispatch, source: Source, sink: Sink) -> None:
        self._host = host
        self._dispatch = dispatch
        self._source = source
        self._sink = sink
        self._out_send, self._out_receive = trio.open_memory_channel[bytes](ANSWERS_MAX)
        self._news_send, self._news_receive = trio.open_memory_channel[tuple[str, Any]](NEWS_MAX)
        self._slots = trio.Semaphore(REQUESTS_MAX)
        self._lanes: dict[str, trio.Event] = {}
        self.session = Session(self.notify, self._post)

    async def serve(self) -> None:
        """Answer until the client ends its input or goes away. Never raises for what the client does."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, nursery.cancel_scope)
            nursery.start_soon(self._tell_news)
            self._host.clients.enter(self.session)
            try:
                async with self._out_send, self._news_send:
                    with contextlib.suppress(trio.BrokenResourceError):
                        await self._read()
            finally:
                self._host.clients.leave(self.session)
                self.session.end()

    async def notify(self, method: str, params: Any) -> None:
        """Tell the client something; waits while it reads nothing."""
        await self._put(messages.notification(method, params, int(time.time() * 1000)))

    def _post(self, method: str, params: Any) -> None:
        try:
            self._news_send.send_nowait((method, params))
        except trio.WouldBlock:
            log.warning("a client that reads too slowly misses news", method=method)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it is leaving

    async def _tell_news(self) -> None:
        async with self._news_receive:
            async for method, params in self._news_receive:
                await self.notify(method, params)

    async def _read(self) -> None:
        deadline = trio.CancelScope()
        with deadline:
            async with trio.open_nursery() as requests, contextlib.aclosing(lines(self._source)) as coming:
                async for line in coming:
                    await self._take(line, requests)
                deadline.deadline = trio.current_time() + DRAIN_SECONDS_MAX

    async def _take(self, line: bytes | TooLong, requests: trio.Nursery) -> None:
        if isinstance(line, TooLong):
            log.warning("a line was too long and was passed over")
            return
        try:
            message = messages.parse(line)
        except NoMessageError as error:
            log.warning("a line was passed over", reason=str(error))
            return
        if not isinstance(message, Call):
            return
        try:
            self._slots.acquire_nowait()  # where there is room, waiting for it costs a turn of the event loop
        except trio.WouldBlock:
            await self._slots.acquire()
        lane = _lane(message)
        before = self._lanes.get(lane) if lane is not None else None
        done = trio.Event()
        if lane is not None:
            self._lanes[lane] = done
        try:
            work = self._dispatch(self._host, self.session, message)
        except RpcError as refused:
            work = functools.partial(_refuse, refused)
        # The handshake decides what may follow it, so it is done before the next line is looked at.
        if message.method == "initialize":
            await self._answer(message, work, lane, before, done)
        else:
            requests.start_soon(self._answer, message, work, lane, before, done)

    async def _answer(
        self, call: Call, work: Work, lane: str | None, before: trio.Event | None, done: trio.Event
    ) -> None:
        current_request.set(call.id)
        try:
            if before is not None:
                await before.wait()
            await self._put(await self._line(call, work))
            for method, params in self.session.take_notices(call.id):
                await self.notify(method, params)
        finally:
            for action in self.session.take_actions(call.id):
                action()
            done.set()
            if lane is not None and self._lanes.get(lane) is done:
                del self._lanes[lane]
            self._slots.release()

    async def _line(self, call: Call, work: Work) -> bytes:
        try:
            return messages.answer(call.id, await work())
        except RpcError as error:
            return messages.refusal(call.id, error.code, str(error), error.data)
        except StateError as error:
            log.warning("the store could not answer", method=call.method, reason=str(error))
            return messages.refusal(call.id, INTERNAL, f"the store could not answer: {error}")
        except OSError as error:
            log.warning("a file could not be used", method=call.method, reason=str(error))
            return messages.refusal(call.id, INTERNAL, f"a file could not be used: {error.strerror or error}")
        except Exception as error:
            log.exception("a request failed", method=call.method)
            return messages.refusal(call.id, INTERNAL, f"internal error: {type(first_cause(error)).__name__}")

    async def _put(self, line: bytes) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._out_send.send(line)

    async def _write(self, everything: trio.CancelScope) -> None:
        try:
            async with self._out_receive:
                async for line in self._out_receive:
                    with trio.fail_after(WRITE_SECONDS_MAX):
                        await self._sink.send_all(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            log.info("the client went away")
            everything.cancel()
        except trio.TooSlowError:
            log.warning("the client reads nothing and is left", seconds=WRITE_SECONDS_MAX)
            everything.cancel()


async def _refuse(refused: RpcError) -> Any:
    await trio.lowlevel.checkpoint()
    raise refused


def _lane(call: Call) -> str | None:
    """Which requests this one must not overtake: those about the same thread."""
    thread_id = call.params.get("threadId") if isinstance(call.params, dict) else None
    return thread_id.lower() if isinstance(thread_id, str) else None
