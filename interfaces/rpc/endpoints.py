"""Where clients are met: the process's own stdin and stdout, or a Unix socket in the file system.

--stdio        one client, whose end of input ends the service
--socket PATH  many clients, until a signal; the socket is for its owner alone (0600)
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import trio

from interfaces.rpc.connection import Sink
from interfaces.rpc.lines import Source

log = structlog.get_logger(__name__)

CLIENTS_MAX = 128
ACCEPT_PAUSE_SECONDS = 0.1
"""After the system refused a client for want of descriptors or memory."""

_SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

ServeClient = Callable[[Source, Sink], Awaitable[None]]


class SocketPathError(Exception):
    """The socket cannot be made there."""

    code = "socket_path"
    retryable = False

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


async def serve_stdio(serve_client: ServeClient) -> None:
    """Serve the client at stdin and stdout until its input ends."""
    async with standard_stream(0) as source, standard_stream(1) as sink:
        await serve_client(source, sink)


async def serve_socket(path: Path, serve_client: ServeClient, ready: Callable[[], None]) -> None:
    """Serve whoever connects to a socket, until cancelled. `ready` is called once clients can connect.

    Raises:
      SocketPathError: something else is at that path, or it is none for a socket.
    """
    async with _listening(path) as listener, trio.open_nursery() as clients:
        ready()
        slots = trio.Semaphore(CLIENTS_MAX)
        while True:
            await slots.acquire()
            clients.start_soon(_serve_one, await _accept(listener), serve_client, slots)


async def _serve_one(stream: trio.SocketStream, serve_client: ServeClient, slots: trio.Semaphore) -> None:
    try:
        async with stream:
            await serve_client(stream, stream)
    finally:
        slots.release()


async def _accept(listener: trio.socket.SocketType) -> trio.SocketStream:
    while True:
        try:
            connected, _ = await listener.accept()
            return trio.SocketStream(connected)
        except OSError as error:
            if error.errno not in _SCARCE:
                log.warning("a client could not be accepted", reason=str(error))
            await trio.sleep(ACCEPT_PAUSE_SECONDS)


@asynccontextmanager
async def _listening(path: Path) -> AsyncIterator[trio.socket.SocketType]:
    """A listening socket at `path`, which is removed at the end if it is still ours."""
    await _clear_stale(path)
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener:
        before = os.umask(0o177)
        try:
            await listener.bind(str(path))
        except OSError as error:
            raise SocketPathError(
                f"cannot make a socket at {path}: {(error.strerror or str(error)).lower()}",
                hint="name a path in a folder of yours, shorter than about 100 characters",
            ) from error
        finally:
            os.umask(before)
        ours = os.lstat(path)
        try:
            listener.listen(CLIENTS_MAX)
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(path), ours):
                    os.unlink(path)


async def _clear_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more: what a killed service leaves behind."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketPathError(f"cannot look at {path}: {error.strerror}", hint="name another path") from error
    if not stat.S_ISSOCK(kind):
        raise SocketPathError(f"{path} exists and is no socket", hint="name a path that is free")
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            await probe.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as error:
            raise SocketPathError(f"cannot look at {path}: {error.strerror}", hint="name another path") from error
    raise SocketPathError(f"another process serves at {path}", hint="name another path, or stop that process")


class _Descriptor:
    """One of the process's standard descriptors as a stream, whatever is behind it.

    A pipe, a terminal or a socket is waited for by the event loop; a file, which cannot be waited for, is read and
    written on threads. The descriptor itself stays open and gets its blocking mode back: others share it.
    """

    def __init__(self, number: int, stream: trio.lowlevel.FdStream | None) -> None:
        self._number = number
        self._stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._stream is not None:
            return bytes(await self._stream.receive_some(max_bytes))
        return await trio.to_thread.run_sync(os.read, self._number, max_bytes or 65_536)

    async def send_all(self, data: bytes) -> None:
        if self._stream is not None:
            # Most answers fit into the pipe at once; the stream would let the event loop turn before it tries.
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._stream.fileno(), data) :]
            if data:
                await self._stream.send_all(data)
            return
        while data:
            data = data[await trio.to_thread.run_sync(os.write, self._number, data) :]


@asynccontextmanager
async def standard_stream(number: int) -> AsyncIterator[_Descriptor]:
    """The stream at a descriptor of the process for the block; the descriptor outlives it."""
    was_blocking = os.get_blocking(number)
    copy = os.dup(number)
    if stat.S_ISREG(os.fstat(number).st_mode):
        os.close(copy)
        yield _Descriptor(number, None)
        return
    try:
        async with trio.lowlevel.FdStream(copy) as stream:
            yield _Descriptor(number, stream)
    finally:
        os.set_blocking(number, was_blocking)
