"""Sessions as the lines of rollouts, made up by the seed: what a person says, and what the agent runs."""

import json
import random
import uuid
from datetime import UTC, datetime
from typing import Any

FOLDERS = ("/home/ann/shop", "/home/ann/blog", "/home/ann/tools")

_WISHES = (
    "Always {verb} the {thing} before you {verb2} anything in this project.",
    "Never {verb} the {thing} by hand, please; use the {thing2} for that.",
    "I prefer that the {thing} is kept small and that the {thing2} stays as it is.",
    "Please {verb} the {thing}, and then {verb2} the {thing2} so that the tests pass again.",
    "No, that is wrong: the {thing} belongs into the {thing2}, not the other way round.",
)
_NEW_WISH = "Please write the report number {number} of {at} about the {thing}, and add it to the list of reports."
_VERBS = ("rename", "test", "format", "review", "split", "document", "measure", "cache")
_THINGS = ("parser", "schema", "importer", "changelog", "index", "queue", "button", "report", "migration", "fixture")


class Session:
    """One invented session; makes its next lines."""

    def __init__(self, rng: random.Random, began_wall_ms: int) -> None:
        self._rng = rng
        self.thread_id = str(
            uuid.UUID(int=began_wall_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))
        )
        self.folder = rng.choice(FOLDERS)
        began = datetime.fromtimestamp(began_wall_ms / 1000, UTC)
        self.name = f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{self.thread_id}.jsonl"
        self.day = f"{began:%Y/%m/%d}"
        self._turns = 0

    def move(self) -> None:
        """Go on in another folder; the next meta line says so."""
        self.folder = self._rng.choice([folder for folder in FOLDERS if folder != self.folder])

    def name_at(self, at_ms: int) -> tuple[str, str]:
        """Day and name of another file of this session, begun now."""
        began = datetime.fromtimestamp(at_ms / 1000, UTC)
        return f"{began:%Y/%m/%d}", f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{self.thread_id}.jsonl"

    def meta(self, at_ms: int) -> str:
        """The first line of a file, or of what is said after a pause; each names tools of its own."""
        tools = [f"{self._thing()}_{number}" for number in range(self._rng.randrange(3))]
        return _line(
            at_ms,
            "session_meta",
            {
                "id": self.thread_id,
                "timestamp": _iso(at_ms),
                "cwd": self.folder,
                "originator": "codex_cli_rs",
                "cli_version": "0.169.0",
                "source": "cli",
                "model_provider": "simulated",
                "dynamic_tools": [{"name": tool, "description": "", "inputSchema": {}} for tool in tools],
                "git": {"commit_hash": f"{self._rng.getrandbits(160):040x}", "branch": "main"},
            },
        )

    def turn(self, at_ms: int, *, is_new: bool = False) -> str:
        """The lines of one turn: a wish, sometimes a command that fails and one that works, and an answer.

        is_new: wish what was never wished before, so that whoever remembers it remembers something else.
        """
        self._turns += 1
        words = {"verb": self._verb(), "verb2": self._verb(), "thing": self._thing(), "thing2": self._thing()}
        said = (_NEW_WISH if is_new else self._rng.choice(_WISHES)).format(**words, number=self._turns, at=at_ms)
        lines = [
            _line(at_ms, "event_msg", {"type": "task_started", "started_at": at_ms // 1000}),
            _message(at_ms, "user", said),
            _line(at_ms, "event_msg", {"type": "user_message", "message": said}),
        ]
        if self._rng.random() < 0.4:
            lines += self._run(at_ms, f"make {words['thing']}", 1, "error: no rule")
            lines += self._run(at_ms, f"make -C {words['thing']} {words['verb']}", 0, "ok")
        answer = f"Done with the {words['thing']} in turn {self._turns}."
        lines += [
            _message(at_ms, "assistant", answer),
            _line(at_ms, "event_msg", {"type": "agent_message", "message": answer}),
            _line(at_ms, "event_msg", {"type": "task_complete", "last_agent_message": answer}),
        ]
        return "".join(lines)

    def _run(self, at_ms: int, command: str, exit_code: int, output: str) -> list[str]:
        call = f"call_{self._rng.getrandbits(64):016x}"
        arguments = json.dumps({"cmd": command})
        text = f"Process exited with code {exit_code}\nOutput:\n{output}"
        return [
            _line(
                at_ms,
                "response_item",
                {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": call},
            ),
            _line(at_ms, "response_item", {"type": "function_call_output", "call_id": call, "output": text}),
        ]

    def _verb(self) -> str:
        return self._rng.choice(_VERBS)

    def _thing(self) -> str:
        return self._rng.choice(_THINGS)


def afterthought(at_ms: int, text: str) -> str:
    """The lines of one more thing that a person said, in whatever session."""
    return _message(at_ms, "user", text) + _line(at_ms, "event_msg", {"type": "user_message", "message": text})


def _message(at_ms: int, role: str, text: str) -> str:
    kind = "output_text" if role == "assistant" else "input_text"
    return _line(at_ms, "response_item", {"type": "message", "role": role, "content": [{"type": kind, "text": text}]})


def _line(at_ms: int, kind: str, payload: dict[str, Any]) -> str:
    return json.dumps({"timestamp": _iso(at_ms), "type": kind, "payload": payload}, separators=(",", ":")) + "\n"


def _iso(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
