"""One call of the model over HTTP: a total deadline, retries within it, an answer only when it was completed.

The SDK sends a request again where the server could not take it, after the time that Retry-After names. Its own
timeout counts silence, so the deadline around everything is ours. Whoever cancels closes the connection. A wait that
would end after the deadline is not begun: the job is told when to come back.
"""

import json
import time
from typing import TYPE_CHECKING, Any

import attrs
import trio

from config.responses import ResponsesSettings
from state.messages.extraction import TokenUsage
from workers.models.protocol import ModelError, ModelPermanentError
from workers.models.responses.events import Answer, Ending
from workers.models.responses.failures import Failures, retry_after_ms
from workers.models.responses.http import Attempts, attempts_of_this_call, new_client, said_of
from workers.models.responses.prompt import INSTRUCTIONS
from workers.models.responses.schema import NAME, SCHEMA

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LINGER_SECONDS_MAX = 1.0
"""How long the end of the stream is waited for once the answer has ended; only to use the connection again."""

CHECK_SECONDS_MAX = 15.0
CLOSE_SECONDS_MAX = 2.0

CHARS_PER_TOKEN_MAX = 16
"""More characters than this for each token that it may write come only from a server that does not count."""


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
        attempts = Attempts(scope=trio.CancelScope())
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
                # The import takes most of a second, which leases and signals must not wait for; making a client, which
                # reads certificates, and what the SDK builds at its first use take some more.
                self._client = await trio.to_thread.run_sync(new_client, self._settings, self._key)
            return self._client

    async def _stream(self, client: "AsyncOpenAI", question: str, answer: Answer, attempts: Attempts) -> None:
        import openai

        mark = attempts_of_this_call.set(attempts)
        try:
            stream: Any = await client.responses.create(**self._request(question))
            with trio.CancelScope() as reading:
                # Read to its end, or cancelled: the SDK's generators do not like to be left in the middle.
                async for event in stream:
                    if answer.take(event):
                        # Shielded: a stop that comes now must not lose what was paid for.
                        reading.shield = True
                        reading.deadline = min(reading.deadline, trio.current_time() + LINGER_SECONDS_MAX)
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIConnectionError as error:
            if answer.ending is Ending.NOT_YET:
                raise self._disconnected(error) from None
        except openai.APIError as error:
            # An error event within the stream, in one of its forms.
            if answer.ending is Ending.NOT_YET:
                raise self._failures.of(said_of(error.body, None, error.message)) from None
        except (openai.OpenAIError, json.JSONDecodeError, UnicodeDecodeError) as error:
            if answer.ending is Ending.NOT_YET:
                raise self._failures.wrong_answer(f"the stream cannot be read: {error}") from None
        finally:
            attempts_of_this_call.reset(mark)

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
        return self._failures.of(said_of(error.body, error.status_code), retry_after_ms=wait_ms)

    def _disconnected(self, error: Any) -> ModelError:
        import httpx2

        cause = error.__cause__
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
            return self._failures.unreachable(str(cause) or "no answer to the attempt to connect")
        if isinstance(cause, httpx2.TimeoutException):
            return self._failures.too_late()
        return self._failures.cut(str(cause or error))

    def _out_of_time(self, attempts: Attempts) -> ModelError:
        """The deadline, or a wait that would have gone past it: then the server's own reason says more."""
        if attempts.refusal is not None:
            return self._failures.of(attempts.refusal, retry_after_ms=attempts.retry_after_ms)
        return self._failures.too_late()
