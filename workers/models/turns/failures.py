"""From what a model's server did to the failure of a turn, in the sentences and names of the app-server.

What a server writes is data: it is cut, and the key is taken out wherever it stands.
"""

import http
import json
from typing import Any

from workers.models.turns.protocol import TurnFailedError
from workers.redaction import redact
from workers.redaction.redact import MARKER

SAID_CHARS_MAX = 2_000

CUT = "stream disconnected before completion: stream closed before response.completed"


class TurnFailures:
    """Makes the failures of one server."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url
        self._key = key

    def clean(self, text: str) -> str:
        """A server's words without secrets, of a bounded length."""
        text = text[: SAID_CHARS_MAX * 4]
        if self._key:
            text = text.replace(self._key, MARKER)
        return redact(text)[:SAID_CHARS_MAX]

    def status(self, status: int, body: bytes) -> TurnFailedError:
        """The server refused with this status."""
        text = body.decode("utf-8", "replace")
        if status == http.HTTPStatus.BAD_REQUEST:
            if _code_in(text) == "context_length_exceeded":
                return self.named("context_length_exceeded", "")
            return TurnFailedError(self.clean(text) or "bad request")
        name = _name(status)
        if status == http.HTTPStatus.TOO_MANY_REQUESTS:
            if _code_in(text) == "insufficient_quota":
                return self.named("insufficient_quota", "")
            return TurnFailedError(
                f"exceeded retry limit, last status: {name}",
                {"responseTooManyFailedAttempts": {"httpStatusCode": status}},
                is_passing=True,
            )
        if status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return TurnFailedError(
                "We\u2019re currently experiencing high demand, which may cause temporary errors.",
                "internalServerError",
                is_passing=True,
            )
        said = self.clean(_message_in(text) or text).strip()
        return TurnFailedError(
            f"unexpected status {name}: {said or 'no reason given'}, url: {self._url}",
            {"httpConnectionFailed": {"httpStatusCode": status}},
            is_passing=status >= http.HTTPStatus.INTERNAL_SERVER_ERROR,
        )

    def named(self, code: str, message: str) -> TurnFailedError:
        """The server gave up within the stream and named why."""
        said = self.clean(message)
        match code:
            case "context_length_exceeded":
                return TurnFailedError(
                    "Codex ran out of room in the model's context window. Start a new thread or clear earlier history"
                    " before retrying.",
                    "contextWindowExceeded",
                )
            case "insufficient_quota":
                return TurnFailedError("Quota exceeded. Check your plan and billing details.", "usageLimitExceeded")
            case "rate_limit_exceeded":
                return TurnFailedError(f"rate limit exceeded: {said}", "rateLimitExceeded", is_passing=True)
        return TurnFailedError(f"stream disconnected before completion: {said}", is_passing=True)

    def incomplete(self, reason: str) -> TurnFailedError:
        """The server stopped before the model was done."""
        return TurnFailedError(f"Incomplete response returned, reason: {self.clean(reason) or 'unknown'}")

    def cut(self) -> TurnFailedError:
        """The stream ended in the middle."""
        return TurnFailedError(CUT, is_passing=True)

    def silent(self) -> TurnFailedError:
        """Nothing came for too long."""
        return TurnFailedError("stream disconnected before completion: idle timeout waiting for SSE", is_passing=True)

    def disconnected(self, why: str) -> TurnFailedError:
        """The connection broke, or answered what is no answer."""
        return TurnFailedError(f"stream disconnected before completion: {self.clean(why)}", is_passing=True)

    def unreachable(self, why: str) -> TurnFailedError:
        """No connection came about."""
        return TurnFailedError(
            f"Connection failed: {self.clean(why) or 'error sending request'}",
            {"httpConnectionFailed": {"httpStatusCode": None}},
            is_passing=True,
        )


def _name(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}".replace("I'm a Teapot", "I'm a teapot")
    except ValueError:
        return f"{status} <unknown status code>"


def _error_in(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _message_in(text: str) -> str:
    message = _error_in(text).get("message")
    return message if isinstance(message, str) else ""


def _code_in(text: str) -> str:
    code = _error_in(text).get("code")
    return code if isinstance(code, str) else ""
