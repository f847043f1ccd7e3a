"""A session as the lines of a rollout, in either format, with the fields that Codex writes and memoryd reads.

The rule: each thing that happens is written twice, once as the `response_item` that the model sees and once as the
event that a person sees. The formats differ in the events only, and in the ordinal that each paginated line carries.
"""

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import attrs

from examples.story import Answers, Edit, Format, Patches, Runs, Session, Step, Turn

CLI_VERSION = "0.169.0"
MODEL = "sample-model"
MODEL_PROVIDER = "sample-provider"
CONTEXT_WINDOW_TOKENS = 258_400

PERMISSIONS = {
    "type": "managed",
    "file_system": {
        "type": "restricted",
        "entries": [
            {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
            {"path": {"type": "special", "value": {"kind": "project_roots"}}, "access": "write"},
        ],
    },
    "network": "restricted",
}

Payload = dict[str, Any]


@attrs.frozen(kw_only=True)
class Rollout:
    """The lines of one session. ended_at_ms: time of the last line."""

    thread_id: str
    began_at_ms: int
    ended_at_ms: int
    text: str


def rollout(session: Session, *, ended_at_ms: int, rng: random.Random) -> Rollout:
    """Write the session down so that it ends at `ended_at_ms`. The same arguments give the same text."""
    durations_ms = [rng.randrange(2_000, 40_000) for turn in session.turns for _ in range(len(turn.steps) + 2)]
    began_at_ms = ended_at_ms - sum(durations_ms)
    thread_id = uuid7(began_at_ms, rng)
    writer = _Writer(session, thread_id, began_at_ms, iter(durations_ms), rng)
    writer.write_meta()
    for number, turn in enumerate(session.turns):
        writer.write_turn(turn, is_first=number == 0)
    return Rollout(
        thread_id=thread_id,
        began_at_ms=began_at_ms,
        ended_at_ms=ended_at_ms,
        text="".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in writer.lines),
    )


def uuid7(at_ms: int, rng: random.Random) -> str:
    """A version 7 UUID of that millisecond, as Codex gives its threads and turns."""
    return str(uuid.UUID(int=at_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)))


def iso(at_ms: int) -> str:
    """UTC with three fractional digits and Z."""
    at = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"


class _Events(Protocol):
    """What of a session is written as events, and in which form."""

    def user(self, text: str) -> Payload: ...
    def agent(self, text: str) -> Payload: ...
    def command(self, call_id: str, command: list[str], folder: str, step: Runs, /) -> Payload | None: ...
    def patch(self, call_id: str, changes: Payload, output: str) -> Payload: ...


class _LegacyEvents:
    """One event type for each thing; the command itself is only in the response items."""

    def user(self, text: str) -> Payload:
        return {"type": "user_message", "message": text, "images": [], "local_images": [], "text_elements": []}

    def agent(self, text: str) -> Payload:
        return {"type": "agent_message", "message": text, "phase": None}

    def command(self, *_: object) -> None:
        return None

    def patch(self, call_id: str, changes: Payload, output: str) -> Payload:
        return {
            "type": "patch_apply_end",
            "call_id": call_id,
            "stdout": output,
            "stderr": "",
            "success": True,
            "changes": changes,
            "status": "completed",
        }


class _PaginatedEvents:
    """`item_completed` for everything; the item has the type. The writer adds ids and times."""

    def user(self, text: str) -> Payload:
        return self._item({"type": "UserMessage", "content": [{"type": "text", "text": text, "text_elements": []}]})

    def agent(self, text: str) -> Payload:
        return self._item({"type": "AgentMessage", "content": [{"type": "Text", "text": text}]})

    def command(self, call_id: str, command: list[str], folder: str, step: Runs, /) -> Payload:
        return self._item(
            {
                "type": "CommandExecution",
                "id": call_id,
                "command": command,
                "cwd": f"file://{folder}",
                "parsed_cmd": [{"type": "unknown", "cmd": step.command}],
                "source": "unified_exec_startup",
                "status": "failed" if step.exit_code else "completed",
                "aggregated_output": step.output,
                "exit_code": step.exit_code,
                "duration": {"secs": 0, "nanos": 800_000_000},
            }
        )

    def patch(self, call_id: str, changes: Payload, output: str) -> Payload:
        return self._item(
            {
                "type": "FileChange",
                "id": call_id,
                "changes": changes,
                "status": "completed",
                "stdout": output,
                "stderr": "",
            }
        )

    @staticmethod
    def _item(item: Payload) -> Payload:
        return {"type": "item_completed", "item": item}


