"""A client at a pipe gets every byte in order, however slowly it reads."""

import os
from pathlib import Path

import pytest
import trio

from interfaces.rpc.endpoints import standard_stream

ANSWERS = [bytes([number]) * size for number, size in enumerate((1, 300_000, 5, 70_000, 2))]
"""Longer and shorter than what a pipe takes at once."""


async def _read(descriptor: int) -> bytes:
    taken = b""
    while piece := await trio.to_thread.run_sync(os.read, descriptor, 1_000):
        taken += piece
    os.close(descriptor)
    return taken


async def test_answers_of_any_length_arrive_whole_at_a_pipe() -> None:
    reader, writer = os.pipe()
    taken = b""

    async def read() -> None:
        nonlocal taken
        taken = await _read(reader)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async with standard_stream(writer) as sink:
            for answer in ANSWERS:
                await sink.send_all(answer)
        assert os.get_blocking(writer), "others share the descriptor"
        os.close(writer)
    assert taken == b"".join(ANSWERS)


async def test_a_reader_that_is_gone_is_an_error_and_not_silence() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    async with standard_stream(writer) as sink:
        with pytest.raises((BrokenPipeError, trio.BrokenResourceError)):
            await sink.send_all(b"anybody there?")
    os.close(writer)


async def test_answers_arrive_whole_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    async with standard_stream(descriptor) as sink:
        for answer in ANSWERS:
            await sink.send_all(answer)
    os.close(descriptor)
    assert path.read_bytes() == b"".join(ANSWERS)
