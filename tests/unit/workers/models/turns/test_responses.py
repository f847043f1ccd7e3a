"""A streamed answer comes piece by piece, or fails in the words of the app-server; the key is nowhere in them."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio

from tests.fakes.model_answers import Stream, error_body
from tests.fakes.model_server import FakeModelServer, Hang, Refuse, Say, Step, fake_model_server
from workers.models.turns.protocol import (
    ItemDone,
    MessageDelta,
    MessageStarted,
    Piece,
    Question,
    Retrying,
    TurnFailedError,
    TurnUsage,
)
from workers.models.turns.responses import ResponsesTurnModel, TurnServer, sendable

KEY = "sk-test-0123456789abcdefghijklmnop"
PROMPT = "Say it"


@pytest.fixture
def server() -> Iterator[FakeModelServer]:
    with fake_model_server() as model:
        yield model


def question(items: Sequence[dict[str, Any]] = ()) -> Question:
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": PROMPT}]}
    return Question(
        thread_id="thread", model="mock-model", cwd="/home/ann", instructions="Be brief.", items=[*items, asked]
    )


async def ask(server: FakeModelServer, *, retries_max: int = 0, silence: float = 5.0) -> tuple[list[Piece], Any]:
    told: list[Piece] = []

    async def tell(piece: Piece) -> None:
        await trio.lowlevel.checkpoint()
        told.append(piece)

    model = ResponsesTurnModel(
        TurnServer(
            base_url=server.url, key=KEY, retries_max=retries_max, silence_seconds_max=silence, uses_proxies=False
        )
    )
    try:
        with trio.fail_after(20):
            return told, await model.answer(question(), tell)
    except TurnFailedError as failed:
        return told, failed
    finally:
        await model.aclose()


async def test_answer_is_told_and_counted(server: FakeModelServer) -> None:
    server.script(PROMPT, Say("Said."))

    told, answered = await ask(server)

    assert [piece.item["type"] for piece in told if isinstance(piece, ItemDone)] == ["reasoning", "message"]
    assert answered.response_id == "resp_1"
    assert answered.usage == TurnUsage(
        input_tokens=1001, cached_input_tokens=10, output_tokens=20, reasoning_output_tokens=5, total_tokens=1021
    )
    body = server.requests[0]
    assert (body["model"], body["instructions"], body["store"], body["stream"]) == (
        "mock-model",
        "Be brief.",
        False,
        True,
    )
    assert body["tools"] == []
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_message_begins_with_what_the_server_has_of_it_already(server: FakeModelServer) -> None:
    server.script(PROMPT, Say("Said at once."))

    told, _ = await ask(server)

    assert [piece.text for piece in told if isinstance(piece, MessageStarted)] == ["Said at once."]


async def test_text_is_told_as_it_comes_and_an_answer_that_comes_whole_is_taken_at_its_end(
    server: FakeModelServer,
) -> None:
    text = "A sentence that is longer than one piece of the stream is."
    server.script(PROMPT, Stream(text=text))

    told, _ = await ask(server)

    assert "".join(piece.text for piece in told if isinstance(piece, MessageDelta)) == text
    assert [piece.item["content"][0]["text"] for piece in told if isinstance(piece, ItemDone)] == [text]


@pytest.mark.parametrize(
    ("step", "message", "info"),
    [
        (
            Refuse(429),
            "exceeded retry limit, last status: 429 Too Many Requests",
            {"responseTooManyFailedAttempts": {"httpStatusCode": 429}},
        ),
        (
            Refuse(500),
            "We\u2019re currently experiencing high demand, which may cause temporary errors.",
            "internalServerError",
        ),
        (
            Refuse(401, body=error_body("invalid_api_key", f"no such key: {KEY}")),
            "unexpected status 401 Unauthorized: no such key: [REDACTED_SECRET], url: {url}",
            {"httpConnectionFailed": {"httpStatusCode": 401}},
        ),
        (
            Refuse(503),
            "unexpected status 503 Service Unavailable: refused by the script, url: {url}",
            {"httpConnectionFailed": {"httpStatusCode": 503}},
        ),
        (Refuse(400, body=b"nonsense"), "nonsense", "other"),
        (
            Refuse(429, body=error_body("insufficient_quota", "no money")),
            "Quota exceeded. Check your plan and billing details.",
            "usageLimitExceeded",
        ),
        (
            Stream(text="cut", ending="none"),
            "stream disconnected before completion: stream closed before response.completed",
            "other",
        ),
        (
            Stream(text="cut", ending="none", declared_bytes_more=10),
            "stream disconnected before completion: stream closed before response.completed",
            "other",
        ),
        (
            Stream(ending="failed", reason="server_error", message="it broke"),
            "stream disconnected before completion: it broke",
            "other",
        ),
        (
            Stream(ending="failed", reason="rate_limit_exceeded", message="slow down"),
            "rate limit exceeded: slow down",
            "rateLimitExceeded",
        ),
        (
            Stream(ending="failed", reason="context_length_exceeded"),
            "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before"
            " retrying.",
            "contextWindowExceeded",
        ),
        (Stream(ending="incomplete"), "Incomplete response returned, reason: max_output_tokens", "other"),
    ],
)
async def test_failure_has_the_words_and_the_name_of_the_app_server(
    server: FakeModelServer, step: Step, message: str, info: Any
) -> None:
    server.script(PROMPT, step)

    _, failed = await ask(server)

    assert isinstance(failed, TurnFailedError)
    assert str(failed) == message.format(url=f"{server.url}/responses")
    assert failed.info == info
    assert KEY not in str(failed)


async def test_server_that_says_nothing_is_not_waited_for_any_longer(server: FakeModelServer) -> None:
    server.script(PROMPT, Hang())

    _, failed = await ask(server, silence=0.2)

    assert str(failed) == "stream disconnected before completion: idle timeout waiting for SSE"


async def test_nobody_at_the_address_is_said() -> None:
    with fake_model_server() as gone:
        pass

    _, failed = await ask(gone)

    assert str(failed).startswith("Connection failed: ")
    assert failed.info == {"httpConnectionFailed": {"httpStatusCode": None}}


async def test_what_may_pass_is_tried_again_so_often_and_no_more(
    server: FakeModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.models.turns.responses.BACK_OFF_SECONDS", 0.001)
    server.script(PROMPT, Refuse(500))

    told, failed = await ask(server, retries_max=2)

    assert [piece.attempt for piece in told if isinstance(piece, Retrying)] == [1, 2]
    assert len(server.requests) == 3
    assert isinstance(failed, TurnFailedError)


async def test_refused_key_is_not_tried_again(server: FakeModelServer) -> None:
    server.script(PROMPT, Refuse(401))

    await ask(server, retries_max=3)

    assert len(server.requests) == 1


def test_items_are_sent_without_the_recorders_members_and_every_call_with_its_output() -> None:
    items: list[dict[str, Any]] = [
        {"type": "message", "id": "msg_1", "role": "user", "content": [], "metadata": {"x": 1}},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "eA=="},
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "function_call", "id": "fc_1", "call_id": "answered", "name": "x", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "answered", "output": "y"},
        {"type": "function_call", "call_id": "unanswered", "name": "x", "arguments": "{}"},
        {"type": "custom_tool_call_output", "call_id": "uncalled", "output": "half \ud800"},
    ]

    assert sendable(items) == [
        {"type": "message", "role": "user", "content": []},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "eA=="},
        {"type": "function_call", "call_id": "answered", "name": "x", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "answered", "output": "y"},
    ]


def test_server_does_not_show_its_key() -> None:
    assert KEY not in repr(TurnServer(base_url="http://127.0.0.1/v1", key=KEY, headers={"x-key": KEY}))
