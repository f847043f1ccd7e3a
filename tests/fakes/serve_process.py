"""`memoryd serve` as a real process, and programs that talk to it."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from tests.fakes.command import Memoryd

SECONDS_MAX = 60.0


class _Lines(Protocol):
    def readline(self) -> bytes: ...


class Program:
    """One client: lines out, lines in, with a bound on every wait."""

    def __init__(self, send: Any, lines: _Lines) -> None:
        self.news: list[tuple[str, Any]] = []
        self._send = send
        self._lines = lines
        self._next_id = 0

    def send(self, method: str, **params: Any) -> int:
        """Ask, and do not wait; the request's id."""
        self._next_id += 1
        message = {"id": self._next_id, "method": method, "params": params}
        self._send(json.dumps(message).encode() + b"\n")
        return self._next_id

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer's result; its `error` where it is refused. News that comes before it is kept."""
        return self.answer(self.send(method, **params))

    def answer(self, request_id: int) -> dict[str, Any]:
        """What answers a request that was sent, as `ask` gives it; answers to others are passed over."""
        while (message := self._message()).get("id") != request_id:
            if "method" in message:
                self.news.append((message["method"], message["params"]))
        result: dict[str, Any] = message["result"] if "result" in message else {"error": message["error"]}
        return result

    def heard(self, count: int) -> list[tuple[str, Any]]:
        """Wait until so much news has come, and take it."""
        while len(self.news) < count:
            message = self._message()
            self.news.append((message["method"], message["params"]))
        news, self.news = self.news, []
        return news

    def _message(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the service has ended"
        message: dict[str, Any] = json.loads(line)
        return message

    def shake_hands(self) -> None:
        """Introduce the program."""
        self.ask("initialize", clientInfo={"name": "tests", "version": "1"})


class ServeProcess(Program):
    """A service at its own stdin and stdout."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin = process.stdin

        def send(line: bytes) -> None:
            stdin.write(line)
            stdin.flush()

        super().__init__(send, process.stdout)
        self.process = process

    def kill(self) -> None:
        """End it as kill -9 does, now."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS_MAX)


class SocketProgram(Program):
    """A client that is connected by a socket, which it may treat as it likes."""

    def __init__(self, connection: socket.socket, lines: _Lines) -> None:
        super().__init__(connection.sendall, lines)
        self.connection = connection


@contextmanager
def serving(memoryd: Memoryd, *arguments: str) -> Iterator[ServeProcess]:
    """`memoryd serve --stdio` for the block, hands shaken; ended by its id afterwards, whatever happens."""
    process = subprocess.Popen(
        memoryd.arguments("serve", "--stdio", *arguments),
        env=memoryd.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        served = ServeProcess(process)
        served.shake_hands()
        yield served
        assert process.stdin is not None
        process.stdin.close()
        process.wait(SECONDS_MAX)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def serving_at(memoryd: Memoryd, path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`memoryd serve --socket PATH` for the block, once it listens."""
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
def connected(path: Path) -> Iterator[SocketProgram]:
    """A program that is connected to the socket for the block, and has not shaken hands."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(SECONDS_MAX)
        connection.connect(str(path))
        with connection.makefile("rb") as lines:
            yield SocketProgram(connection, lines)


@contextmanager
def program_at(path: Path) -> Iterator[SocketProgram]:
    """A program that is connected to the socket for the block, hands shaken."""
    with connected(path) as program:
        program.shake_hands()
        yield program
