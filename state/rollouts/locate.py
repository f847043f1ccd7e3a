"""Whose rollout a file is, by its first lines; and the search of the tree for the rollout of one thread.

A file's name is a claim. Only its first session_meta says whose it is, so every candidate is asked for it.
"""

import os
from pathlib import Path

import attrs

from state.decoders import json_decoder
from state.ids import ThreadId
from state.rollouts.envelope import decode_line, decoded_kind, usual_kind
from state.rollouts.filename import rollout_name, thread_id_of
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS, find_rollouts
from state.rollouts.lines import LineRun
from state.rollouts.model import FoundRollout
from state.rollouts.payloads import SessionMetaLine
from state.rollouts.representation import LOOKS_MAX, open_rollout

HEAD_BYTES_MAX = 8 << 20
"""How far the first record is looked for. A session_meta is some tens of kilobytes, and the first line."""

_RECORDS = (b"session_meta", b"response_item")
"""The lines that can be a rollout's first record; events before it say nothing of whose it is."""


_decode_meta = json_decoder(SessionMetaLine).decode


class HeadError(Exception):
    """A file was read and does not say whose rollout it is."""


def head_thread_id(codex_home: Path, path: str) -> ThreadId:
    """The thread that a rollout says it is of. `path` is relative to the home, or absolute; its name does not matter.

    Reads the head only, from a plain or a compressed file, and looks again while the file changes its form. Blocks.

    Raises:
      HeadError: its first record is not a session_meta, or it has none.
      FileNotFoundError: it is gone.
      OSError: it cannot be read.
    """
    whole_path = os.path.join(codex_home, path)
    with open_rollout(whole_path, looks_max=LOOKS_MAX) as file:
        for lines in file.head_lines():
            texts = lines.lines.split(b"\n") if isinstance(lines, LineRun) else [lines.text]
            for text in texts:
                kind = _kind(text)
                if kind is None:
                    continue
                thread_id = _identity(text) if kind == b"session_meta" else None
                if thread_id is None:
                    raise HeadError(f"rollout at {whole_path} does not start with session metadata")
                return thread_id
            if lines.end > HEAD_BYTES_MAX:
                break
    raise HeadError(f"rollout at {whole_path} is empty")


def _kind(text: bytes) -> bytes | None:
    """The kind of a line that can be a first record; None for any other line."""
    try:
        kind = usual_kind(text) or decoded_kind(text)[0]
    except ValueError:
        return None
    kind = kind.partition(b"/")[0]
    return kind if kind in _RECORDS else None


def _identity(text: bytes) -> ThreadId | None:
    try:
        return thread_id_of(decode_line(_decode_meta, text).payload.id)
    except ValueError:
        return None


@attrs.frozen(kw_only=True)
class Located:
    """A rollout whose name claims the thread; is_verified: its head says so, too."""

    found: FoundRollout
    is_verified: bool


def locate_rollout(
    codex_home: Path, thread_id: ThreadId, *, active: bool = True, archived: bool = True
) -> Located | None:
    """Search the tree for the rollout of one thread: active before archived ones, the latest name first. Blocks.

    Costs a listing of the tree and the heads of the files whose names hold the id.

    Returns:
      One whose head names the thread; else one whose head cannot be read now; None when there is neither.
    """
    unverified: Located | None = None
    for folder, is_wanted in ((SESSIONS, active), (ARCHIVED_SESSIONS, archived)):
        candidates = find_rollouts(codex_home, (folder,))[0] if is_wanted else ()
        for found in candidates:
            name = rollout_name(found.path.rpartition("/")[2])
            if name is None or name.thread_id != thread_id:
                continue
            try:
                if head_thread_id(codex_home, found.path) == thread_id:
                    return Located(found=found, is_verified=True)
            except (HeadError, FileNotFoundError):
                continue
            except OSError:
                unverified = unverified or Located(found=found, is_verified=False)
    return unverified
