"""Lines of a file of any size, in memory that does not depend on that size.

The file is read in large blocks and cut at line feeds; what is held is one block and at most one line. A line longer
than `LINE_BYTES_MAX` is not held: it is counted to its end and given with its beginning only, which is enough to
know its kind. A last line without a line feed is given too, and marked, since its writer may still be at work.
"""

import os
from collections.abc import Iterable, Iterator

import attrs

BLOCK_BYTES = 1 << 20
"""One read. Larger blocks were measured to be no faster, and most rollouts are one block."""

LINE_BYTES_MAX = 16 << 20
"""Far beyond any prompt or output that people have (prompts of 1.2 MB were seen, pasted images take several), and small
enough that a line, its pieces while they are joined, and its decoded form stay below 100 MB together."""

PREFIX_BYTES = 4 << 10
"""How much of an oversized line is given. The kind of a line stands in its first few hundred bytes."""


@attrs.frozen
class LineRun:
    """Consecutive whole lines, each with its line feed, uncut: most lines are skipped after a look at their beginning,
    and making an object of each would cost more than that look.

    Attributes:
      end: where the line after the last of them begins in the file.
    """

    lines: bytes
    end: int


@attrs.frozen
class LoneLine:
    """A line that does not lie whole in one block, which includes every oversized line and a last line without a feed.

    Attributes:
      text: the line without its line feed, or its first PREFIX_BYTES when it is oversized.
      length_bytes: of the whole line.
      end: where the next line begins in the file, or will begin.
    """

    text: bytes
    length_bytes: int
    end: int
    is_terminated: bool

    @property
    def is_oversized(self) -> bool:
        """True when `text` is not the whole line."""
        return len(self.text) < self.length_bytes


def read_lines(
    descriptor: int, start: int, end: int, *, block_bytes: int = BLOCK_BYTES, line_bytes_max: int = LINE_BYTES_MAX
) -> Iterator[LineRun | LoneLine]:
    """Yield the lines that stand in bytes `start` to `end` of an open file, in order, blank ones included.

    `start` is taken for the beginning of a line and `end` for the end of the file, even if it has grown since. A file
    that turns out shorter just ends earlier. The descriptor's own position is neither used nor moved.

    Raises:
      OSError: a read failed.
    """
    blocks = _blocks(descriptor, start, end, min(block_bytes, line_bytes_max))
    yield from cut_lines(blocks, start, line_bytes_max=line_bytes_max)


def _blocks(descriptor: int, position: int, end: int, block_bytes: int) -> Iterator[bytes]:
    while position < end:
        block = os.pread(descriptor, min(block_bytes, end - position), position)
        if not block:
            break
        yield block
        position += len(block)


def cut_lines(
    blocks: Iterable[bytes], start: int, *, line_bytes_max: int = LINE_BYTES_MAX
) -> Iterator[LineRun | LoneLine]:
    """Yield the lines of a text that comes in blocks, the first of which begins `start` bytes into it.

    A block is not empty, and not larger than `line_bytes_max`, so that a line within one block is never oversized.
    The next block is asked for only after all lines that end in the one before were taken.
    """
    unended = _Unended(line_bytes_max)
    position = start
    for block in blocks:
        first, last = block.find(b"\n") + 1, block.rfind(b"\n") + 1  # where lines begin; 0 without a line feed
        if unended.length_bytes and first:
            unended.add(block[: first - 1])
            yield LoneLine(unended.text(), unended.length_bytes, position + first, is_terminated=True)
            unended = _Unended(line_bytes_max)
        else:
            first = 0
        if last > first:
            yield LineRun(block[first:last], position + last)
        unended.add(block[last:])
        position += len(block)
    if unended.length_bytes:
        yield LoneLine(unended.text(), unended.length_bytes, position, is_terminated=False)


class _Unended:
    """A line whose end has not been read yet; what comes after it is over the limit is counted and not kept."""

    def __init__(self, bytes_max: int) -> None:
        self.length_bytes = 0
        self._bytes_max = bytes_max
        self._pieces: list[bytes] = []

    @property
    def is_oversized(self) -> bool:
        return self.length_bytes > self._bytes_max

    def add(self, piece: bytes) -> None:
        if not self.is_oversized:
            self._pieces.append(piece)
        self.length_bytes += len(piece)

    def text(self) -> bytes:
        """The line so far, or its beginning."""
        text = b"".join(self._pieces)
        return text[: min(PREFIX_BYTES, self._bytes_max)] if self.is_oversized else text
