"""The file that holds a rollout: plain, or compressed beside where the plain one was. Both read as the same text.

A rollout has one name, that of the plain file. When both files are there the plain one is the rollout and the other is
not looked at; a writer that changes the one into the other puts the new one in place before it takes the old one away.
So whoever finds neither has looked between the two steps, or the rollout is gone; looking again tells.

A compressed text is decompressed piece by piece, in bounded memory and up to a bounded size. What cannot be
decompressed costs the rest of the text, and `damage` says why; what stood before is as good as any.
"""

import errno
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b

from state.rollouts.filename import COMPRESSED_SUFFIX
from state.rollouts.lines import LineRun, LoneLine, cut_lines, read_lines
from state.rollouts.regular import RegularFile

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

LOOKS_MAX = 4
LOOK_AGAIN_SECONDS = 0.05
"""How often, and how long apart, to look for a rollout that seems to be gone; the first look counts. As Codex does."""

PROOF_BYTES = 4096
"""How much is hashed at either end of what was folded. The head holds the session's id, the tail stamps and ids."""

HEAD_BLOCK_BYTES = 64 << 10
"""How much is read at a time where the first lines are all that is wanted. A session_meta has some 20 kB."""

PIECE_BYTES = 1 << 20
"""How much is decompressed at a time; it becomes one block of lines."""

READ_BYTES = 64 << 10
"""How much of the compressed file is read at a time. What is left of it behind a frame is copied, so it is not much."""

FRAME_BYTES = 4 << 10
"""What each frame counts for in the bound of the text: a file of nothing but frames takes time, too."""

WINDOW_LOG_MAX = 27
"""A frame may ask for 2 to this power bytes of memory, 128 MiB, as the zstd command allows without being told to."""

EXPANSION_MAX = 250
EXPANSION_BYTES_FREE = 64 << 20
"""A text may be so many times as large as its compressed form, and this much more. Transcripts were seen to be 4 to 20
times as large, since every line has ids and stamps of its own; what goes beyond is made to fill memory or time."""

ENDS_EARLY = "its compressed data ends early"
TOO_WIDE = "its compressed data asks for more memory than it is given"
DAMAGED = "its compressed data is damaged"
TOO_LARGE = f"it is more than {EXPANSION_MAX} times as large as its compressed form, and was not read to its end"

Proof = tuple[str, str]
"""Hex BLAKE2b-128 of the first and of the last PROOF_BYTES before an offset."""


def open_rollout(path: str, *, looks_max: int = 1) -> "PlainRollout | CompressedRollout":
    """Open a rollout by its logical path, in whichever file it is. Blocks; with several looks, for some 150 ms.

    Raises:
      OSError: it cannot be opened; FileNotFoundError when neither file was there at any look.
    """
    for look in itertools.count(1):
        # Plain twice, because it may have become plain between the two tries.
        for form in (PlainRollout, CompressedRollout, PlainRollout):
            try:
                return form(path)
            except FileNotFoundError as error:
                gone = error
        if look >= looks_max:
            raise gone
        time.sleep(LOOK_AGAIN_SECONDS)
    raise AssertionError("counting never ends")


class PlainRollout(RegularFile):
    """A rollout in its plain form."""

    damage: str | None = None
    """Nothing can be wrong with a plain file but single lines."""

    def lines(self, start: int) -> Iterator[LineRun | LoneLine]:
        """The lines from `start` up to the size that the file had when it was opened; see `read_lines`.

        Raises:
          OSError: a read failed.
        """
        return read_lines(self.descriptor, start, self.size_bytes)

    def head_lines(self) -> Iterator[LineRun | LoneLine]:
        """The lines from the start, for whoever stops after the first few. Raises as `lines` does."""
        return read_lines(self.descriptor, 0, self.size_bytes, block_bytes=HEAD_BLOCK_BYTES)

    def holds(self, offset: int, proof: Proof) -> bool:
        """Say whether the text before `offset` still has this proof."""
        return offset <= self.size_bytes and self.proof(offset) == proof

    def proof(self, offset: int) -> Proof:
        """The proof of the text before `offset`."""
        length = min(PROOF_BYTES, offset)
        head = os.pread(self.descriptor, length, 0)
        return _digests(head, head if length == offset else os.pread(self.descriptor, length, offset - length))


