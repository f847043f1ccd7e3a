"""Lines as Codex writes them, for tests that read them back. Keys come in the writer's order, without blanks."""

import json
import os
from pathlib import Path
from typing import Any

from state.ids import ThreadId
from state.rollouts.model import FoundRollout

THREAD = ThreadId("01990000-0000-7000-8000-000000000001")
OTHER_THREAD = ThreadId("01990000-0000-7000-8000-000000000002")

CREATED_AT = "2026-11-20T10:00:00.456Z"
CREATED_AT_MS = 1_795_168_800_456

NAME_STAMP = "2026-11-20T09-00-00"
NAME_STAMP_MS = 1_795_165_200_000

Payload = dict[str, Any]


def unchanged(text: str) -> str:
    """A redactor that finds nothing."""
    return text


def without_hunter(text: str) -> str:
    """A redactor whose only secret is the word `hunter2`."""
    return text.replace("hunter2", "[gone]")


def stamp(second: int) -> str:
    """The stamp of a line, by its second within the test's minute."""
    return f"2026-11-20T10:01:{second:02d}.000Z"


def stamp_ms(second: int) -> int:
    """The same in Unix ms."""
    return 1_795_168_860_000 + 1_000 * second


def written(value: Any) -> bytes:
    """One line of JSON with its line feed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def line(kind: str, payload: Any, *, second: int = 0, ordinal: int | None = None) -> bytes:
    """One line of a rollout; the paginated format numbers them."""
    numbered = {} if ordinal is None else {"ordinal": ordinal}
    return written({"timestamp": stamp(second), **numbered, "type": kind, "payload": payload})


def session_meta(thread_id: str = THREAD, *, second: int = 0, **changes: Any) -> bytes:
    """The line that names the thread; `changes` replace members, and None leaves one out."""
    payload = {
        "id": thread_id,
        "timestamp": CREATED_AT,
        "cwd": "/home/ann/shop",
        "originator": "codex_cli_rs",
        "cli_version": "1.0",
        "source": "cli",
        "model_provider": "openai",
        **changes,
    }
    return line("session_meta", {key: value for key, value in payload.items() if value is not None}, second=second)


def event(kind: str, /, *, second: int = 0, **payload: Any) -> bytes:
    """What happened, as it is told to people."""
    return line("event_msg", {"type": kind, **payload}, second=second)


def response(kind: str, /, *, second: int = 0, **payload: Any) -> bytes:
    """What happened, as it is told to the model."""
    return line("response_item", {"type": kind, **payload}, second=second)


def completed(kind: str, /, *, second: int = 0, **item: Any) -> bytes:
    """A completed item, the paginated form of an event."""
    ids = {"thread_id": THREAD, "turn_id": "turn-1"}
    return line(
        "event_msg", {"type": "item_completed", **ids, "item": {"type": kind, **item}}, second=second, ordinal=7
    )


def message(role: str, *texts: str, second: int = 0) -> bytes:
    """A message in the model's form."""
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text} for text in texts]
    return response("message", role=role, content=content, second=second)


def user(text: str, *, second: int = 0, **more: Any) -> bytes:
    """The person's message, legacy form."""
    return event("user_message", message=text, second=second, **more)


def user_item(*texts: str, second: int = 0) -> bytes:
    """The person's message, paginated form."""
    return completed("UserMessage", content=[{"type": "text", "text": text} for text in texts], second=second)


def agent(text: str, *, second: int = 0) -> bytes:
    """The agent's message, legacy form."""
    return event("agent_message", message=text, second=second)


def agent_item(text: str, *, second: int = 0) -> bytes:
    """The agent's message, paginated form."""
    return completed("AgentMessage", content=[{"type": "Text", "text": text}], second=second)


def token_count(total: int | None) -> bytes:
    """A token count; None: one that reports rate limits only."""
    info = None if total is None else {"total_token_usage": {"input_tokens": 1, "total_tokens": total}}
    return event("token_count", info=info)


def rollout_file_name(thread_id: str = THREAD, name_stamp: str = NAME_STAMP) -> str:
    """What Codex calls the file."""
    return f"rollout-{name_stamp}-{thread_id}.jsonl"


def write_rollout(codex_home: Path, data: bytes, *, name: str = "", folder: str = "sessions/2026/11/20") -> Path:
    """Put a rollout file into a Codex home."""
    path = codex_home / folder / (name or rollout_file_name())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def listed(codex_home: Path, path: Path) -> FoundRollout:
    """The file as a search shows it."""
    status = os.stat(path)
    return FoundRollout(
        path=path.relative_to(codex_home).as_posix(),
        archived=False,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=status.st_ino,
    )
