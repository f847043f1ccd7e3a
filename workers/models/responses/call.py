"""One call of the model over HTTP: a total deadline, retries within it, an answer only when it was completed.

The SDK sends a request again where the server could not take it, after the time that Retry-After names. Its own
timeout counts silence, so the deadline around everything is ours. Whoever cancels closes the connection. A wait that
would end after the deadline is not begun: the job is told when to come back.
"""

import json
import logging
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs
import trio

from config.responses import ResponsesSettings
from state.messages.extraction import TokenUsage
from workers.models.protocol import ModelError, ModelPermanentError
from workers.models.responses.events import Answer, Ending
from workers.models.responses.failures import Failures, Said, retry_after_ms
from workers.models.responses.prompt import INSTRUCTIONS
from workers.models.responses.schema import NAME, SCHEMA

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

CONNECT_SECONDS_MAX = 10.0
LINGER_SECONDS_MAX = 1.0
"""How long the end of the stream is waited for once the answer has ended; only to use the connection again."""

CHECK_SECONDS_MAX = 15.0
CLOSE_SECONDS_MAX = 2.0

CHARS_PER_TOKEN_MAX = 16
"""More characters than this for each token that it may write come only from a server that does not count."""

KEY_ON_LOOPBACK = "no-key"
"""The SDK insists on one; a server on this machine does not look at it."""

_LOGGERS = ("openai", "httpx2", "httpcore2")


@attrs.define
class _Attempts:
    """What became of the requests of one call."""

    scope: trio.CancelScope
    requests: int = 0
    refusal: Said | None = None
    retry_after_ms: int | None = None


_attempts: ContextVar[_Attempts | None] = ContextVar("_attempts", default=None)


@attrs.frozen(kw_only=True)
class Reply:
    """What the model wrote. is_counted: usage holds what the server counted."""

    text: str
    usage: TokenUsage
    is_counted: bool


