"""The provider beside a server over real HTTP: each answer and each failure that there is, and what it cost."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import attrs
import pytest
import trio

from config.responses import ResponsesSettings
from tests.fakes.model_answers import CACHED_TOKENS, NOTHING, OUTPUT_TOKENS, Endless, Stream, delta, error_body, memory
from tests.fakes.model_server import FakeModelServer, Hang, Refuse, Step, fake_model_server
from tests.unit.workers.models.responses.conversations import said, task
from workers.models.protocol import ModelError, ModelPermanentError, ModelTransientError, ModelUnavailableError
from workers.models.responses import ResponsesProvider

pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <async_generator object:pytest.PytestUnraisableExceptionWarning"
)
"""The SDK leaves its generators in the middle of a stream at `[DONE]` and at what is not JSON. Trio closes them."""

GOOD = Stream(text=memory(2))
SOON = {"retry-after": "0.05"}
TOO_BIG = Refuse(400, body=error_body("context_length_exceeded", "too much"))


@pytest.fixture
def model() -> Iterator[FakeModelServer]:
    """The model's server."""
    with fake_model_server() as server:
        yield server


@pytest.fixture
def settings(model: FakeModelServer) -> ResponsesSettings:
    """Settings that lead to it."""
    return ResponsesSettings(base_url=model.url, call_seconds_max=20)


@pytest.fixture
async def provider(settings: ResponsesSettings) -> AsyncIterator[ResponsesProvider]:
    """The provider, closed afterwards."""
    async with aclosing(ResponsesProvider(settings, "a-key")) as opened:
        yield opened


async def failure(provider: ResponsesProvider) -> ModelError:
    """The failure of a call that must fail."""
    with pytest.raises(ModelError) as raised:
        await provider.extract(task())
    return raised.value


@pytest.mark.parametrize(
    "step",
    [
        GOOD,
        attrs.evolve(GOOD, whole=True),
        attrs.evolve(GOOD, after=b"data: [DONE]\n\n"),
        attrs.evolve(GOOD, after=b"data: no JSON\n\n"),
        attrs.evolve(GOOD, after=delta("more")),
        attrs.evolve(GOOD, declared_bytes_more=50),
        attrs.evolve(GOOD, gap_seconds=0.01, delay_seconds=0.05),
    ],
    ids=["in pieces", "whole", "done mark", "rubbish after", "text after", "cut after", "slow"],
)
async def test_a_completed_answer_is_an_answer(model: FakeModelServer, provider: ResponsesProvider, step: Step) -> None:
    model.remember(step)
    answer = await provider.extract(task())

    assert [(note.line, note.text) for note in answer.notes] == [(2, "Always use pnpm instead of npm")]
    assert answer.usage.input_tokens == 1_001
    assert (answer.usage.cached_input_tokens, answer.usage.output_tokens) == (CACHED_TOKENS, OUTPUT_TOKENS)
    assert answer.usage.model_calls == 1


async def test_an_answer_that_was_not_counted_costs_nothing_known(
    model: FakeModelServer, provider: ResponsesProvider
) -> None:
    model.remember(attrs.evolve(GOOD, counts=False))
    usage = (await provider.extract(task())).usage

    assert (usage.input_tokens, usage.output_tokens, usage.model_calls) == (0, 0, 1)


async def test_nothing_to_remember_is_an_answer(model: FakeModelServer, provider: ResponsesProvider) -> None:
    model.remember(Stream(text=NOTHING))

    assert (await provider.extract(task())).is_empty


