"""A process that reads rollouts for another one, which asks through its standard input, until that input ends.

So it ends with its parent, however the parent dies: at once while it waits, after the files in hand while it reads.
It is started anew and never forked, since its parent has threads, and inherits nothing but the two pipes. It keeps
nothing: killing it at any moment costs what it has in hand, which its parent then reads itself.

A message is its length, eight bytes, and so many bytes of MessagePack.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from state.rollouts.model import Checkpoint, FoundRollout
from workers.reading.files import Result, read_files

LENGTH_BYTES = 8

NICENESS = 10
"""How far this process stands back: whoever waits for the store's answer gets a core before a backfill does."""

READY = b""
"""What the process says first, once it can be asked; not to be taken for an answer, which is never empty."""


class Task(msgspec.Struct, array_like=True):
    """Files to be read. codex_home: as the system spells it."""

    codex_home: bytes
    files: Sequence[FoundRollout]
    checkpoints: Mapping[str, Checkpoint]


_encode = msgspec.msgpack.Encoder().encode
_decode_task = msgspec.msgpack.Decoder(Task).decode
_decode_results = msgspec.msgpack.Decoder(list[Result]).decode


def task_message(codex_home: Path, files: Sequence[FoundRollout], checkpoints: Mapping[str, Checkpoint]) -> bytes:
    """What to send, for `read_files` with these arguments to be called in the process.

    Raises:
      ValueError: there is text in it that no message can hold.
    """
    return _encode(Task(os.fsencode(codex_home), files, checkpoints))


def results_of(message: bytes) -> list[Result]:
    """What `read_files` answered.

    Raises:
      ValueError: it is no answer of ours.
    """
    return _decode_results(message)


def send(stream: IO[bytes], message: bytes) -> None:
    """Write one message.

    Raises:
      OSError: nobody reads any more.
    """
    stream.write(len(message).to_bytes(LENGTH_BYTES, "big") + message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one message; None at the end of the stream, and where it ends in the middle of one."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    message = stream.read(int.from_bytes(length, "big"))
    return message if len(message) == int.from_bytes(length, "big") else None


def main() -> None:
    """Answer until there is nobody to answer to."""
    os.nice(NICENESS)
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        send(answers, READY)
        while (message := receive(asked)) is not None:
            task = _decode_task(message)
            send(answers, _encode(read_files(Path(os.fsdecode(task.codex_home)), task.files, task.checkpoints)))
    except BrokenPipeError:
        pass
    os._exit(0)  # what the streams still hold is for nobody
