"""What a model server may answer to a request for a memory, well or badly, as bytes of the Responses API's stream."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

OUTPUT_TOKENS = 50
CACHED_TOKENS = 10


def memory(*lines: int, text: str = "Always use pnpm instead of npm", **changes: object) -> str:
    """An answer as the schema wants it, with a note for each of these lines; `changes` replace its parts."""
    notes = [{"kind": "preference", "topic": f"topic {line}", "text": text, "line": line} for line in lines]
    whole = {
        "rollout_summary": f"# {text}\n\nSaid by the person (line {lines[0] if lines else 1}).",
        "rollout_slug": "pnpm-not-npm",
        "raw_memory": f"---\ndescription: {text}\n---\n\n### Task 1\n- {text}",
        "notes": notes,
    }
    return json.dumps(whole | changes)


NOTHING = json.dumps({"rollout_summary": "", "rollout_slug": None, "raw_memory": "", "notes": []})
"""A valid answer: there is nothing worth remembering."""


@attrs.frozen(kw_only=True)
class Stream:
    """An answer in pieces.

    Attributes:
      text: what the model writes.
      ending: the event at the end: completed, incomplete, failed, error, or none at all.
      reason: of an incomplete answer; or the code of a failure.
      message: of a failure.
      refusal: the model declines with these words, and writes no text.
      whole: the text comes with its completion only, and not in pieces.
      counts: the server says what the answer has cost.
      delay_seconds: silence before the answer's first byte.
      gap_seconds: silence before each piece.
      declared_bytes_more: the server promises so many bytes more than it sends, and then hangs up.
      after: bytes that follow the end.
    """

    text: str = ""
    ending: str = "completed"
    reason: str = "max_output_tokens"
    message: str = ""
    refusal: str = ""
    whole: bool = False
    counts: bool = True
    delay_seconds: float = 0.0
    gap_seconds: float = 0.0
    declared_bytes_more: int | None = None
    after: bytes = b""

    def pieces(self, input_tokens: int) -> Iterator[bytes]:
        """The events, one by one."""
        yield event("response.created", response={"id": "resp_1", "status": "in_progress"})
        if self.refusal:
            for part in _parts(self.refusal):
                yield event("response.refusal.delta", delta=part)
        elif not self.whole:
            for part in _parts(self.text):
                yield event("response.output_text.delta", item_id="msg_1", delta=part)
        match self.ending:
            case "completed":
                yield event("response.completed", response=self._response(input_tokens, "completed"))
            case "incomplete":
                details = {"incomplete_details": {"reason": self.reason}}
                yield event("response.incomplete", response=self._response(input_tokens, "incomplete") | details)
            case "failed":
                error = {"error": {"code": self.reason, "message": self.message}}
                yield event("response.failed", response=self._response(input_tokens, "failed") | error)
            case "error":
                yield event("error", code=self.reason, message=self.message, param=None)
        yield self.after

    def _response(self, input_tokens: int, status: str) -> dict[str, Any]:
        part = (
            {"type": "refusal", "refusal": self.refusal} if self.refusal else {"type": "output_text", "text": self.text}
        )
        usage = {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
            "output_tokens": OUTPUT_TOKENS,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": input_tokens + OUTPUT_TOKENS,
        }
        return {
            "id": "resp_1",
            "status": status,
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}],
            "usage": usage if self.counts else None,
        }


@attrs.frozen
class Endless:
    """A stream that never ends, of this event over and over."""

    piece: bytes = b": still here\n\n"
    gap_seconds: float = 0.01


def event(kind: str, **fields: object) -> bytes:
    """One event of the stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(text: str) -> bytes:
    """A piece of the model's text."""
    return event("response.output_text.delta", item_id="msg_1", delta=text)


def error_body(code: str | None, message: str, param: str | None = None) -> bytes:
    """What the API says when it refuses a request."""
    return json.dumps({"error": {"message": message, "type": "some_error", "param": param, "code": code}}).encode()


def prompt_of(body: Mapping[str, Any]) -> str:
    """What a request for a memory asks."""
    items: Sequence[Mapping[str, Any]] = body["input"]
    return "".join(part["text"] for item in items for part in item["content"])


def _parts(text: str, chars: int = 40) -> Iterator[str]:
    return (text[start : start + chars] for start in range(0, len(text), chars))
