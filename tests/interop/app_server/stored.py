"""Threads of a home, written byte by byte: what both servers are asked about.

The rule: times are fixed and whole, ids are short to write and long on disk, and a file says nothing but what its
thread is about, so that a difference has one cause.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from state.ids import ThreadId

FIRST_AT_SECONDS = 1_736_078_400
"""2025-01-05T12:00:00Z."""

WRITTEN_SECONDS = 120

PROVIDER = "loopback"
"""The provider that the home's configuration names, so that listings without a filter show its threads."""


def thread_id(number: int) -> ThreadId:
    """The id of the thread with this number."""
    return ThreadId(f"01a00000-0000-7000-8000-{number:012x}")


def stamp(at_seconds: int) -> str:
    """Unix seconds as rollout lines write it."""
    return datetime.fromtimestamp(at_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@attrs.frozen(kw_only=True)
class Stored:
    """One thread in its file.

    Attributes:
      number: what its id is made of.
      minute: when it began, after FIRST_AT_SECONDS; everything but its first line was written WRITTEN_SECONDS later.
      text: the first user message; "" for a thread that nobody has spoken in.
      meta: members of session_meta beside the usual ones, or in their place.
      more: further lines, each its kind and its payload.
      raw: the whole file, in the place of all that.
    """

    number: int
    minute: int
    text: str = ""
    is_paginated: bool = False
    is_archived: bool = False
    meta: Mapping[str, Any] = attrs.field(factory=dict)
    more: Sequence[tuple[str, Mapping[str, Any]]] = ()
    raw: bytes | None = None

    @property
    def id(self) -> ThreadId:
        """The thread's id."""
        return thread_id(self.number)

    @property
    def began_at(self) -> int:
        """Unix seconds."""
        return FIRST_AT_SECONDS + 60 * self.minute

    def path(self, home: Path) -> Path:
        """Where it lies."""
        began = datetime.fromtimestamp(self.began_at, UTC)
        folder = home / "archived_sessions" if self.is_archived else home / "sessions" / f"{began:%Y/%m/%d}"
        return folder / f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{self.id}.jsonl"

    def data(self) -> bytes:
        """The file."""
        if self.raw is not None:
            return self.raw
        lines = [("session_meta", self._meta()), *self._first_turn(), *self.more]
        return b"".join(self.line(number, kind, payload) for number, (kind, payload) in enumerate(lines))

    def line(self, number: int, kind: str, payload: Mapping[str, Any]) -> bytes:
        """One line, the number-th of the file."""
        ordinal = {"ordinal": number} if self.is_paginated else {}
        at_seconds = self.began_at + (WRITTEN_SECONDS if number else 0)
        line = {"timestamp": stamp(at_seconds), **ordinal, "type": kind, "payload": payload}
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def write(self, home: Path) -> Path:
        """Write it, with the time of its last write."""
        path = self.path(home)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data())
        os.utime(path, (self.began_at + WRITTEN_SECONDS, self.began_at + WRITTEN_SECONDS))
        return path

    def _meta(self) -> dict[str, Any]:
        kind = {"session_id": self.id, "history_mode": "paginated"} if self.is_paginated else {}
        return {
            "id": self.id,
            "timestamp": stamp(self.began_at),
            "cwd": "/",
            "originator": "codex_cli_rs",
            "cli_version": "0.0.0",
            "source": "cli",
            "model_provider": PROVIDER,
            "base_instructions": None,
            **kind,
            **self.meta,
        }

    def _first_turn(self) -> list[tuple[str, Mapping[str, Any]]]:
        if not self.text:
            return []
        said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": self.text}]}
        if not self.is_paginated:
            return [
                ("response_item", said),
                ("event_msg", {"type": "user_message", "message": self.text, "kind": "plain"}),
            ]
        turn = turn_id(self.number, 1)
        return [
            ("event_msg", task_started(turn, self.began_at)),
            ("response_item", {**said, "id": f"msg_{self.number}"}),
            ("event_msg", item_completed(self.id, turn, user_item(self.number, self.text), self.began_at)),
        ]


def turn_id(number: int, turn: int) -> str:
    """The id of a thread's n-th turn."""
    return f"01a00000-0000-7000-9000-{number:08x}{turn:04x}"


def task_started(turn: str, at_seconds: int) -> dict[str, Any]:
    """The event that begins a turn."""
    return {
        "type": "task_started",
        "turn_id": turn,
        "root_turn_id": turn,
        "started_at": at_seconds,
        "model_context_window": 258_400,
        "collaboration_mode_kind": "default",
    }


def task_complete(turn: str, at_seconds: int, said: str) -> dict[str, Any]:
    """The event that ends a turn."""
    return {
        "type": "task_complete",
        "turn_id": turn,
        "root_turn_id": turn,
        "last_agent_message": said,
        "started_at": at_seconds - 5,
        "completed_at": at_seconds,
        "duration_ms": 5_000,
        "time_to_first_token_ms": 100,
    }


def item_completed(thread: str, turn: str, item: Mapping[str, Any], at_seconds: int) -> dict[str, Any]:
    """The event of one item of the paginated format."""
    at_ms = at_seconds * 1_000
    return {
        "type": "item_completed",
        "thread_id": thread,
        "turn_id": turn,
        "item": item,
        "started_at_ms": at_ms,
        "completed_at_ms": at_ms,
    }


def user_item(number: int, text: str, item: int = 1) -> dict[str, Any]:
    """What the person said, in the paginated format."""
    return {
        "type": "UserMessage",
        "id": f"01a00000-0000-7000-a000-{number:08x}{item:04x}",
        "content": [{"type": "text", "text": text, "text_elements": []}],
    }


def agent_item(number: int, text: str, item: int = 2) -> dict[str, Any]:
    """What the agent said, in the paginated format."""
    return {
        "type": "AgentMessage",
        "id": f"msg_{number}_{item}",
        "content": [{"type": "Text", "text": text}],
        "phase": None,
        "memory_citation": None,
    }


def spawned_by(parent: int, depth: int, **more: str) -> dict[str, Any]:
    """The source of a sub-agent."""
    return {"subagent": {"thread_spawn": {"parent_thread_id": thread_id(parent), "depth": depth, **more}}}
