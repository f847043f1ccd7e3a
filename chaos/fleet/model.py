"""A model server on loopback whose mood can be set: what a provider out there does on a bad day.

A good answer depends on the request alone, so that a session ends with the same memory whatever happened on the way.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from chaos.loopback import serving

_LINE = re.compile(r'^\{"line":\s*(\d+)', re.MULTILINE)
"""How a prompt numbers its events; an answer has to cite one."""

SILENCE_SECONDS = 20.0
"""Longer than a call may take here."""


class ModelServer:
    """A running server. mood is one of plan.MODEL_MOODS, or '' for good answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.mood = ""
        self.requests = 0
        self.closing = threading.Event()


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serve on a free port of 127.0.0.1 for the block."""

    class Handler(_Handler):
        server_state: ModelServer

    with serving(Handler, "model server") as address:
        state = Handler.server_state = ModelServer(f"{address}/v1")
        try:
            yield state
        finally:
            state.closing.set()


class _Handler(BaseHTTPRequestHandler):
    server_state: ModelServer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; the service says what it was answered."""

    def do_POST(self) -> None:
        """Answer one request as the mood is."""
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        state.requests += 1
        mood = state.mood
        text = memory_for(body)
        match mood:
            case "refuse":
                self._send(500, "application/json", b'{"error": {"message": "chaos"}}')
            case "busy":
                self._send(429, "application/json", b'{"error": {"message": "chaos"}}', {"retry-after": "1"})
            case "cut":
                self._stream(text, whole=False)
            case "lie":
                self._stream('{"raw_memory": "half an answer"', whole=True)
            case "silent":
                state.closing.wait(SILENCE_SECONDS)
                self.close_connection = True
            case _:
                if mood == "slow":
                    state.closing.wait(0.5)
                self._stream(text, whole=True)

    def _stream(self, text: str, *, whole: bool) -> None:
        events = [_event("response.output_text.delta", item_id="msg_1", delta=text)]
        if whole:
            events.append(_event("response.completed", response=_completed(text)))
        self._send(200, "text/event-stream", b"".join(events))

    def _send(self, status: int, kind: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            time.sleep(0)  # the client was killed, which is what happens here


def memory_for(body: dict[str, Any]) -> str:
    """The one good answer to this request."""
    prompt = "".join(part["text"] for item in body["input"] for part in item["content"])
    digest = hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()
    return json.dumps(
        {
            "rollout_summary": f"# Session {digest}\n\nWhat was asked for was done.",
            "rollout_slug": f"session-{digest}",
            "raw_memory": f"---\ndescription: session {digest}\n---\n\n### Task 1\n- done",
            "notes": [
                {"kind": "outcome", "topic": "outcome", "text": "What was asked for was done.", "line": int(line)}
                for line in _LINE.findall(prompt)[-1:]
            ],
        }
    )


def _completed(text: str) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "status": "completed",
        "output": [
            {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
        ],
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 10,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 110,
        },
    }


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
