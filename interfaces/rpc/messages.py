"""A line of JSON-RPC: what it asks, or that it asks nothing; and the lines that answer.

The rule: what is no request is no error. A line that is not JSON, not an object, or without a method and a usable id is
passed over, as the Codex app-server does; so are answers to questions that were never asked.
"""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from interfaces.rpc.numbers import read_number

ID_MIN, ID_MAX = -(2**63), 2**63 - 1

DEPTH_MAX = 127
"""So many arrays and objects may be within each other; the original's reader stops there."""

_ONCE = ("id", "method", "params", "trace")

_decode = msgspec.json.Decoder(float_hook=read_number).decode

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
        message = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoMessageError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise NoMessageError("not a JSON object")
    if _is_deep(message):
        raise NoMessageError("it is nested too deeply")
    twice = _said_twice(line)
    if twice is not None:
        raise NoMessageError(f"{twice} is said twice")
    if not _is_trace(message.get("trace")):
        raise NoMessageError("the trace is none")
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


def _is_deep(message: dict[str, Any]) -> bool:
    level: list[Any] = [message]
    for _ in range(DEPTH_MAX):
        level = [
            part
            for outer in level
            for part in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True


def _said_twice(line: bytes) -> str | None:
    """A member of the message that stands in it more than once. In a member's own value it may."""
    if all(line.count(b'"%s"' % name.encode()) < 2 for name in _ONCE):
        return None
    try:
        pairs = json.loads(line, object_pairs_hook=tuple, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise NoMessageError(f"not JSON: {error}") from error
    named = [name for name, _ in pairs]
    return next((name for name in _ONCE if named.count(name) > 1), None)


def _is_trace(trace: Any) -> bool:
    if isinstance(trace, list):
        parts = trace[:2]
    elif isinstance(trace, dict):
        parts = [trace.get("traceparent"), trace.get("tracestate")]
    else:
        return trace is None
    return all(part is None or isinstance(part, str) for part in parts)


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


_encode = msgspec.json.Encoder().encode


def _line(message: dict[str, Any]) -> bytes:
    try:
        return _encode(message) + b"\n"
    except UnicodeEncodeError:
        pass  # half of a surrogate pair, as a rollout may escape it; a client gets a question mark in its place
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace") + b"\n"
