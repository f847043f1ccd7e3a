"""Which names people gave their threads: `session_index.jsonl`, to which a line is appended for each naming.

The last line about a thread counts; a blank name takes the name away. Lines that are not understood are skipped.
"""

import os
from pathlib import Path

import attrs
import msgspec

from state.decoders import json_decoder
from state.ids import ThreadId
from state.rollouts.envelope import decode_line
from state.rollouts.filename import thread_id_of
from state.rollouts.lines import LineRun, read_lines
from state.rollouts.regular import RegularFile
from state.rollouts.stamps import instant_ms

SESSION_INDEX = "session_index.jsonl"

NAMED_THREADS_MAX = 200_000
"""Twice the largest home seen. Beyond it the threads that were named longest ago are left without their names."""

NAME_CHARS_MAX = 1_000
"""A name is one line in a list. Longer ones are cut."""

_LINE_BYTES_MAX = 64 << 10
"""A line holds an id, a name and a time; a longer one was not written by naming a thread."""


@attrs.frozen
class GivenName:
    """What somebody called a thread, and when, Unix ms; None when the line does not say."""

    name: str
    named_at_ms: int | None


class _NameLine(msgspec.Struct):
    id: str
    thread_name: str
    updated_at: msgspec.Raw = msgspec.Raw(b'""')


_decode_name = json_decoder(_NameLine).decode
_decode_text = json_decoder(str).decode


def read_thread_names(codex_home: Path) -> dict[ThreadId, GivenName]:
    """Read the names of threads, longest ago first. They are as people typed them: not redacted.

    A missing file holds no names.

    Raises:
      OSError: the file is there, but could not be read.
    """
    names: dict[ThreadId, GivenName] = {}
    try:
        file = RegularFile(os.path.join(codex_home, SESSION_INDEX))
    except FileNotFoundError:
        return names
    with file:
        for lines in read_lines(file.descriptor, 0, file.size_bytes, line_bytes_max=_LINE_BYTES_MAX):
            if isinstance(lines, LineRun):
                for text in lines.lines.split(b"\n"):
                    _take_name(names, text)
            elif not lines.is_oversized:
                _take_name(names, lines.text)
    return names


def _take_name(names: dict[ThreadId, GivenName], text: bytes) -> None:
    try:
        line = decode_line(_decode_name, text)
    except ValueError:
        return
    thread_id = thread_id_of(line.id)
    if thread_id is None:
        return
    names.pop(thread_id, None)  # so that the order of the names is that of their last lines
    name = line.thread_name.replace("\0", "\ufffd").strip()
    if name:
        names[thread_id] = GivenName(name[:NAME_CHARS_MAX], _time_of(line))
    if len(names) > NAMED_THREADS_MAX:
        del names[next(iter(names))]


def _time_of(line: _NameLine) -> int | None:
    try:
        return instant_ms(_decode_text(line.updated_at))
    except ValueError:
        return None  # a name without a time is a name
