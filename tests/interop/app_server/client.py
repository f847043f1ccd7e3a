"""A client of `codex app-server`: JSON-RPC over stdio, one object a line, without the `jsonrpc` member.

A thread of its own reads what the server says, so that the server never waits for its reader. Answers and notifications
come in one order; what nobody has waited for yet is kept.
"""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.interop.processes import PROCESS_SECONDS_MAX

Message = dict[str, Any]
NOTHING: Mapping[str, object] = MappingProxyType({})


class AppServerError(Exception):
    """The server refused a request, or ended before it answered."""


class AppServer:
    """One running server. Use `running_app_server` or `running_server`, which also end it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._arrived: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._kept: list[Message] = []
        self._next_id = 0
        self._reader = threading.Thread(target=self._read, name="app-server reader")
        self._reader.start()

    def initialize(self, *, seconds_max: float = PROCESS_SECONDS_MAX) -> None:
        """Shake hands. The server answers only after its start-up backfill."""
        client = {"name": "memoryd_tests", "title": "memoryd tests", "version": "1.0.0"}
        params = {"clientInfo": client, "capabilities": {"experimentalApi": True}}
        self.request("initialize", params, seconds_max=seconds_max)
        self.send({"method": "initialized"})

    def request(
        self, method: str, params: Mapping[str, object], *, seconds_max: float = PROCESS_SECONDS_MAX
    ) -> Message:
        """Ask, and return the result.

        Raises:
          AppServerError: with the server's own words when it refuses.
        """
        answer = self.ask(method, params, seconds_max=seconds_max)
        if "error" in answer:
            raise AppServerError(f"{method}: {answer['error']['message']}")
        result: Message = answer["result"]
        return result

    def ask(self, method: str, params: Any, *, seconds_max: float = PROCESS_SECONDS_MAX) -> Message:
        """Ask, and return the answer as it came but for its id: `{"result"}`, or `{"error"}` with code and message.

        params: anything that JSON has; NO_PARAMS leaves the member out.
        """
        self._next_id += 1
        request_id = self._next_id
        message = {"id": request_id, "method": method}
        self.send(message if params is NO_PARAMS else {**message, "params": params})
        answer = self._take(
            lambda message: message.get("id") == request_id and "method" not in message, method, seconds_max
        )
        return {name: value for name, value in answer.items() if name != "id"}

    def wait_for(self, method: str, params: Mapping[str, object] = NOTHING) -> Message:
        """The first notification of this method whose params hold these values; it is consumed."""

        def wanted(message: Message) -> bool:
            return message.get("method") == method and params.items() <= message["params"].items()

        return self._take(wanted, method, PROCESS_SECONDS_MAX)

    def take_kept(self) -> list[Message]:
        """Everything that came and that nobody has waited for, once."""
        kept, self._kept = self._kept, []
        return kept

    def turn(self, thread_id: str, *inputs: Mapping[str, object]) -> None:
        """Send one user turn and wait until it has ended, however it ended."""
        self.request("turn/start", {"threadId": thread_id, "input": list(inputs)})
        self.wait_for("turn/completed", {"threadId": thread_id})

    def close(self) -> None:
        """Close the server's stdin, which ends it, and wait; kill it when it stays."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # a server that has died cannot take what is still buffered
            self.process.stdin.close()
        try:
            self.process.wait(PROCESS_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join()
            self.process.stdout.close()

    def send(self, message: Mapping[str, object]) -> None:
        """Send one message."""
        self.send_line(json.dumps(message).encode())

    def send_line(self, line: bytes) -> None:
        """Send one line, whatever is in it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(json.loads(line))
        self._arrived.put(None)

    def _take(self, wanted: Callable[[Message], bool], what: str, seconds_max: float) -> Message:
        for index, message in enumerate(self._kept):
            if wanted(message):
                return self._kept.pop(index)
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                arrived = self._arrived.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AppServerError(f"{what}: nothing came within {seconds_max:.0f} seconds") from None
            if arrived is None:
                self._arrived.put(None)
                raise AppServerError(f"{what}: the server has ended")
            if wanted(arrived):
                return arrived
            self._kept.append(arrived)


NO_PARAMS = object()
"""A request without the member."""


@contextmanager
def running_app_server(binary: Path, environment: Mapping[str, str], cwd: Path) -> Iterator[AppServer]:
    """Start `binary app-server`; it has ended when the block has. The caller shakes hands with `initialize`."""
    with running_server([str(binary), "app-server"], environment, cwd) as server:
        yield server


@contextmanager
def running_server(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Iterator[AppServer]:
    """Start a server that speaks on stdin and stdout; it has ended when the block has."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    server = AppServer(process)
    try:
        yield server
    finally:
        server.close()
