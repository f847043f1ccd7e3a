"""The lines of a thread's whole history as JSON objects, in their order, for whoever needs more of them than facts.

A paginated fork begins where its source was left; what was said before stands in the source's file, and so on.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec

from state.rollouts.lines import LineRun
from state.rollouts.representation import open_rollout

SOURCES_MAX = 64
"""So many forks of forks are followed; more were not made by people."""

Locate = Callable[[str], str | None]
"""Where the rollout of a thread is, relative to the home. Blocks."""


@attrs.frozen
class Line:
    """One line that was understood.

    Attributes:
      number: its place in its file, from 0.
      end: where it ends in the file's text.
      is_own: False for a line that stands in the source of a fork.
    """

    value: dict[str, Any]
    number: int
    end: int
    is_own: bool = True

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.value.get("type") or "")

    @property
    def payload(self) -> dict[str, Any]:
        """What it says."""
        payload = self.value.get("payload")
        return payload if isinstance(payload, dict) else {}

    @property
    def ordinal(self) -> int | None:
        """Its number in a paginated history; None in a legacy one."""
        ordinal = self.value.get("ordinal")
        return ordinal if isinstance(ordinal, int) else None

    @property
    def event(self) -> str | None:
        """Which event it is; None for no event."""
        return str(self.payload.get("type")) if self.kind == "event_msg" else None


def stored_lines(codex_home: Path, path: str) -> Iterator[Line]:
    """The lines of one file that are JSON objects. Blocks.

    Raises:
      OSError: it cannot be read.
    """
    number = -1
    with open_rollout(os.path.join(codex_home, path)) as file:
        for lines in file.lines(0):
            if isinstance(lines, LineRun):
                end = lines.end - len(lines.lines)
                for text in lines.lines.split(b"\n")[:-1]:
                    number += 1
                    end += len(text) + 1
                    yield from _understood(text, number, end)
            else:
                number += 1
                if not lines.is_oversized:
                    yield from _understood(lines.text, number, lines.end)


def history_lines(codex_home: Path, path: str, locate: Locate) -> Iterator[Line]:
    """The lines of a thread's history: its own, behind those of the sources that it goes on from. Blocks.

    A source that is gone, or the sources beyond SOURCES_MAX, are left out.

    Raises:
      OSError: a file cannot be read.
    """
    yield from _history(codex_home, path, None, locate, SOURCES_MAX)


def _history(codex_home: Path, path: str, end_ordinal: int | None, locate: Locate, sources_left: int) -> Iterator[Line]:
    is_own = sources_left == SOURCES_MAX
    is_first = True
    for line in stored_lines(codex_home, path):
        if is_first and line.kind == "session_meta":
            is_first = False
            base = line.payload.get("history_base")
            if isinstance(base, dict) and sources_left > 0:
                yield from _source(codex_home, base, locate, sources_left)
        if end_ordinal is not None and line.ordinal is not None and line.ordinal >= end_ordinal:
            return
        yield line if is_own else attrs.evolve(line, is_own=False)


def _source(codex_home: Path, base: Mapping[str, Any], locate: Locate, sources_left: int) -> Iterator[Line]:
    thread_id, end_ordinal = base.get("thread_id"), base.get("end_ordinal_exclusive")
    path = locate(thread_id) if isinstance(thread_id, str) else None
    if path is not None and isinstance(end_ordinal, int):
        yield from _history(codex_home, path, end_ordinal, locate, sources_left - 1)


def _understood(text: bytes, number: int, end: int) -> Iterator[Line]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(value, dict):
        yield Line(value, number, end)
