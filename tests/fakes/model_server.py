"""A stand-in for the Responses API on loopback, for whoever speaks it: the real Codex binary, or memoryd.

The rule: a request is answered by the script of its last user message. The number of tool results after that message
says how many steps of the script are done; the next step is the answer. A prompt without a script gets "Done.".

A request for a memory, which is one that asks for an answer by a schema, is answered by the next of the steps that
`remember` was given, whatever it says; the last of them answers all that follow.
"""

import itertools
import json
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import attrs

from chaos.loopback import serving
from tests.fakes.model_answers import Endless, Stream


@attrs.frozen
class Say:
    """The final answer of a turn, after `delay_seconds` of silence."""

    text: str
    delay_seconds: float = 0.0


@attrs.frozen
class Call:
    """A tool call. arguments: what the tool takes; namespace: of a tool that is offered inside one."""

    name: str
    arguments: Mapping[str, object]
    namespace: str | None = None


@attrs.frozen
class Refuse:
    """The request fails with this HTTP status. It ends a script: no tool result follows it."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b'{"error": {"message": "refused by the script"}}'


@attrs.frozen
class Hang:
    """No answer comes for as long as the server runs."""


Step = Say | Call | Refuse | Hang | Stream | Endless

POLL_SECONDS = 0.02


def run(command: str) -> Call:
    """A call of the shell tool."""
    return Call("exec_command", {"cmd": command})


def patch(*lines: str) -> Call:
    """A call of apply_patch with these lines of the patch language, the way that models without the tool do it."""
    text = "\n".join(("*** Begin Patch", *lines, "*** End Patch"))
    return run(f"apply_patch <<'EOF'\n{text}\nEOF\n")


class FakeModelServer:
    """Holds the scripts; give one before the prompt is sent.

    Attributes:
      url: the base URL that a provider is configured with.
      requests: the body of every request so far, in the order of their arrival.
      headers: the same for their headers, with names in lower case.
      looked_at: the path of every request that only looks.
      look_status: what such a request is answered.
      hung_up: set once a client has left before its answer was whole.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.looked_at: list[str] = []
        self.look_status = 404
        self.asked = threading.Event()
        self.hung_up = threading.Event()
        self.closing = threading.Event()
        self._memories: tuple[Step, ...] = ()
        self._remembered = itertools.count()
        self._scripts: dict[str, tuple[Step, ...]] = {}
        self._numbers = itertools.count(1)

    def script(self, prompt: str, *steps: Step) -> str:
        """Answer `prompt` by these steps, one a request. Returns the prompt, to be passed on."""
        self._scripts[prompt.strip()] = steps
        return prompt

    def remember(self, *steps: Step) -> None:
        """Answer requests for a memory by these steps from now on."""
        self._memories, self._remembered = steps, itertools.count()

    def answer(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Step]:
        """The number of this request, from 1, and the step that answers it."""
        self.headers.append(headers)
        self.requests.append(body)
        self.asked.set()
        if self._memories and body.get("text", {}).get("format", {}).get("type") == "json_schema":
            index = min(next(self._remembered), len(self._memories) - 1)
            return next(self._numbers), self._memories[index]
        items: Sequence[Mapping[str, Any]] = body["input"]
        asked = max(index for index, item in enumerate(items) if item.get("role") == "user")
        done = sum(str(item.get("type", "")).endswith("_call_output") for item in items[asked + 1 :])
        prompt = "\n".join(part.get("text", "") for part in items[asked]["content"]).strip()
        steps = self._scripts.get(prompt, ())
        return next(self._numbers), steps[done] if done < len(steps) else Say("Done.")


@contextmanager
def fake_model_server() -> Iterator[FakeModelServer]:
    """Serve on a free port of 127.0.0.1 until the block ends; requests that hang are let go then."""

    class Handler(_Handler):
        model: FakeModelServer

    with serving(Handler, "fake model server") as address:
        model = Handler.model = FakeModelServer(f"{address}/v1")
        try:
            yield model
        finally:
            model.closing.set()


