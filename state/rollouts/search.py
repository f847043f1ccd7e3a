"""Finding a text in what was said in a rollout, in memory that does not depend on its size.

What counts is what the person and the agent said, in the form for people or in the form for the model; so what a
program told the model in the person's role counts, too. Titles and names are no part of it.

The rule: a line that cannot be understood is passed over, and costs nothing but itself.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import msgspec

from state.decoders import json_decoder
from state.rollouts.envelope import decode_line, told_kind
from state.rollouts.excerpts import excerpt, squeezed
from state.rollouts.lines import LineRun
from state.rollouts.messages import REQUEST_MARK
from state.rollouts.representation import LOOKS_MAX, open_rollout
from state.rollouts.search_term import SearchTerm

_WORDS = frozenset({"input_text", "output_text"})
"""The parts of a message to or from the model that are words."""


@attrs.frozen(kw_only=True)
class Looked:
    """How far a search came.

    Attributes:
      looked_at: how many of the rollouts it has looked at, from the first.
      snippets: what each of these that has the term says around it, by its place.
    """

    looked_at: int
    snippets: dict[int, str]


def search_rollouts(
    codex_home: Path,
    paths: Sequence[str],
    term: SearchTerm,
    *,
    found_max: int,
    has_time: Callable[[], bool],
    pause: Callable[[], None],
) -> Looked:
    """Look through rollouts in their order until `found_max` of them have the term. Blocks; asking again is safe.

    What cannot be read, or is not there, has nothing.

    Args:
      paths: relative to the home.
      has_time: asked before each rollout but the first; False ends the search there.
      pause: called before each piece of a rollout, some 1 MB; may raise to give all of it up.
    """
    snippets: dict[int, str] = {}
    for number, path in enumerate(paths):
        if len(snippets) >= found_max or (number and not has_time()):
            return Looked(looked_at=number, snippets=snippets)
        try:
            snippet = first_snippet(codex_home, path, term, pause)
        except OSError:
            continue
        if snippet is not None:
            snippets[number] = snippet
    return Looked(looked_at=len(paths), snippets=snippets)


def first_snippet(codex_home: Path, path: str, term: SearchTerm, pause: Callable[[], None]) -> str | None:
    """The words around the first place of a rollout that has the term; None when none has. Blocks.

    Raises:
      OSError: it cannot be read.
    """
    with open_rollout(os.path.join(codex_home, path), looks_max=LOOKS_MAX) as file:
        pieces = file.lines(0)
        while True:
            pause()
            piece = next(pieces, None)
            if piece is None:
                return None
            text = piece.lines if isinstance(piece, LineRun) else b"" if piece.is_oversized else piece.text
            for line in term.lines_with(text):
                snippet = _snippet(line, term)
                if snippet is not None:
                    return snippet


def _snippet(line: bytes, term: SearchTerm) -> str | None:
    said = squeezed(_said(line))
    place = term.place_in(said)
    if place is None:
        return None
    around = excerpt(said, *place)
    return around.marked(around.text.strip(" "))


def _said(line: bytes) -> str:
    """What a line says; empty when it says nothing."""
    try:
        kind = told_kind(line)[0]
        if kind == b"event_msg/user_message":
            message = decode_line(_decode_event, line).payload.message
            _, mark, request = message.partition(REQUEST_MARK)
            return request if mark else message
        if kind == b"event_msg/agent_message":
            return decode_line(_decode_event, line).payload.message
        if kind in (b"response_item/message/user", b"response_item/message/assistant"):
            content = decode_line(_decode_message, line).payload.content
            return " ".join(part.text for part in content if part.type in _WORDS)
    except (ValueError, UnicodeDecodeError):
        pass
    return ""


class _Event(msgspec.Struct):
    message: str


class _EventLine(msgspec.Struct):
    payload: _Event


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    content: list[_Part]


class _MessageLine(msgspec.Struct):
    payload: _Message


_decode_event = json_decoder(_EventLine).decode
_decode_message = json_decoder(_MessageLine).decode