class CompressedRollout(RegularFile):
    """A rollout in its compressed form: one or more zstd frames.

    Attributes:
      size_bytes: of the compressed file. Offsets, and what `lines` says, are about the text.
      damage: why the text could not be read to its end; None as long as nothing is known to be wrong.
    """

    def __init__(self, path: str) -> None:
        """Open the compressed sibling of `path`.

        Raises:
          OSError: as for a plain file.
        """
        try:
            super().__init__(path + COMPRESSED_SUFFIX)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
            raise
        self.damage: str | None = None
        self._head = b""
        self._before = b""  # the text right before the current block
        self._tails: deque[tuple[int, bytes]] = deque([(0, b"")], maxlen=2)

    def lines(self, start: int) -> Iterator[LineRun | LoneLine]:
        """All lines; see `cut_lines`. Once only, and `start` must be 0: there is no way into the middle.

        Raises:
          OSError: a read failed.
        """
        assert start == 0
        block = b""
        begin = 0

        def blocks() -> Iterator[bytes]:
            nonlocal block, begin
            for block in self.text():
                yield block
                self._before = (self._before + block)[-PROOF_BYTES:]
                begin += len(block)
            block = b""

        for lines in cut_lines(blocks(), 0):
            self._tails.append((lines.end, (self._before + block[: lines.end - begin])[-PROOF_BYTES:]))
            yield lines

    def head_lines(self) -> Iterator[LineRun | LoneLine]:
        """As `lines` from the start; they come a piece at a time."""
        return self.lines(0)

    def holds(self, offset: int, proof: Proof) -> bool:  # noqa: ARG002
        """Say that the text has to be read from its start: nothing of it is known before it is decompressed."""
        return False

    def proof(self, offset: int) -> Proof:
        """The proof of the text before `offset`, which is the end of one of the last two pieces that `lines` gave."""
        return _digests(self._head[:offset], dict(self._tails)[offset])

    def text(self) -> Iterator[bytes]:
        """The text in pieces of at most PIECE_BYTES, none of them empty; up to where it is damaged."""
        left = self.size_bytes * EXPANSION_MAX + EXPANSION_BYTES_FREE
        try:
            for piece in _decompressed(self.descriptor, self.size_bytes):
                left -= len(piece) or FRAME_BYTES
                if left < 0:
                    self.damage = TOO_LARGE
                    return
                if len(self._head) < PROOF_BYTES:
                    self._head = (self._head + piece)[:PROOF_BYTES]
                if piece:
                    yield piece
        except EOFError:
            self.damage = ENDS_EARLY
        except zstd.ZstdError as error:
            self.damage = TOO_WIDE if "too much memory" in str(error) else DAMAGED


def _decompressed(descriptor: int, size_bytes: int) -> Iterator[bytes]:
    """The text of every frame, in pieces of at most PIECE_BYTES; an empty one at the end of each frame.

    Raises:
      EOFError: the last frame is not whole.
      zstd.ZstdError: this is no zstd data, or it wants too much memory.
    """
    frame: zstd.ZstdDecompressor | None = None
    position = 0
    while position < size_bytes:
        data = os.pread(descriptor, min(READ_BYTES, size_bytes - position), position)
        if not data:
            break
        position += len(data)
        while data or (frame is not None and not frame.needs_input):
            if frame is None:
                frame = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
            piece = frame.decompress(data, PIECE_BYTES)
            data = b""
            if piece:
                yield piece
            if frame.eof:
                data, frame = frame.unused_data, None
                yield b""
    if frame is not None:
        raise EOFError


def _digests(head: bytes, tail: bytes) -> Proof:
    digest = blake2b(head, digest_size=16).hexdigest()
    return digest, digest if tail is head else blake2b(tail, digest_size=16).hexdigest()
