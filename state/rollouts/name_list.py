"""Writing Codex's own list of names, `session_index.jsonl`, under the lock that Codex takes for it."""

import contextlib
import os
import secrets
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from state.decoders import json_decoder
from state.ids import ThreadId
from state.rollouts.envelope import decode_line
from state.rollouts.filename import thread_id_of
from state.rollouts.names import SESSION_INDEX
from state.rollouts.regular import RegularFile
from state.rollouts.whole_writes import append_whole_line, write_whole
from state.rollouts.writer_lock import held_alone

_LOCK = f"{SESSION_INDEX}.lock"
_WHAT = "the session index lock"


class _Line(msgspec.Struct):
    id: str


_decode = json_decoder(_Line).decode


def append_name(codex_home: Path, thread_id: ThreadId, name: str, at_ns: int) -> None:
    """Append one naming, and sync it. Asking again adds a line that says nothing new. Blocks.

    Args:
      at_ns: when, Unix ns.

    Raises:
      OSError: it could not be written whole; the list is what it was. TimeoutError: its lock is held for too long.
    """
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ns // 1_000_000_000))
    stamp = f"{when}.{at_ns % 1_000_000_000:09d}Z"
    line = msgspec.json.encode({"id": thread_id, "thread_name": name, "updated_at": stamp}) + b"\n"
    with held_alone(codex_home / _LOCK, _WHAT):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(codex_home / SESSION_INDEX, flags, 0o644)
        try:
            append_whole_line(descriptor, line, sync=True)
        finally:
            os.close(descriptor)


def remove_names(codex_home: Path, thread_ids: Collection[ThreadId]) -> None:
    """Put a list in the place of this one that has all its lines but those of these threads. Blocks.

    Raises:
      OSError: it could not be written; the list is what it was.
    """
    path = codex_home / SESSION_INDEX
    if not path.exists():
        return
    with held_alone(codex_home / _LOCK, _WHAT):
        try:
            with RegularFile(str(path)) as file, open(file.descriptor, "rb", closefd=False) as reader:
                lines = reader.read().splitlines(keepends=True)
                mode = os.fstat(file.descriptor).st_mode & 0o777
        except FileNotFoundError:
            return
        kept = [line for line in lines if _thread_of(line) not in thread_ids]
        if len(kept) == len(lines):
            return
        new = codex_home / f"session-index-{secrets.token_hex(6)}"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            write_whole(descriptor, b"".join(kept))
            os.fsync(descriptor)
            os.replace(new, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        finally:
            os.close(descriptor)


def _thread_of(line: bytes) -> ThreadId | None:
    try:
        return thread_id_of(decode_line(_decode, line.rstrip(b"\n")).id)
    except ValueError:
        return None