@pytest.mark.parametrize(
    ("step", "kind", "reason", "calls", "is_counted"),
    [
        (Refuse(429, SOON), ModelUnavailableError, "answered 429", 3, False),
        (Refuse(500, SOON), ModelTransientError, "answered 500", 3, False),
        (Refuse(400), ModelTransientError, "answered 400: refused by the script", 1, False),
        (Stream(text=memory(2), ending="none"), ModelTransientError, "ended before the answer was completed", 1, False),
        (
            Stream(text=memory(2), ending="none", declared_bytes_more=9),
            ModelTransientError,
            "cut the connection: peer closed",
            1,
            False,
        ),
        (Stream(text="{"), ModelTransientError, "it is not of the form that was asked for", 1, True),
        (Stream(text=memory(2, more=1)), ModelTransientError, "unknown field `more`", 1, True),
        (Stream(text=""), ModelTransientError, "it is empty", 1, True),
        (Stream(text=memory(2, raw_memory="")), ModelTransientError, "only a part", 1, True),
        (Stream(text=memory(99)), ModelTransientError, "none of its notes cites", 1, True),
        (
            Stream(ending="error", reason="server_error", message="oh"),
            ModelTransientError,
            "server_error: oh",
            1,
            False,
        ),
        (
            Stream(ending="failed", reason="server_error", message="oh"),
            ModelTransientError,
            "server_error: oh",
            1,
            True,
        ),
        (Stream(ending="incomplete", reason="odd"), ModelTransientError, "was not completed: odd", 1, True),
        (Stream(ending="none", after=b"data: no\n\n"), ModelTransientError, "the stream cannot be read", 1, False),
        (Stream(ending="none", after=b"data: 7\n\n"), ModelTransientError, "was completed", 1, False),
        (Stream(ending="none", after=b'data: {"error": {"message": "m"}}\n\n'), ModelTransientError, ": m", 1, False),
        (Stream(ending="incomplete"), ModelPermanentError, "longer than 16000 tokens", 1, True),
        (Stream(ending="incomplete", reason="content_filter"), ModelPermanentError, "filtered the answer", 1, True),
        (
            Stream(ending="failed", reason="invalid_prompt", message="no"),
            ModelPermanentError,
            "invalid_prompt",
            1,
            True,
        ),
        (Stream(refusal="I cannot"), ModelPermanentError, "declined to answer: I cannot", 1, True),
        (Stream(refusal="I cannot", whole=True), ModelPermanentError, "declined to answer: I cannot", 1, True),
        (Endless(delta("x" * 100_000), 0), ModelPermanentError, "longer than 16000 tokens", 1, False),
        (Endless(b": " + b"x" * 1_000_000 + b"\n\n", 0), ModelTransientError, "longer than 32000000 bytes", 1, False),
        (Endless(b"x" * 1_000_000, 0), ModelTransientError, "longer than 32000000 bytes", 1, False),
        (Refuse(401), ModelUnavailableError, "answered 401", 1, False),
        (Refuse(403), ModelUnavailableError, "answered 403", 1, False),
        (Refuse(404), ModelUnavailableError, "answered 404", 1, False),
        (Refuse(307, {"location": "http://127.0.0.1:9/"}), ModelUnavailableError, "answered 307", 1, False),
        (
            Refuse(429, SOON, error_body("insufficient_quota", "pay first")),
            ModelUnavailableError,
            "insufficient_quota: pay first",
            3,
            False,
        ),
        (
            Refuse(400, body=error_body("unsupported", "no such effort", "reasoning.effort")),
            ModelUnavailableError,
            "no such effort",
            1,
            False,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_not_an_answer_is_classed_and_its_cost_is_known(
    model: FakeModelServer,
    provider: ResponsesProvider,
    step: Step,
    kind: type[ModelError],
    reason: str,
    calls: int,
    is_counted: bool,
) -> None:
    model.remember(step)
    error = await failure(provider)

    assert type(error) is kind, error
    assert reason in str(error)
    assert len(model.requests) == error.usage.model_calls == calls
    assert (error.usage.input_tokens > 0) is is_counted


async def test_a_refused_request_is_sent_again_within_the_call(
    model: FakeModelServer, provider: ResponsesProvider
) -> None:
    model.remember(Refuse(429, {"retry-after-ms": "20"}), Refuse(503, SOON), GOOD)
    answer = await provider.extract(task())

    assert answer.notes
    assert answer.usage.model_calls == 3


@pytest.mark.parametrize("seconds", [60, 500])
async def test_a_wait_that_the_call_has_no_time_for_is_handed_on_at_once(
    model: FakeModelServer, provider: ResponsesProvider, seconds: int
) -> None:
    model.remember(Refuse(429, {"retry-after": str(seconds)}, error_body("rate_limit_exceeded", "slow down")))
    error = await failure(provider)

    assert isinstance(error, ModelUnavailableError)
    assert str(error).endswith("answered 429: rate_limit_exceeded: slow down")
    assert error.retry_after_ms == seconds * 1_000
    assert len(model.requests) == 1


@pytest.mark.parametrize("step", [Hang(), Endless(), Endless(delta("x"))])
async def test_the_deadline_is_for_the_whole_call_and_closes_the_connection(
    model: FakeModelServer, settings: ResponsesSettings, step: Step
) -> None:
    model.remember(step)
    async with aclosing(ResponsesProvider(attrs.evolve(settings, call_seconds_max=0.5), None)) as provider:
        error = await failure(provider)

        assert isinstance(error, ModelTransientError)
        assert "did not finish within 0.5 s" in str(error)
        assert await trio.to_thread.run_sync(model.hung_up.wait, 5)


@pytest.mark.parametrize("step", [Hang(), Endless()])
async def test_cancelling_closes_the_connection(
    model: FakeModelServer, provider: ResponsesProvider, step: Step
) -> None:
    model.remember(step)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(provider.extract, task())
        assert await trio.to_thread.run_sync(model.asked.wait, 5)
        nursery.cancel_scope.cancel()

    assert await trio.to_thread.run_sync(model.hung_up.wait, 5)


async def test_calls_at_the_same_time_are_counted_apart(model: FakeModelServer, provider: ResponsesProvider) -> None:
    model.remember(Refuse(429, SOON), GOOD)
    calls: list[int] = []

    async def ask() -> None:
        calls.append((await provider.extract(task())).usage.model_calls)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)

    assert sorted(calls) == [1, 2]


async def test_a_question_that_is_too_big_is_halved_and_all_of_it_is_counted(
    model: FakeModelServer, provider: ResponsesProvider
) -> None:
    model.remember(TOO_BIG, Refuse(413), GOOD)
    events = [said(line, f"{line} " * 400) for line in range(2, 40)]
    answer = await provider.extract(task(*events))

    sizes = [len(str(request["input"])) for request in model.requests]
    assert sizes[0] > 1.9 * sizes[1] > 1.9 * 1.9 * sizes[2]
    assert answer.usage.model_calls == 3


async def test_a_question_that_stays_too_big_is_given_up(model: FakeModelServer, provider: ResponsesProvider) -> None:
    model.remember(TOO_BIG)
    error = await failure(provider)

    assert type(error) is ModelPermanentError
    assert str(error).startswith("the session is too big for the model, even cut to ")
    assert "context_length_exceeded" in str(error)
    assert error.usage.model_calls == len(model.requests) == 5


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    settings = ResponsesSettings(base_url="http://127.0.0.1:9/v1", retries_max=0)
    async with aclosing(ResponsesProvider(settings, None)) as provider:
        error = await failure(provider)

        assert isinstance(error, ModelUnavailableError)
        assert "127.0.0.1:9 cannot be reached" in str(error)
        with pytest.raises(ModelUnavailableError, match="cannot be reached"):
            await provider.check()


async def test_size_is_learnt_from_what_the_server_counts(model: FakeModelServer, provider: ResponsesProvider) -> None:
    model.remember(GOOD)
    before = provider._measure.bytes_per_token
    await provider.extract(task())

    assert provider._measure.bytes_per_token != before


@pytest.mark.parametrize("status", [200, 404, 405])
async def test_check_reaches_the_server_and_asks_no_model(
    model: FakeModelServer, provider: ResponsesProvider, status: int
) -> None:
    model.look_status = status
    await provider.check()

    assert model.looked_at == ["/v1/models"]
    assert model.headers[0]["authorization"] == "Bearer a-key"
    assert model.requests == []


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ModelUnavailableError), (403, ModelTransientError), (500, ModelTransientError)]
)
async def test_check_says_what_is_wrong(
    model: FakeModelServer, provider: ResponsesProvider, status: int, kind: type[ModelError]
) -> None:
    model.look_status = status
    with pytest.raises(kind, match=f"answered {status}"):
        await provider.check()

    assert len(model.looked_at) == 1


async def test_closing_twice_or_unused_is_nothing(settings: ResponsesSettings) -> None:
    provider = ResponsesProvider(settings, None)
    await provider.aclose()
    await provider.aclose()
