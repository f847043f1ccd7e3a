"""A model behind the Responses API: one streamed request, made again while that may help and nothing was said yet.

Spoken over plain HTTP and not by the SDK: a turn passes the server's items on as they are, and its failures in the
words of the app-server. Like every client here it follows nobody to another address and takes no more than an answer.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import trio

from workers.models.turns.answer import AnswerInPieces
from workers.models.turns.events import EventStream, TooLongError
from workers.models.turns.failures import TurnFailures
from workers.models.turns.protocol import Answered, Item, Question, Retrying, Tell, TurnFailedError

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS_MAX = 10.0
ERROR_BYTES_MAX = 64 << 10
ANSWER_BYTES_MAX = 64 << 20
CLOSE_SECONDS_MAX = 2.0
BACK_OFF_SECONDS = 0.2
BACK_OFF_SECONDS_MAX = 10.0

_NOT_SENT = ("internal_chat_message_metadata_passthrough", "metadata", "status")
"""Members of recorded items that are the recorder's own."""


@attrs.frozen(kw_only=True)
class TurnServer:
    """Where the model is.

    Attributes:
      headers: sent along; may hold a secret.
      key: None for a server that wants none.
      uses_proxies: False for a server on this machine.
    """

    base_url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    key: str | None = attrs.field(default=None, repr=False)
    retries_max: int = 4
    silence_seconds_max: float = 300.0
    uses_proxies: bool = True

    @property
    def url(self) -> str:
        """Where a question is sent."""
        return f"{self.base_url.rstrip('/')}/responses"


class ResponsesTurnModel:
    """Implements `workers.models.turns.protocol.TurnModel`."""

    def __init__(self, server: TurnServer) -> None:
        self._server = server
        self._failures = TurnFailures(server.url, server.key)
        self._client: httpx2.AsyncClient | None = None
        self._opening = trio.Lock()

    async def answer(self, question: Question, tell: Tell) -> Answered:
        """Ask, and tell what comes. A failure that may pass is met with another attempt, unless items were whole."""
        attempt = 0
        while True:
            answer = AnswerInPieces(self._failures)
            try:
                return await self._ask(question, answer, tell)
            except TurnFailedError as failed:
                if not failed.is_passing or answer.has_items or attempt >= self._server.retries_max:
                    raise
                reason = str(failed)
            attempt += 1
            await tell(Retrying(reason, attempt, self._server.retries_max))
            await trio.sleep(min(BACK_OFF_SECONDS * 2 ** (attempt - 1), BACK_OFF_SECONDS_MAX))

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS_MAX):
                await client.aclose()

    async def _ask(self, question: Question, answer: AnswerInPieces, tell: Tell) -> Answered:
        client = await self._open()
        import httpx2

        try:
            async with client.stream("POST", self._server.url, json=_request(question)) as response:
                if response.status_code != httpx2.codes.OK:
                    raise self._failures.status(response.status_code, await _bounded(response))
                await self._take(response, answer, tell)
        except httpx2.TimeoutException as error:
            if isinstance(error, httpx2.ConnectTimeout):
                raise self._failures.unreachable("no answer to the attempt to connect") from None
            raise self._failures.silent() from None
        except (httpx2.ConnectError, httpx2.UnsupportedProtocol) as error:
            raise self._failures.unreachable(str(error)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, TooLongError) as error:
            raise self._failures.disconnected(str(error) or type(error).__name__) from None
        if answer.answered is None:
            raise self._failures.cut()
        return answer.answered

    async def _take(self, response: "httpx2.Response", answer: AnswerInPieces, tell: Tell) -> None:
        import httpx2

        feed = _Feed(answer, tell)
        problem: Exception | None = None
        try:
            with trio.CancelScope() as reading:
                # Read to its end, or cancelled: the client's generators do not like to be left in the middle.
                async for chunk in response.aiter_raw():
                    if reading.cancel_called:
                        continue
                    try:
                        await feed.take(chunk)
                    except Exception as error:
                        problem = error
                    if problem is not None or answer.answered is not None:
                        reading.cancel()
        except httpx2.RemoteProtocolError:
            if problem is None and answer.answered is None:
                raise self._failures.cut() from None
        if problem is not None:
            raise problem

    async def _open(self) -> "httpx2.AsyncClient":
        async with self._opening:
            if self._client is None:
                # Reads certificates, and is imported the first time: not on the event loop.
                self._client = await trio.to_thread.run_sync(_new_client, self._server)
            return self._client


def _new_client(server: TurnServer) -> "httpx2.AsyncClient":
    import httpx2

    headers = {"accept": "text/event-stream", "accept-encoding": "identity", **server.headers}
    if server.key is not None:
        headers["authorization"] = f"Bearer {server.key}"
    return httpx2.AsyncClient(
        headers=headers,
        params=dict(server.query),
        timeout=httpx2.Timeout(
            server.silence_seconds_max, connect=min(CONNECT_SECONDS_MAX, server.silence_seconds_max)
        ),
        follow_redirects=False,
        trust_env=server.uses_proxies,
    )


class _Feed:
    """Turns the bytes of an answer into pieces, and tells them."""

    def __init__(self, answer: AnswerInPieces, tell: Tell) -> None:
        self._answer = answer
        self._tell = tell
        self._events = EventStream()
        self._bytes_left = ANSWER_BYTES_MAX

    async def take(self, chunk: bytes) -> None:
        """Take in what came.

        Raises:
          TooLongError: more came than an answer can have.
          TurnFailedError: the server gave up. What is told may raise, too.
        """
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            raise TooLongError(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
        for event in self._events.feed(chunk):
            for piece in self._answer.take(event):
                await self._tell(piece)
            if self._answer.answered is not None:
                return


async def _bounded(response: "httpx2.Response") -> bytes:
    """What a refusal says, as far as that is of use."""
    body = bytearray()
    with trio.CancelScope() as reading:
        async for chunk in response.aiter_raw():
            body += chunk[: max(ERROR_BYTES_MAX - len(body), 0)]
            if len(body) >= ERROR_BYTES_MAX:
                reading.cancel()
    return bytes(body)


def _request(question: Question) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": question.model,
        "instructions": question.instructions,
        "input": sendable(question.items),
        "tools": [],
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": question.thread_id,
    }
    if question.reasoning_effort:
        request["reasoning"] = {"effort": question.reasoning_effort, "summary": "auto"}
    return request


def sendable(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The items as a server takes them: without the recorder's own members, and every call with its output."""
    called = {item.get("call_id") for item in items if str(item.get("type", "")).endswith("_call")}
    answered = {item.get("call_id") for item in items if str(item.get("type", "")).endswith("_call_output")}
    sent = []
    for item in items:
        kind = str(item.get("type", ""))
        if kind == "reasoning" and not item.get("encrypted_content"):
            continue
        if kind.endswith("_call_output") and item.get("call_id") not in called:
            continue
        if kind.endswith("_call") and "call_id" in item and item["call_id"] not in answered:
            continue
        left_out = (*_NOT_SENT, "id") if kind != "reasoning" else _NOT_SENT
        sent.append({name: value for name, value in item.items() if name not in left_out})
    whole: list[dict[str, Any]] = _whole_text(sent)
    return whole


def _whole_text(value: Any) -> Any:
    """The same without halves of characters, which cannot be sent."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole_text(part) for part in value]
    if isinstance(value, dict):
        return {name: _whole_text(part) for name, part in value.items()}
    return value
