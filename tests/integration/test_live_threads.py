"""`memoryd serve` with live threads, as a real process against a model server on loopback."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.model_server import FakeModelServer, Hang, Say, fake_model_server

CONFIG = """\
model = "mock-model"
model_provider = "loopback"
approval_policy = "never"

[model_providers.loopback]
name = "Loopback"
base_url = "{url}"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0
"""

SECONDS_MAX = 60


@pytest.fixture
def model(home: CodexHome) -> Iterator[FakeModelServer]:
    """A model server that the home's configuration names."""
    with fake_model_server() as server:
        (home.path / "config.toml").write_text(CONFIG.format(url=server.url))
        yield server


class Served:
    """A client of one running service."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._number = 0
        self._told: list[dict[str, Any]] = []

    def ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"id": self._number, "method": method, "params": params}).encode() + b"\n")
        self.process.stdin.flush()
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "result" in message, message
                return message["result"]
            self._told.append(message)

    def hear(self, method: str) -> Any:
        while True:
            for index, message in enumerate(self._told):
                if message["method"] == method:
                    del self._told[: index + 1]
                    return message["params"]
            self._told.append(self._next())

    def turn(self, thread_id: str, text: str) -> dict[str, Any]:
        self.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": text}])
        turn: dict[str, Any] = self.hear("turn/completed")["turn"]
        return turn

    def _next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the service ended"
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def serving(memoryd: Memoryd) -> Iterator[Served]:
    with memoryd.serving_stdio() as process:
        try:
            client = Served(process)
            client.ask("initialize", clientInfo={"name": "ann", "version": "1"}, capabilities={"experimentalApi": True})
            yield client
        finally:
            if process.poll() is None:
                process.kill()


def end(client: Served) -> int:
    assert client.process.stdin is not None
    client.process.stdin.close()
    return client.process.wait(SECONDS_MAX)


@pytest.mark.parametrize("mode", ["legacy", "paginated"])
def test_thread_outlives_the_service_and_goes_on_in_the_next_one(
    memoryd: Memoryd, model: FakeModelServer, mode: str
) -> None:
    model.script("Hello", Say("Hello, Ann."))
    with serving(memoryd) as client:
        thread_id = client.ask("thread/start", historyMode=mode)["thread"]["id"]
        first = client.turn(thread_id, "Hello")
        assert end(client) == 0
    listed = memoryd.ask("threads", "list")["threads"]
    with serving(memoryd) as client:
        resumed = client.ask("thread/resume", threadId=thread_id)["thread"]
        second = client.turn(thread_id, "Again")
        assert end(client) == 0

    assert [turn["status"] for turn in (first, second)] == ["completed", "completed"]
    assert [(one["id"], one["title"]) for one in listed] == [(thread_id, "Hello")]
    assert [turn["id"] for turn in resumed["turns"]] == [first["id"]]
    texts = [part.get("text") for item in model.requests[-1]["input"] for part in item.get("content", [])]
    assert [text for text in texts if text in ("Hello", "Hello, Ann.", "Again")] == ["Hello", "Hello, Ann.", "Again"]


@pytest.mark.parametrize("how", ["its input ends", "a signal"])
def test_turn_that_runs_when_the_service_ends_is_recorded_as_stopped(
    memoryd: Memoryd, model: FakeModelServer, how: str
) -> None:
    model.script("Hello", Hang())
    with serving(memoryd) as client:
        thread_id = client.ask("thread/start")["thread"]["id"]
        client.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": "Hello"}])
        assert model.asked.wait(SECONDS_MAX)
        if how == "a signal":
            client.process.send_signal(signal.SIGTERM)
            assert client.process.wait(SECONDS_MAX) == 0
        else:
            assert end(client) == 0
    with serving(memoryd) as client:
        turns = client.ask("thread/resume", threadId=thread_id)["thread"]["turns"]
        assert end(client) == 0

    assert [turn["status"] for turn in turns] == ["interrupted"]
    assert turns[0]["completedAt"] is not None
