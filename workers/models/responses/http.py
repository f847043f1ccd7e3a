"""The HTTP client below the SDK: what it may not do, and what became of the requests of a call.

It follows nobody to another address, takes no proxy to this machine, and takes no more bytes than an answer can have,
uncompressed, so that a server that lies cannot fill the memory. A refusal is noted before the SDK waits for the next
try, and a wait that the call has no time for ends the call.
"""

import json
import logging
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs
import trio

from config.responses import ResponsesSettings
from workers.models.responses.failures import Said, retry_after_ms

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

CONNECT_SECONDS_MAX = 10.0

BYTES_MIN = 16 << 20
BYTES_PER_TOKEN_MAX = 2_000
"""A streamed token takes a few hundred bytes of events, and the whole answer comes once more at its end."""

KEY_ON_LOOPBACK = "no-key"
"""The SDK insists on one; a server on this machine does not look at it."""

_LOGGERS = ("openai", "httpx2", "httpcore2")


@attrs.define
class Attempts:
    """What became of the requests of one call.

    Attributes:
      scope: the call; cancelled when there is no time for the next try.
      requests: how many were tried.
      refusal: what the last one was refused with, if it was.
      retry_after_ms: how long the server wants to be left alone after that.
    """

    scope: trio.CancelScope
    requests: int = 0
    refusal: Said | None = None
    retry_after_ms: int | None = None


attempts_of_this_call: ContextVar[Attempts | None] = ContextVar("attempts_of_this_call", default=None)
"""Calls of several tasks share one client; each has its own record."""


def import_sdk() -> None:
    """Import the SDK, which takes most of a second, and keep its own logs out of ours: they would hold what is sent."""
    import openai  # noqa: F401

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def new_client(settings: ResponsesSettings, key: str | None) -> "AsyncOpenAI":
    """A client for the server of these settings. Takes most of a second the first time; blocks.

    What the SDK would take from the environment and send along (organization, project, headers of a person's own) was
    not meant for this server, and stays out.
    """
    import_sdk()
    import openai

    bytes_max = max(BYTES_MIN, settings.output_tokens_max * BYTES_PER_TOKEN_MAX)

    async def bound(response: "httpx2.Response") -> None:
        await _bound(response, bytes_max)

    client = openai.AsyncOpenAI(
        api_key=key or KEY_ON_LOOPBACK,
        base_url=settings.base_url,
        max_retries=settings.retries_max,
        http_client=openai.DefaultAsyncHttpxClient(
            timeout=openai.Timeout(
                settings.call_seconds_max, connect=min(CONNECT_SECONDS_MAX, settings.call_seconds_max)
            ),
            headers={"accept-encoding": "identity"},
            # A transcript goes where the settings say, and not where that place points to.
            follow_redirects=False,
            # Nor through a proxy, if that place is this machine.
            trust_env=not settings.is_loopback(),
            event_hooks={"request": [_count_request], "response": [bound, _note_refusal]},
        ),
    )
    client.organization = client.project = None
    client._custom_headers = {}
    _ = client.responses  # built at its first use
    return client


def said_of(body: object, status: int | None, otherwise: str = "") -> Said:
    """What the body of an error says."""
    body = body if isinstance(body, dict) else {}
    code = body.get("code") or body.get("type") or ""
    message = body.get("message") or otherwise
    return Said(status=status, code=str(code), parameter=str(body.get("param") or ""), message=str(message))


async def _count_request(_request: "httpx2.Request") -> None:
    await trio.lowlevel.checkpoint()
    attempts = attempts_of_this_call.get()
    if attempts is not None:
        attempts.requests += 1
        attempts.refusal = None


async def _bound(response: "httpx2.Response", bytes_max: int) -> None:
    """Let the answer be read up to so many bytes, as they are."""
    import httpx2

    await trio.lowlevel.checkpoint()
    whole: Any = response.stream

    class Bounded(httpx2.AsyncByteStream):
        """The same stream, which fails when it is longer than an answer can be."""

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = bytes_max
            async for part in whole:
                left -= len(part)
                if left < 0:
                    raise httpx2.ReadError(f"its answer is longer than {bytes_max} bytes")
                yield part

        async def aclose(self) -> None:
            await whole.aclose()

    # It was asked for as it is; what comes compressed all the same is not unfolded.
    response.headers.pop("content-encoding", None)
    response.stream = Bounded()


async def _note_refusal(response: "httpx2.Response") -> None:
    attempts = attempts_of_this_call.get()
    if attempts is None or response.status_code < 400:
        return
    await response.aread()
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    attempts.refusal = said_of(body.get("error", body) if isinstance(body, dict) else None, response.status_code)
    attempts.retry_after_ms = retry_after_ms(response.headers, time.time)
    if (attempts.retry_after_ms or 0) / 1_000 > attempts.scope.deadline - trio.current_time():
        attempts.scope.cancel()
