"""What a fork's rollout begins with: all lines of a legacy source, or the place where it leaves a paginated one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from state.live import LEGACY, ForkCut
from state.rollouts.stored_lines import Line, stored_lines
from workers.threads import payloads
from workers.threads.history import cut_behind
from workers.threads.recording import Entry


@attrs.frozen
class ForkSource:
    """The thread that is forked."""

    codex_home: Path
    path: str
    thread_id: str
    history_mode: str


@attrs.frozen(kw_only=True)
class Taken:
    """What a fork takes with it.

    Attributes:
      meta: what its first line says of the source.
      copied: the lines of a legacy source.
      ended: the end of a turn that was still running in the source.
      next_ordinal: of its first line; None in a legacy rollout.
      is_cut: it leaves its source before the source's end.
    """

    meta: dict[str, Any]
    copied: Sequence[Entry]
    ended: Sequence[Entry]
    next_ordinal: int | None
    is_cut: bool


def fork_lines(source: ForkSource, cut: ForkCut) -> Taken:
    """Read what a fork of this thread takes with it. Blocks.

    Raises:
      LiveError: there is no such turn to cut at.
      OSError: the source cannot be read.
    """
    lines = list(stored_lines(source.codex_home, source.path))
    kept = lines[: cut_behind(lines, cut)]
    meta: dict[str, Any] = {"forked_from_id": source.thread_id}
    next_ordinal: int | None = None
    copied: list[Entry] = []
    if source.history_mode == LEGACY:
        copied = [(line.kind, line.payload) for line in kept]
    else:
        last = next((line for line in reversed(kept) if line.ordinal is not None), None)
        next_ordinal = 0 if last is None or last.ordinal is None else last.ordinal + 1
        meta["forked_from_ordinal_exclusive"] = next_ordinal
        meta["history_base"] = {
            "thread_id": source.thread_id,
            "end_ordinal_exclusive": next_ordinal,
            "end_byte_offset": kept[-1].end if kept else 0,
        }
    return Taken(
        meta=meta,
        copied=copied,
        ended=_ended(kept),
        next_ordinal=next_ordinal,
        is_cut=len(kept) < len(lines),
    )


def _ended(kept: list[Line]) -> list[Entry]:
    """The end that a running turn has in the fork: it does not go on there.

    Older rollouts do not say when turns begin and end; there, whatever a person said last may still be running.
    """
    running: dict[str, Any] | None = None
    for line in kept:
        if line.event == "task_started":
            turn_id, at = line.payload.get("turn_id"), line.payload.get("started_at")
            began = {"started_at": at} if at is not None else {}
            running = {"root_turn_id": turn_id, "turn_id": turn_id, "reason": "interrupted", **began}
        elif line.event == "user_message" and running is None:
            running = {"turn_id": None, "reason": "interrupted"}
        elif line.event in ("task_complete", "turn_aborted"):
            running = None
    if running is None:
        return []
    turn_id = running["turn_id"]
    marker = payloads.aborted_marker(f"msg_{turn_id or 'aborted'}")
    return [payloads.response_item(marker, turn_id), ("event_msg", {"type": "turn_aborted", **running})]
