"""The corpus that the fleet is fed: sessions that begin, grow, are archived, and hold what must be remembered.

All of it is drawn from the seed but for the times, which are those of the run: sessions are written while it lasts.
"""

import datetime
import json
import os
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio

PROJECTS = ("/home/ann/shop", "/home/ann/blog", "/home/ann/till", "/home/ann/kiln")
POISONED_PROJECT = "/home/ann/mine"
"""Where the sessions are from that kill their worker; a project of its own, so that the others can be compared."""

WISHES = (
    "always use pnpm instead of npm here",
    "never push to main without asking me first",
    "please run the tests with make check and not with pytest",
    "write commit messages in the present tense",
    "use tabs, not spaces, in the Makefile",
)
COMMANDS = (("npm test", 1), ("make check", 0), ("git status", 0), ("cargo build", 101), ("ls -la", 0))

BYTES_OF_A_TORN_LINE = 20

AUTOMATIC_SHARE = 0.3
"""So many sessions are led by programs; they are indexed and not remembered."""


@attrs.define
class _Session:
    path: Path
    thread_id: str
    source: str
    calls: int = 0
    torn: bytes = b""


def wall_ms() -> int:
    """The machine's wall clock, Unix ms."""
    return time.time_ns() // 1_000_000


@attrs.define
class Workload:
    """Writes rollouts. What it has written is the truth that the index is judged by.

    Attributes:
      now_ms: the clock of those who write.
      stamps_files: give each file the time of that clock, where it is not the machine's.
    """

    codex_home: Path
    rng: random.Random
    now_ms: Callable[[], int] = wall_ms
    stamps_files: bool = False
    sessions: list[_Session] = attrs.field(factory=list)
    archived: int = 0
    lines: int = 0
    poisoned: set[str] = attrs.field(factory=set)

    async def run(self, pace_seconds: float) -> None:
        """Write for ever, one small step at a time."""
        while True:
            self.step()
            await trio.sleep(self.rng.uniform(0, 2 * pace_seconds))

    def step(self) -> None:
        """Begin a session, add a turn to one, leave a torn line behind, or archive one."""
        roll = self.rng.random()
        if not self.sessions or roll < 0.35:
            self._begin()
        elif roll < 0.9:
            self._turn(self.rng.choice(self.sessions))
        elif roll < 0.95:
            self._tear(self.rng.choice(self.sessions))
        else:
            self._archive_one()

    def finish(self) -> None:
        """Complete what is torn: an agent that lives ends its lines."""
        for session in self.sessions:
            self._mend(session)

    def poison(self) -> None:
        """Begin a session that kills whoever extracts it."""
        self.poisoned.add(self._begin(POISONED_PROJECT, "cli"))

    def _begin(self, cwd: str | None = None, source: str | None = None) -> str:
        now = datetime.datetime.fromtimestamp(self.now_ms() / 1000, datetime.UTC)
        thread = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        folder = self.codex_home / "sessions" / f"{now:%Y/%m/%d}"
        folder.mkdir(parents=True, exist_ok=True)
        if source is None:
            source = "exec" if self.rng.random() < AUTOMATIC_SHARE else "cli"
        session = _Session(folder / f"rollout-{now:%Y-%m-%dT%H-%M-%S}-{thread}.jsonl", thread, source)
        self.sessions.append(session)
        self._line(
            session,
            "session_meta",
            {
                "id": thread,
                "timestamp": self._stamp(),
                "cwd": cwd or self.rng.choice(PROJECTS),
                "originator": "codex_cli_rs",
                "cli_version": "0.169.0",
                "source": source,
                "model_provider": "openai",
            },
        )
        self._turn(session)
        return thread

    def _turn(self, session: _Session) -> None:
        wish = self.rng.choice(WISHES)
        self._line(session, "event_msg", {"type": "user_message", "message": f"Task {self.lines}: {wish}"})
        for _ in range(self.rng.randint(0, 3)):
            self._command(session, *self.rng.choice(COMMANDS))
        self._line(session, "event_msg", {"type": "agent_message", "message": f"Done with step {self.lines}."})

    def _command(self, session: _Session, command: str, exit_code: int) -> None:
        session.calls += 1
        call_id = f"call_{session.calls}"
        arguments = json.dumps({"cmd": command})
        call = {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": call_id}
        self._line(session, "response_item", call)
        text = f"Wall time: 0.1 seconds\nProcess exited with code {exit_code}\nOutput:\nline {self.lines}\n"
        self._line(session, "response_item", {"type": "function_call_output", "call_id": call_id, "output": text})

    def _tear(self, session: _Session) -> None:
        """Leave half of a line at the end; it is completed before the next one is written."""
        if not session.torn:
            whole = self._encode("event_msg", {"type": "agent_message", "message": f"Torn at {self.lines}."})
            session.torn = whole[BYTES_OF_A_TORN_LINE:]
            self._append(session.path, whole[:BYTES_OF_A_TORN_LINE])

    def _mend(self, session: _Session) -> None:
        if session.torn:
            self._append(session.path, session.torn)
            session.torn = b""
            self.lines += 1

    def _archive_one(self) -> None:
        """Archive a session that is not remembered: whether one that is was extracted before is a matter of time, and
        the end state would be, too."""
        session = next((one for one in self.sessions if one.source != "cli"), None)
        if session is None:
            return
        self.sessions.remove(session)
        self._mend(session)
        target = self.codex_home / "archived_sessions" / session.path.name
        target.parent.mkdir(exist_ok=True)
        os.rename(session.path, target)
        self.archived += 1

    def _line(self, session: _Session, kind: str, payload: dict[str, Any]) -> None:
        self._mend(session)
        self._append(session.path, self._encode(kind, payload))
        self.lines += 1

    def _encode(self, kind: str, payload: dict[str, Any]) -> bytes:
        line = {"timestamp": self._stamp(), "type": kind, "payload": payload}
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"

    def _append(self, path: Path, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)
        if self.stamps_files:
            at_ns = self.now_ms() * 1_000_000
            os.utime(path, ns=(at_ns, at_ns))

    def _stamp(self) -> str:
        at_ms = self.now_ms()
        when = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
        return f"{when:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