EVENTS: dict[Format, _Events] = {Format.LEGACY: _LegacyEvents(), Format.PAGINATED: _PaginatedEvents()}


class _Writer:
    """Puts line after line; its clock goes on by one of `durations_ms` with each step."""

    def __init__(
        self, session: Session, thread_id: str, began_at_ms: int, durations_ms: Iterator[int], rng: random.Random
    ) -> None:
        self.lines: list[Payload] = []
        self._session = session
        self._thread_id = thread_id
        self._now_ms = began_at_ms
        self._durations_ms = durations_ms
        self._rng = rng
        self._events = EVENTS[session.format]
        self._turn_id = ""
        self._usage: Counter[str] = Counter()

    def write_meta(self) -> None:
        """The line that says whose rollout this is."""
        session = self._session
        self._put(
            "session_meta",
            {
                "session_id": self._thread_id,
                "id": self._thread_id,
                "timestamp": iso(self._now_ms),
                "cwd": session.project.folder,
                "originator": "codex_cli_rs" if session.source == "cli" else "codex_vscode",
                "cli_version": CLI_VERSION,
                "source": session.source,
                "thread_source": "user",
                "model_provider": MODEL_PROVIDER,
                "base_instructions": {"text": "You are a coding agent. Work in the user's project."},
                "history_mode": session.format.value,
                "git": {
                    "commit_hash": f"{self._rng.getrandbits(160):040x}",
                    "branch": session.branch,
                    "repository_url": session.project.origin_url,
                },
            },
        )

    def write_turn(self, turn: Turn, *, is_first: bool) -> None:
        """From the turn's start to its end, two steps of the clock more than it has steps."""
        self._turn_id = uuid7(self._now_ms, self._rng)
        started_at = self._now_ms // 1_000
        self._event(
            {
                "type": "task_started",
                "turn_id": self._turn_id,
                "started_at": started_at,
                "model_context_window": CONTEXT_WINDOW_TOKENS,
            }
        )
        if is_first:
            folder = self._session.project.folder
            context = f"<environment_context>\n  <cwd>{folder}</cwd>\n  <shell>zsh</shell>\n</environment_context>"
            self._message("user", context)
        self._put("turn_context", self._turn_context())
        self._tick()
        self._message("user", turn.prompt)
        self._event(self._events.user(turn.prompt))
        for step in turn.steps:
            self._tick()
            self._step(step)
        self._tick()
        ended = {"turn_id": self._turn_id, "started_at": started_at, "completed_at": self._now_ms // 1_000}
        if turn.aborted:
            self._message("user", "<turn_aborted>\nThe user interrupted the turn.\n</turn_aborted>")
            self._event({"type": "turn_aborted", **ended, "reason": "interrupted"})
        else:
            said = [step.text for step in turn.steps if isinstance(step, Answers)]
            self._event({"type": "task_complete", **ended, "last_agent_message": said[-1] if said else None})

    def _step(self, step: Step) -> None:
        match step:
            case Answers(text):
                self._event(self._events.agent(text))
                self._message("assistant", text)
            case Runs():
                call_id = self._call(step.command)
                command = ["/bin/zsh", "-lc", step.command]
                event = self._events.command(call_id, command, self._session.project.folder, step)
                if event is not None:
                    self._event(event)
                ended = f"Wall time: 0.8000 seconds\nProcess exited with code {step.exit_code}"
                self._output(call_id, f"{ended}\nOutput:\n{step.output}")
            case Patches(edits):
                call_id = self._call(f"apply_patch <<'EOF'\n{_patch_text(edits)}EOF\n")
                output = "Success. Updated the following files:\n" + "".join(
                    f"{'M' if edit.old else 'A'} {edit.path}\n" for edit in edits
                )
                changes = {f"{self._session.project.folder}/{edit.path}": _change(edit) for edit in edits}
                self._event(self._events.patch(call_id, changes, output))
                self._output(call_id, f"Exit code: 0\nWall time: 0.1 seconds\nOutput:\n{output}")
        self._count_tokens()

    def _call(self, command: str) -> str:
        call_id = f"call_{self._rng.getrandbits(96):024x}"
        arguments = json.dumps({"cmd": command}, ensure_ascii=False)
        call = {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": call_id}
        self._put("response_item", call)
        return call_id

    def _output(self, call_id: str, output: str) -> None:
        self._put("response_item", {"type": "function_call_output", "call_id": call_id, "output": output})

    def _message(self, role: str, text: str) -> None:
        kind = "output_text" if role == "assistant" else "input_text"
        self._put("response_item", {"type": "message", "role": role, "content": [{"type": kind, "text": text}]})

    def _turn_context(self) -> Payload:
        return {
            "turn_id": self._turn_id,
            "cwd": self._session.project.folder,
            "approval_policy": "on-request",
            "permission_profile": PERMISSIONS,
            "model": MODEL,
            "effort": "medium",
            "summary": "auto",
        }

    def _count_tokens(self) -> None:
        output_tokens = self._rng.randrange(100, 900)
        last = {
            "input_tokens": output_tokens * 8,
            "cached_input_tokens": 0,
            "output_tokens": output_tokens,
            "reasoning_output_tokens": 0,
            "total_tokens": output_tokens * 9,
        }
        self._usage.update(last)
        info = {
            "total_token_usage": dict(self._usage),
            "last_token_usage": last,
            "model_context_window": CONTEXT_WINDOW_TOKENS,
        }
        self._event({"type": "token_count", "info": info, "rate_limits": None})

    def _tick(self) -> None:
        self._now_ms += next(self._durations_ms)

    def _event(self, payload: Payload) -> None:
        if item := payload.get("item"):
            payload = {
                **payload,
                "thread_id": self._thread_id,
                "turn_id": self._turn_id,
                "item": {"id": uuid7(self._now_ms, self._rng), **item},
                "started_at_ms": self._now_ms,
                "completed_at_ms": self._now_ms,
            }
        self._put("event_msg", payload)

    def _put(self, kind: str, payload: Payload) -> None:
        line: Payload = {"timestamp": iso(self._now_ms)}
        if self._session.format is Format.PAGINATED:
            line["ordinal"] = len(self.lines)
        self.lines.append(line | {"type": kind, "payload": payload})


def _patch_text(edits: tuple[Edit, ...]) -> str:
    """The edits in the language of the patch tool."""
    parts = ["*** Begin Patch\n"]
    for edit in edits:
        if edit.old:
            parts.append(f"*** Update File: {edit.path}\n@@\n{_marked('-', edit.old)}{_marked('+', edit.new)}")
        else:
            parts.append(f"*** Add File: {edit.path}\n{_marked('+', edit.new)}")
    return "".join([*parts, "*** End Patch\n"])


def _change(edit: Edit) -> Payload:
    """The edit as the result of the patch tool reports it."""
    if not edit.old:
        return {"type": "add", "content": edit.new}
    old_lines, new_lines = len(edit.old.splitlines()), len(edit.new.splitlines())
    diff = f"@@ -1,{old_lines} +1,{new_lines} @@\n{_marked('-', edit.old)}{_marked('+', edit.new)}"
    return {"type": "update", "unified_diff": diff, "move_path": None}


def _marked(mark: str, text: str) -> str:
    return "".join(f"{mark}{line}\n" for line in text.splitlines())
