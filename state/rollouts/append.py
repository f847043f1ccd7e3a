"""Appending to a rollout: whole lines behind what is there, each in one write; what is there is never changed.

A file whose last byte is no line feed gets one first, in the same write as the line: the last line is whole then, or it
stays visible as the piece that a dying writer left, and is never merged with the new one. When the disk takes only a
part of a line, the file is cut back to what it was. Whoever appends holds the thread's writer lock; it is what keeps
others from appending between the look at the end and the write.

A line is in the file when `append` returns, and on the disk when `sync` does: an edit is synced before it is answered,
a running turn where it ends.
"""

import errno
import os
import re
import stat
from pathlib import Path
from typing import Self

import msgspec

from state.decoders import json_decoder
from state.rollouts.envelope import decode_line
from state.rollouts.places import rollout_folder
from state.rollouts.plain_form import make_plain
from state.rollouts.regular import NOT_REGULAR
from state.rollouts.whole_writes import append_whole_line

_ORDINAL = re.compile(rb'\{"timestamp":"[^"]*","ordinal":([0-9]+),').match
"""Matches the beginning of a line that a paginated rollout has."""

_BLOCK_BYTES = 64 << 10


class _OrdinalLine(msgspec.Struct):
    ordinal: int


_decode_ordinal = json_decoder(_OrdinalLine).decode


class RolloutAppender:
    """A rollout that is open for appending; a context manager that closes it. Blocks; used by one thread at a time.

    Attributes:
      path: relative to the home.
    """

    def __init__(self, codex_home: Path, path: str, *, create: bool = False) -> None:
        """Open a rollout. A compressed one is made plain first, as Codex does before it writes.

        Args:
          create: make the file, and its folders; it must not be there.

        Raises:
          FileNotFoundError: it is not there; FileExistsError when it is and should be made.
          OSError: it cannot be opened, does not lie in the home, or is no regular file.
        """
        self.path = path
        if not create:
            make_plain(codex_home, path)
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with rollout_folder(codex_home, path, make=create) as (folder, name):
            if create:
                flags |= os.O_CREAT | os.O_EXCL
            self._descriptor = os.open(name, flags, 0o644, dir_fd=folder)
            if create:
                os.fsync(folder)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise OSError(errno.EINVAL, NOT_REGULAR, path)

    def append(self, line: bytes) -> None:
        """Append one line, given without its line feed.

        Raises:
          OSError: it could not be written whole; the file is what it was.
        """
        assert b"\n" not in line, "a line has no line feed within it"
        append_whole_line(self._descriptor, line + b"\n")

    def sync(self) -> None:
        """Have everything that was appended on the disk."""
        os.fsync(self._descriptor)

    def size_bytes(self) -> int:
        """How long the file is now."""
        return os.fstat(self._descriptor).st_size

    def next_ordinal(self) -> int:
        """The number that the next line of a paginated rollout has: one more than the last line that has one; else 0.

        Reads backwards from the end, no further than to that line.
        """
        position = os.fstat(self._descriptor).st_size
        held = b""
        while position:
            begin = max(position - _BLOCK_BYTES, 0)
            held = os.pread(self._descriptor, position - begin, begin) + held
            position = begin
            # The first piece may be the end of a line whose beginning is not read yet.
            first, *whole = held.split(b"\n")
            for line in reversed(whole if position else [first, *whole]):
                ordinal = _ordinal_of(line)
                if ordinal is not None:
                    return ordinal + 1
            held = first if position else b""
        return 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _ordinal_of(line: bytes) -> int | None:
    usual = _ORDINAL(line)
    try:
        if usual is not None:
            return int(usual[1])
        return decode_line(_decode_ordinal, line).ordinal if b'"ordinal"' in line else None
    except ValueError:
        return None
