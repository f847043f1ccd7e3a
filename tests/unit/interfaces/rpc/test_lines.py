"""Lines come whole, however the bytes are cut, and none makes the process grow."""

import contextlib
import itertools

import trio
from hypothesis import given
from hypothesis import strategies as st

from interfaces.rpc.lines import TooLong, lines


class Chunks:
    """Gives prepared pieces, then the end."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = [chunk for chunk in chunks if chunk]

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        assert max_bytes is not None, "a bound is always asked for"
        return self._chunks.pop(0) if self._chunks else b""


async def collected(chunks: list[bytes], bytes_max: int) -> list[bytes | None]:
    """None stands for a line that was too long."""
    async with contextlib.aclosing(lines(Chunks(chunks), bytes_max=bytes_max)) as coming:
        return [None if isinstance(line, TooLong) else line async for line in coming]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


@given(
    st.lists(st.binary(max_size=12).map(lambda part: part.replace(b"\n", b"")), max_size=6),
    st.booleans(),
    st.lists(st.integers(min_value=0, max_value=200), max_size=8),
)
def test_how_bytes_are_cut_changes_no_line(wanted: list[bytes], ends: bool, places: list[int]) -> None:
    data = b"\n".join(wanted) + (b"\n" if ends and wanted else b"")
    expected = [None if len(line) > 8 else line for line in data.split(b"\n")]
    if expected[-1] == b"":
        expected.pop()
    assert trio.run(collected, cut(data, places), 8) == expected
