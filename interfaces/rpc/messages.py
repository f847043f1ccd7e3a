"""A line of JSON-RPC: what it asks, or that it asks nothing; and the lines that answer.

The rule: what is no request is no error. A line that is not JSON, not an object, or without a method and a usable id is
passed over, as the Codex app-server does; so are answers to questions that were never asked.
"""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

ID_MIN, ID_MAX = -(2**63), 2**63 - 1

RequestId = int | str


@attrs.frozen(kw_only=True)
class Call:
    """A request. params: what the line says; None when it says nothing or null."""

    id: RequestId
    method: str
    params: Any


@attrs.frozen(kw_only=True)
class Notice:
    """A notification from the client; nobody answers it."""

    method: str
    params: Any


class NoMessageError(Exception):
    """The line is no request and no notification; the text says why, for the log."""


def parse(line: bytes) -> Call | Notice:
    """Read one line.

    Raises:
      NoMessageError: it is to be passed over.
    """
    try:
        message = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoMessageError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise NoMessageError("not a JSON object")
    method = message.get("method")
    if not isinstance(method, str):
        raise NoMessageError("no method")
    if "id" not in message:
        return Notice(method=method, params=message.get("params"))
    request_id = message["id"]
    is_usable = isinstance(request_id, str) or (type(request_id) is int and ID_MIN <= request_id <= ID_MAX)
    if not is_usable:
        raise NoMessageError("the id is neither a text nor an integer of 64 bits")
    return Call(id=request_id, method=method, params=message.get("params"))


def answer(request_id: RequestId, result: Any) -> bytes:
    """The line that answers a request."""
    return _line({"id": request_id, "result": result})


def refusal(request_id: RequestId, code: int, message: str, data: Mapping[str, str] | None = None) -> bytes:
    """The line that refuses a request. data: the message once more, for programs."""
    said = {} if data is None else {"data": dict(data)}
    return _line({"error": {"code": code, **said, "message": message}, "id": request_id})


def notification(method: str, params: Any, emitted_at_ms: int) -> bytes:
    """The line that tells the client of something that it did not ask for."""
    return _line({"method": method, "params": params, "emittedAtMs": emitted_at_ms})


def _line(message: dict[str, Any]) -> bytes:
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace") + b"\n"