class _Handler(BaseHTTPRequestHandler):
    model: FakeModelServer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what a client asked for is seen in what it then does."""

    def do_GET(self) -> None:
        """Everything but the one endpoint is absent, unless a test says otherwise."""
        self.model.looked_at.append(self.path)
        self.model.headers.append({name.lower(): value for name, value in self.headers.items()})
        self._send(self.model.look_status, "application/json", b'{"object": "list", "data": []}')

    def do_POST(self) -> None:
        """Answer one model request."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number, step = self.model.answer(body, {name.lower(): value for name, value in self.headers.items()})
        match step:
            case Hang():
                self._wait(None)
                self.close_connection = True
            case Refuse():
                self._send(step.status, "application/json", step.body, step.headers)
            case Stream():
                self._stream(step, number)
            case Endless():
                self._begin_stream(None)
                while self._write(step.piece, step.gap_seconds):
                    pass
            case Say() | Call():
                if isinstance(step, Say) and step.delay_seconds:
                    time.sleep(step.delay_seconds)
                self._send(200, "text/event-stream", b"".join(_events(number, step)))

    def _stream(self, step: Stream, number: int) -> None:
        if not self._wait(step.delay_seconds):
            return
        pieces = list(step.pieces(1_000 + number))
        promised = sum(map(len, pieces)) + step.declared_bytes_more if step.declared_bytes_more is not None else None
        self._begin_stream(promised)
        for piece in pieces:
            if not self._write(piece, step.gap_seconds):
                return

    def _begin_stream(self, content_length: int | None) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        if content_length is not None:
            self.send_header("content-length", str(content_length))
        self.end_headers()

    def _write(self, piece: bytes, gap_seconds: float) -> bool:
        """Send a piece after its gap; False when the client has left or the server closes."""
        if not self._wait(gap_seconds):
            return False
        try:
            self.wfile.write(piece)
        except OSError:
            self.model.hung_up.set()
            return False
        return True

    def _wait(self, seconds: float | None) -> bool:
        """Wait; False when the client left meanwhile, or the server closes."""
        until = None if seconds is None else time.monotonic() + seconds
        while until is None or time.monotonic() < until:
            left = POLL_SECONDS if until is None else min(until - time.monotonic(), POLL_SECONDS)
            if self.model.closing.wait(max(left, 0)):
                return False
            if self._client_has_left():
                self.model.hung_up.set()
                return False
        return True

    def _client_has_left(self) -> bool:
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def _send(self, status: int, kind: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _events(number: int, step: Say | Call) -> Iterator[bytes]:
    thought = {
        "type": "reasoning",
        "id": f"rs_{number}",
        "summary": [{"type": "summary_text", "text": f"Thinking about step {number}"}],
        "encrypted_content": "bm90IGEgdGhvdWdodA==",
    }
    output = [thought, _output_item(number, step)]
    yield _event("response.created", response={"id": f"resp_{number}"})
    for index, item in enumerate(output):
        yield _event("response.output_item.added", output_index=index, item=item)
        yield _event("response.output_item.done", output_index=index, item=item)
    usage = {
        "input_tokens": 1_000 + number,  # differs by request, so that a sum shows which requests it holds
        "input_tokens_details": {"cached_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 1_020 + number,
    }
    yield _event("response.completed", response={"id": f"resp_{number}", "output": output, "usage": usage})


def _output_item(number: int, step: Say | Call) -> dict[str, object]:
    if isinstance(step, Say):
        content = [{"type": "output_text", "text": step.text, "annotations": []}]
        return {
            "type": "message",
            "id": f"msg_{number}",
            "role": "assistant",
            "status": "completed",
            "content": content,
        }
    call: dict[str, object] = {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": step.name,
        "arguments": json.dumps(dict(step.arguments)),
        "status": "completed",
    }
    return call if step.namespace is None else call | {"namespace": step.namespace}


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
