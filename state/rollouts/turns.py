"""The turns of a thread, from its rollout and those that it goes on from.

A newer fork holds only what is its own, and says up to which line of which thread it shares the history; that thread
may be such a fork itself. An older fork has copied all the lines. Whoever knows where rollouts lie gives the files in
the order of what happened.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import msgspec

from state.decoders import json_decoder
from state.ids import ThreadId
from state.rollouts.envelope import decode_line, told_kind
from state.rollouts.filename import thread_id_of
from state.rollouts.lines import LineRun
from state.rollouts.representation import LOOKS_MAX, CompressedRollout, PlainRollout, open_rollout
from state.rollouts.turn_fold import TurnFold
from state.rollouts.turn_model import Turn


@attrs.frozen(kw_only=True)
class HistoryBase:
    """The thread that a rollout goes on from, and the number of the line that it no longer shares."""

    thread_id: ThreadId
    ordinal_end: int


@attrs.frozen(kw_only=True)
class HistoryPart:
    """A file and how much of it belongs to the history. path: relative to the home; ordinal_end: None for all of it."""

    path: str
    ordinal_end: int | None = None


@attrs.frozen(kw_only=True)
class ToldTurns:
    """The turns in order.

    Attributes:
      omitted_items: how many items had no room in memory, or stood in lines that are too long.
      damage: why a file could not be read to its end.
    """

    turns: tuple[Turn, ...]
    omitted_items: int
    damage: str | None


def history_base(codex_home: Path, path: str) -> HistoryBase | None:
    """What the rollout's first session_meta says of where its history begins; None when it begins with itself. Blocks.

    Raises:
      OSError: the file cannot be read.
    """
    with open_rollout(os.path.join(codex_home, path), looks_max=LOOKS_MAX) as file:
        for text in _texts(file):
            try:
                if text is None or told_kind(text)[0] != b"session_meta":
                    continue
                base = decode_line(_decode_meta, text).payload.history_base
            except ValueError:
                return None
            identity = None if base is None else thread_id_of(base.thread_id)
            if base is None or identity is None:
                return None
            return HistoryBase(thread_id=identity, ordinal_end=base.end_ordinal_exclusive)
    return None


def read_turns(codex_home: Path, parts: Sequence[HistoryPart], *, is_live: bool = False) -> ToldTurns:
    """Fold these files, one after the other, to turns. Blocks; asking again is safe.

    Args:
      is_live: the last turn may still go on.

    Raises:
      OSError: the last file cannot be read. One before it that cannot be read costs what it holds.
    """
    fold = TurnFold()
    damage: str | None = None
    for number, part in enumerate(parts):
        try:
            with open_rollout(os.path.join(codex_home, part.path), looks_max=LOOKS_MAX) as file:
                for text in _texts(file):
                    if text is None:
                        fold.pass_over()
                    else:
                        fold.take(text, ordinal_end=part.ordinal_end)
                damage = damage or file.damage
        except OSError as error:
            if number == len(parts) - 1:
                raise
            damage = f"the history before {part.ordinal_end} cannot be read: {error.strerror or error}"
    turns = tuple(fold.turns(is_live=is_live))
    return ToldTurns(turns=turns, omitted_items=fold.omitted_items, damage=damage)


def _texts(file: PlainRollout | CompressedRollout) -> Iterator[bytes | None]:
    """Each line; None for one that is too long."""
    for lines in file.lines(0):
        if isinstance(lines, LineRun):
            yield from lines.lines[:-1].split(b"\n")
        else:
            yield None if lines.is_oversized else lines.text


class _Base(msgspec.Struct):
    thread_id: str
    end_ordinal_exclusive: int


class _Meta(msgspec.Struct):
    history_base: _Base | None = None


class _MetaLine(msgspec.Struct):
    payload: _Meta


_decode_meta = json_decoder(_MetaLine).decode
