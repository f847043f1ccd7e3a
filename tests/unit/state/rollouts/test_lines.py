"""Lines come whole and in order, whatever the blocks; what is too long for memory comes as its beginning."""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from state.rollouts.lines import LINE_BYTES_MAX, PREFIX_BYTES, LineRun, LoneLine, read_lines


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@attrs.frozen
class _Read:
    """A line, however it came; text is None when it was oversized."""

    text: bytes | None
    end: int
    is_terminated: bool


def _read(path: Path, start: int = 0, end: int | None = None, **limits: int) -> list[_Read]:
    read: list[_Read] = []
    with _opened(path) as descriptor:
        for lines in read_lines(descriptor, start, os.stat(path).st_size if end is None else end, **limits):
            if isinstance(lines, LineRun):
                texts = lines.lines.split(b"\n")
                assert texts.pop() == b""
                begin = lines.end - len(lines.lines)
                for text in texts:
                    begin += len(text) + 1
                    read.append(_Read(text, begin, True))
            else:
                read.append(_Read(None if lines.is_oversized else lines.text, lines.end, lines.is_terminated))
    return read


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 4, 5, 6, 7, 100])
def test_lines_do_not_depend_on_the_blocks(tmp_path: Path, block_bytes: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n\nthree\nfo")

    assert _read(path, block_bytes=block_bytes) == [
        _Read(b"one", 4, True),
        _Read(b"", 5, True),
        _Read(b"three", 11, True),
        _Read(b"fo", 13, False),
    ]


def test_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")

    assert _read(path) == []


def test_reading_stays_between_start_and_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree\n")

    assert _read(path, start=4, end=8) == [_Read(b"two", 8, True)]
    assert _read(path, start=4, end=10) == [_Read(b"two", 8, True), _Read(b"th", 10, False)]


def test_file_that_has_become_shorter_ends_earlier(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntw")

    assert _read(path, end=1000) == [_Read(b"one", 4, True), _Read(b"tw", 6, False)]


@pytest.mark.parametrize(("length", "is_oversized"), [(9, False), (10, False), (11, True), (35, True)])
@pytest.mark.parametrize("block_bytes", [3, 10, 100])
def test_line_is_oversized_beyond_the_limit(tmp_path: Path, length: int, is_oversized: bool, block_bytes: int) -> None:
    path = tmp_path / "file"
    text = b"x" * length
    path.write_bytes(b"a\n" + text + b"\nb\n" + text)
    read = _read(path, block_bytes=block_bytes, line_bytes_max=10)
    shown = None if is_oversized else text

    assert read == [
        _Read(b"a", 2, True),
        _Read(shown, length + 3, True),
        _Read(b"b", length + 5, True),
        _Read(shown, 2 * length + 5, False),
    ]


def test_oversized_line_is_given_with_its_beginning_and_length(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"{" + b"x" * 200_000 + b"\n")
    with _opened(path) as descriptor:
        (line,) = read_lines(descriptor, 0, 200_002, block_bytes=5_000, line_bytes_max=100_000)

    assert line == LoneLine(b"{" + b"x" * (PREFIX_BYTES - 1), 200_001, 200_002, True)


def test_longest_line_that_is_held_is_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    longest = b"x" * (PREFIX_BYTES + 1)
    path.write_bytes(longest + b"\n" + longest)
    read = _read(path, block_bytes=1_000, line_bytes_max=len(longest))

    assert [line.text for line in read] == [longest, longest]


def test_memory_does_not_grow_with_the_line(tmp_path: Path) -> None:
    """A gigabyte without a line feed, which as a sparse file costs neither disk nor time."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with _opened(path) as descriptor:
        tracemalloc.start()
        try:
            (line,) = read_lines(descriptor, 0, 1 << 30)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert isinstance(line, LoneLine)
    assert line.is_oversized
    assert line.length_bytes == 1 << 30
    assert peak_bytes < 3 * LINE_BYTES_MAX