class ModelServer:
    """The server behind the base URL. Connections are opened at the first call, and closed by `aclose`."""

    def __init__(self, settings: ResponsesSettings, key: str | None, failures: Failures) -> None:
        self._settings = settings
        self._key = key
        self._failures = failures
        self._client: AsyncOpenAI | None = None
        self._opening = trio.Lock()

    async def ask(self, question: str) -> Reply:
        """Ask once, with retries, within the deadline.

        Raises:
          ModelError: there is no answer; `usage` says what it has cost.
        """
        answer = Answer(chars_max=self._settings.output_tokens_max * CHARS_PER_TOKEN_MAX)
        attempts = _Attempts(scope=trio.CancelScope())
        try:
            with attempts.scope:
                client = await self._open()
                attempts.scope.deadline = trio.current_time() + self._settings.call_seconds_max
                await self._stream(client, question, answer, attempts)
            if answer.ending is Ending.NOT_YET and attempts.scope.cancelled_caught:
                raise self._out_of_time(attempts)
            self._refuse_unfinished(answer)
        except ModelError as error:
            error.usage = attrs.evolve(answer.usage, model_calls=attempts.requests)
            raise
        usage = attrs.evolve(answer.usage, model_calls=attempts.requests)
        return Reply(text=answer.text, usage=usage, is_counted=answer.is_counted)

    async def check(self) -> None:
        """Ask for the list of models, which costs nothing. A server without such a list is there all the same.

        Raises:
          ModelError: it cannot be reached, or refuses the key.
        """
        client = (await self._open()).with_options(max_retries=0)
        import openai

        with trio.move_on_after(CHECK_SECONDS_MAX):
            try:
                await client.models.with_raw_response.list()
            except openai.APIStatusError as error:
                if error.status_code not in (404, 405, 501):
                    raise self._refused(error) from None
            except openai.APIConnectionError as error:
                raise self._disconnected(error) from None
            return
        raise self._failures.unreachable(f"no answer within {CHECK_SECONDS_MAX:g} s")

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS_MAX):
                await client.close()

    async def _open(self) -> "AsyncOpenAI":
        async with self._opening:
            if self._client is None:
                # The import takes most of a second, which leases and signals must not wait for.
                await trio.to_thread.run_sync(_import_sdk)
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> "AsyncOpenAI":
        import openai

        seconds = self._settings.call_seconds_max
        return openai.AsyncOpenAI(
            api_key=self._key or KEY_ON_LOOPBACK,
            base_url=self._settings.base_url,
            max_retries=self._settings.retries_max,
            http_client=openai.DefaultAsyncHttpxClient(
                timeout=openai.Timeout(seconds, connect=min(CONNECT_SECONDS_MAX, seconds)),
                # A transcript goes where the settings say, and not where that place points to.
                follow_redirects=False,
                # Nor through a proxy, if that place is this machine.
                trust_env=not self._settings.is_loopback(),
                event_hooks={"request": [_count_request], "response": [_note_refusal]},
            ),
        )

    async def _stream(self, client: "AsyncOpenAI", question: str, answer: Answer, attempts: _Attempts) -> None:
        import openai

        mark = _attempts.set(attempts)
        try:
            stream: Any = await client.responses.create(**self._request(question))
            with trio.CancelScope() as reading:
                # Read to its end, or cancelled: the SDK's generators do not like to be left in the middle.
                async for event in stream:
                    if answer.take(event):
                        reading.deadline = min(reading.deadline, trio.current_time() + LINGER_SECONDS_MAX)
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIConnectionError as error:
            if answer.ending is Ending.NOT_YET:
                raise self._disconnected(error) from None
        except openai.APIError as error:
            # An error event within the stream, in one of its forms.
            if answer.ending is Ending.NOT_YET:
                raise self._failures.of(_said(error, None)) from None
        except (openai.OpenAIError, json.JSONDecodeError, UnicodeDecodeError) as error:
            if answer.ending is Ending.NOT_YET:
                raise self._failures.wrong_answer(f"the stream cannot be read: {error}") from None
        finally:
            _attempts.reset(mark)

    def _request(self, question: str) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._settings.model,
            "instructions": INSTRUCTIONS,
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": question}]}],
            "text": {"format": {"type": "json_schema", "name": NAME, "strict": True, "schema": SCHEMA}},
            "max_output_tokens": self._settings.output_tokens_max,
            "store": False,
            "stream": True,
        }
        if self._settings.reasoning_effort:
            request["reasoning"] = {"effort": self._settings.reasoning_effort}
        return request

    def _refuse_unfinished(self, answer: Answer) -> None:
        """Raise unless the answer was completed.

        Raises:
          ModelError: it was not.
        """
        failures = self._failures
        words = failures.clean(answer.said.message)
        match answer.ending:
            case Ending.COMPLETED:
                return
            case Ending.NOT_YET:
                raise failures.cut("the stream ended before the answer was completed")
            case Ending.FAILED:
                raise failures.of(answer.said)
            case Ending.REFUSED:
                raise ModelPermanentError(f"the model declined to answer: {words}")
            case Ending.FILTERED:
                raise ModelPermanentError(f"{failures.server} filtered the answer for its content")
            case Ending.TOO_LONG:
                tokens = self._settings.output_tokens_max
                raise ModelPermanentError(
                    f"the answer is longer than {tokens} tokens (responses.output_tokens_max)",
                )
            case Ending.INCOMPLETE:
                raise failures.cut(f"the answer was not completed: {words}")

    def _refused(self, error: Any) -> ModelError:
        wait_ms = retry_after_ms(error.response.headers, time.time)
        return self._failures.of(_said(error, error.status_code), retry_after_ms=wait_ms)

    def _disconnected(self, error: Any) -> ModelError:
        import httpx2

        cause = error.__cause__
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
            return self._failures.unreachable(str(cause) or "no answer to the attempt to connect")
        if isinstance(cause, httpx2.TimeoutException):
            return self._failures.too_late()
        return self._failures.cut(str(cause or error))

    def _out_of_time(self, attempts: _Attempts) -> ModelError:
        """The deadline, or a wait that would have gone past it: then the server's own reason says more."""
        if attempts.refusal is not None:
            return self._failures.of(attempts.refusal, retry_after_ms=attempts.retry_after_ms)
        return self._failures.too_late()


def _import_sdk() -> None:
    """Import the SDK, and keep its own logs out of ours: they would hold what is sent."""
    import openai  # noqa: F401

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _said(error: Any, status: int | None) -> Said:
    """What an error of the SDK holds of the server's words."""
    return _said_of(error.body, status, "" if status else error.message)


def _said_in(response: "httpx2.Response") -> Said:
    """The same from the answer itself."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    return _said_of(body.get("error", body) if isinstance(body, dict) else None, response.status_code, "")


def _said_of(body: object, status: int | None, otherwise: str) -> Said:
    body = body if isinstance(body, dict) else {}
    code = body.get("code") or body.get("type") or ""
    message = body.get("message") or otherwise
    return Said(status=status, code=str(code), parameter=str(body.get("param") or ""), message=str(message))


async def _count_request(_request: "httpx2.Request") -> None:
    await trio.lowlevel.checkpoint()
    attempts = _attempts.get()
    if attempts is not None:
        attempts.requests += 1
        attempts.refusal = None


async def _note_refusal(response: "httpx2.Response") -> None:
    """Remember a refusal before the SDK waits for the next try, and end the call if that wait is too long for it."""
    attempts = _attempts.get()
    if attempts is None or response.status_code < 400:
        return
    await response.aread()
    attempts.refusal = _said_in(response)
    attempts.retry_after_ms = retry_after_ms(response.headers, time.time)
    if (attempts.retry_after_ms or 0) / 1_000 > attempts.scope.deadline - trio.current_time():
        attempts.scope.cancel()
