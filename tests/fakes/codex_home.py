"""A Codex home, written line by line as the Codex CLI writes it, without a Codex CLI."""

import datetime
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import attrs

HOUR_MS = 3_600_000


def now_ms() -> int:
    """The wall clock, Unix ms."""
    return time.time_ns() // 1_000_000


def stamp(at_ms: int) -> str:
    """Unix ms as rollout lines write it."""
    when = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


@attrs.define
class RolloutFile:
    """One rollout that the test writes. Lines get times one second apart, from `at_ms` on."""

    path: Path
    thread_id: str
    at_ms: int
    calls: int = 0

    def line(self, kind: str, payload: dict[str, Any]) -> int:
        """Append one line; answer how many bytes it has."""
        self.at_ms += 1000
        text = json.dumps(
            {"timestamp": stamp(self.at_ms), "type": kind, "payload": payload},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return self.raw(text.encode() + b"\n")

    def raw(self, data: bytes) -> int:
        """Append bytes as they are."""
        with open(self.path, "ab") as file:
            return file.write(data)

    def user(self, text: str) -> int:
        """The person says something."""
        return self.line("event_msg", {"type": "user_message", "message": text, "images": []})

    def assistant(self, text: str) -> int:
        """The agent says something."""
        return self.line("event_msg", {"type": "agent_message", "message": text})

    def tokens(self, total: int) -> int:
        """A token count: it changes the file and means nothing to a memory."""
        info = {"total_token_usage": {"total_tokens": total}}
        return self.line("event_msg", {"type": "token_count", "info": info})

    def command(self, command: str, *, exit_code: int = 0, output: str = "") -> int:
        """The agent runs a command."""
        self.calls += 1
        call_id = f"call_{self.calls}"
        arguments = json.dumps({"cmd": command})
        size = self.line(
            "response_item",
            {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": call_id},
        )
        text = f"Wall time: 0.1 seconds\nProcess exited with code {exit_code}\nOutput:\n{output}"
        return size + self.line("response_item", {"type": "function_call_output", "call_id": call_id, "output": text})

    def completed(self) -> int:
        """The turn ends."""
        return self.line("event_msg", {"type": "task_complete", "turn_id": "turn"})


@attrs.define
class CodexHome:
    """A folder with sessions/ and archived_sessions/."""

    path: Path

    def session(
        self,
        *,
        cwd: str = "/home/ann/shop",
        source: str = "cli",
        hours_ago: float = 48,
        archived: bool = False,
        thread_id: str | None = None,
        **meta: Any,
    ) -> RolloutFile:
        """Start a rollout with its first line."""
        at_ms = now_ms() - round(hours_ago * HOUR_MS)
        thread = thread_id or str(uuid.uuid4())
        when = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
        folder = self.path / "archived_sessions" if archived else self.path / "sessions" / when.strftime("%Y/%m/%d")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"rollout-{when.strftime('%Y-%m-%dT%H-%M-%S')}-{thread}.jsonl"
        rollout = RolloutFile(path=folder / name, thread_id=thread, at_ms=at_ms)
        rollout.line(
            "session_meta",
            {
                "id": thread,
                "timestamp": stamp(at_ms),
                "cwd": cwd,
                "originator": "codex_cli_rs",
                "cli_version": "0.169.0",
                "source": source,
                "model_provider": "openai",
                **meta,
            },
        )
        return rollout

    def file(self, name: str, data: bytes) -> Path:
        """Write a file of any content into today's folder, as if it were a rollout."""
        folder = self.path / "sessions" / "2026" / "01" / "02"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(data)
        return path

    def name_thread(self, thread_id: str, name: str) -> None:
        """Give a thread a name, as /rename does."""
        with open(self.path / "session_index.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"id": thread_id, "thread_name": name, "updated_at": stamp(now_ms())}) + "\n")

    def digest(self) -> dict[str, tuple[int, bytes]]:
        """Every file's time and content, to see that nobody touched one."""
        found = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    found[str(path.relative_to(self.path))] = (path.stat().st_mtime_ns, path.read_bytes())
        return found
