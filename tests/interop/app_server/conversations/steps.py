"""The steps that conversations are made of."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.interop.app_server.stored import Stored
from tests.interop.app_server.talk import Ask, Change, Look, rollouts

NO_ID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `n` at 1"
ALL = {"modelProviders": [], "sourceKinds": ["cli", "vscode", "exec", "appServer", "subAgent", "unknown"]}

UPDATE = "thread/metadata/update"
FILES = Look("rollouts", rollouts)


def update(thread: Stored | str, git: Any, **expected: Any) -> Ask:
    """Edit the git info of a thread."""
    return Ask(UPDATE, {"threadId": thread if isinstance(thread, str) else thread.id, "gitInfo": git}, **expected)


def read(thread: Stored | str, *, turns: bool = False) -> Ask:
    """Read a thread."""
    return Ask("thread/read", {"threadId": thread if isinstance(thread, str) else thread.id, "includeTurns": turns})


def listed(**params: Any) -> Ask:
    """A listing."""
    return Ask("thread/list", {**ALL, **params})


def about(
    method: str, thread: Stored | str, *, wait: Sequence[str] = (), refused: str | None = None, **more: Any
) -> Ask:
    """Any request about one thread."""
    thread = thread if isinstance(thread, str) else thread.id
    return Ask(method, {"threadId": thread, **more}, wait=wait, refused=refused)


def archive(thread: Stored) -> Ask:
    """Put a thread away; both must say so."""
    return about("thread/archive", thread, wait=["thread/archived"])


def unarchive(thread: Stored) -> Ask:
    """Bring it back; both must say so."""
    return about("thread/unarchive", thread, wait=["thread/unarchived"])


def tail(thread: Stored, count: int = 1) -> Look:
    """The last lines of a thread's rollout, wherever it lies, and how many it has."""

    def look(home: Path, saved: Mapping[str, str]) -> Any:
        return [_tail(path, count) for path in home.glob(f"*sessions/**/rollout-*{thread.id}.jsonl")]

    return Look(f"the end of {thread.text!r}", look)


def _tail(path: Path, count: int) -> Any:
    lines = path.read_bytes().split(b"\n")
    return {
        "lines": len(lines) - 1,
        "rest": lines[-1].decode(),
        "last": [json.loads(line) for line in lines[-1 - count : -1]],
    }


def names(home: Path, saved: Mapping[str, str]) -> Any:
    """The file of names."""
    path = home / "session_index.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


NAMES = Look("session_index.jsonl", names)


def appended(thread: Stored, kind: str, payload: Mapping[str, Any], number: int = 9) -> Change:
    """Another process writes one more line of a thread."""

    def change(home: Path) -> None:
        with thread.path(home).open("ab") as file:
            file.write(thread.line(number, kind, payload))
        os.utime(thread.path(home), (thread.began_at + 3_600, thread.began_at + 3_600))

    return Change(change)


def written(thread: Stored) -> Change:
    """Another process writes a thread."""
    return Change(thread.write)


def removed(thread: Stored) -> Change:
    """Somebody removes a rollout."""
    return Change(lambda home: thread.path(home).unlink())


EMPTY = "gitInfo must include at least one field"
NO_EDIT = "thread metadata update must include at least one field"
