"""Lines out of a stream of bytes, each of a bounded length.

A line that is too long is dropped while it comes, not collected: a client cannot make the process grow.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

LINE_BYTES_MAX = 16 * 2**20
"""Long enough for any request with a pasted file in it. The real app-server's bound is not documented."""

CHUNK_BYTES = 65_536


class Source(Protocol):
    """Where bytes come from; b"" says that no more come."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray: ...


class TooLong:
    """Stands for a line that was dropped for its length."""


TOO_LONG = TooLong()


async def lines(source: Source, *, bytes_max: int = LINE_BYTES_MAX) -> AsyncGenerator[bytes | TooLong, None]:
    """Yield every line without its end; what follows the last end counts as a line when the stream ends well.

    Use under `contextlib.aclosing` where the loop may be left early.
    """
    held = bytearray()
    dropping = False
    while chunk := await source.receive_some(CHUNK_BYTES):
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            if dropping or len(held) + len(part) > bytes_max:
                yield TOO_LONG
            else:
                yield bytes(held + part)
            held.clear()
            dropping = False
        if dropping or len(held) + len(rest) > bytes_max:
            held.clear()
            dropping = True
        else:
            held += rest
    if dropping:
        yield TOO_LONG
    elif held:
        yield bytes(held)
