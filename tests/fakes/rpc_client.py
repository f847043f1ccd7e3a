"""A client of `memoryd serve` that may be as rude as it likes: raw bytes out, lines in, with a bound on every wait."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.fakes.command import Memoryd

SECONDS_MAX = 60.0

HELLO = {"id": "hello", "method": "initialize", "params": {"clientInfo": {"name": "rude", "version": "1"}}}


class RpcClient:
    """One connection, over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS_MAX)
        self.connection = connection
        self._held = b""

    def send(self, *messages: Any) -> None:
        """Send each message as a line; bytes go as they are."""
        for message in messages:
            data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
            self.connection.sendall(data)

    def next(self) -> dict[str, Any]:
        """The next line that comes.

        Raises:
          EOFError: the server hung up.
        """
        while b"\n" not in self._held:
            chunk = self.connection.recv(65_536)
            if not chunk:
                raise EOFError
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def answer(self, request_id: Any) -> dict[str, Any]:
        """What answers a request; everything else that comes before it is passed over."""
        while True:
            message = self.next()
            if message.get("id") == request_id and "method" not in message:
                return message

    def ask(self, method: str, params: Any, request_id: Any = "ask") -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self.send({"id": request_id, "method": method, "params": params})
        return self.answer(request_id)

    def shake_hands(self) -> None:
        """The handshake."""
        self.send(HELLO)
        assert "result" in self.answer("hello")


@contextmanager
def serving_at(memoryd: Memoryd, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`memoryd serve --socket PATH`, once it listens."""
    with memoryd.running("serve", "--socket", str(path)) as process:
        wait_until_listening(process, path)
        yield process


def wait_until_listening(process: "subprocess.Popen[str]", path: Path) -> None:
    """Return once somebody can connect."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended before it listened"
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(path))
            return
        time.sleep(0.02)
    raise AssertionError("the service never listened")


@contextmanager
def connected(path: Path) -> Iterator[RpcClient]:
    """A new connection, closed with the block."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        yield RpcClient(connection)
