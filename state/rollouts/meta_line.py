"""The line that says anew who a thread is: how a legacy rollout learns of an edit.

It is the rollout's first session_meta once more, with the git triple or the memory mode as they are now. A reader takes
the last line about its own thread, so a replay of the file alone, by Codex or by memoryd, gives the edit again.
"""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from state.decoders import json_decoder
from state.ids import ThreadId
from state.rollouts.envelope import decode_line, usual_kind
from state.rollouts.filename import thread_id_of
from state.rollouts.lines import LineRun
from state.rollouts.representation import LOOKS_MAX, open_rollout

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

_HEAD_BYTES_MAX = 8 << 20


class MetaError(Exception):
    """A rollout's first session_meta cannot be repeated; the message says why."""


class _MetaLine(msgspec.Struct):
    type: str
    payload: dict[str, Any]


_decode = json_decoder(_MetaLine).decode
_encode = msgspec.json.Encoder().encode


def first_meta(codex_home: Path, path: str, thread_id: ThreadId) -> dict[str, Any]:
    """What the rollout's first session_meta says. Blocks.

    Raises:
      MetaError: there is none, or it is another thread's.
      OSError: the file cannot be read.
    """
    with open_rollout(str(codex_home / path), looks_max=LOOKS_MAX) as file:
        for lines in file.head_lines():
            texts = lines.lines.split(b"\n") if isinstance(lines, LineRun) else [lines.text]
            for text in texts:
                if usual_kind(text) not in (None, b"session_meta"):
                    continue
                try:
                    line = decode_line(_decode, text)
                except ValueError:
                    continue
                if line.type == "session_meta":
                    return _of(line.payload, path, thread_id)
            if lines.end > _HEAD_BYTES_MAX:
                break
    raise MetaError(f"rollout at {codex_home / path} does not start with session metadata")


def _of(payload: dict[str, Any], path: str, thread_id: ThreadId) -> dict[str, Any]:
    found = thread_id_of(str(payload.get("id", "")))
    if found != thread_id:
        raise MetaError(f"{path}: rollout session metadata id mismatch: expected {thread_id}, found {found}")
    return payload


def meta_line(first: Mapping[str, Any], *, memory_mode: str, git: Mapping[str, str | None] | None, at_ms: int) -> bytes:
    """The line, without its line feed, its members in the order in which Codex writes them.

    Args:
      first: what the first session_meta says.
      git: sha, branch and origin_url as they are now, all three; None says nothing of git, so that it stays.
      at_ms: now, Unix ms.
    """
    payload: dict[str, Any] = {}
    for name, value in (dict(first) | {"history_mode": first.get("history_mode", "legacy")}).items():
        if name in ("git", "memory_mode"):
            continue
        # Members that older writers left out stand where today's writer has them.
        if name == "id":
            payload.setdefault("session_id", value)
        if name == "history_mode":
            payload.setdefault("base_instructions", None)
            payload["memory_mode"] = memory_mode
        payload[name] = value
    if git is not None:
        names = {"commit_hash": "sha", "branch": "branch", "repository_url": "origin_url"}
        payload["git"] = {name: git[ours] for name, ours in names.items() if git[ours] is not None}
    time = (_EPOCH + datetime.timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%S")
    return _encode({"timestamp": f"{time}.{at_ms % 1000:03d}Z", "type": "session_meta", "payload": payload})
