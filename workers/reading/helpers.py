"""Processes that help with reading: when they pay, how many, and how they end.

The fold is pure Python and holds the interpreter's lock, so threads do not read faster than one does. A process of its
own costs about 0.1 s of one core to start, and some 25 MiB; the first files are read while it does. So helpers are
started for a history and not for a few files: from HELP_FROM_BYTES on. One core is left to the store, which costs as
much as reading does where files are short; on a machine with one core nobody helps.

They are killed when the reading ends, and end by themselves when this process is gone (workers.reading.child). They
hear no Ctrl-C: they are a process group of their own.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from state.rollouts import Checkpoint, FoundRollout
from workers.reading.child import receive, results_of, send, task_message
from workers.reading.files import Result
from workers.reading.spare import cores, end_process, start_process, take_spare

HELPERS_MAX = 4
"""With more, one store could not record what they read."""

FILE_BYTES = 40_000
"""Opening a file, and what is done once for each, costs as much as reading so many bytes."""

HELP_FROM_BYTES = 120_000_000
"""A second's quarter of reading, and so three times the cost of a start."""


def helpers_wanted(files: Iterable[FoundRollout]) -> int:
    """How many processes should help to read these files."""
    if sum(file.size_bytes + FILE_BYTES for file in files) < HELP_FROM_BYTES:
        return 0
    return min(cores() - 1, HELPERS_MAX)


class HelperLostError(Exception):
    """The process ended, or answers what it should not. Whatever it had in hand is to be read by somebody else."""


class Helper:
    """One process. Its methods block; each is called in a pool thread."""

    def __init__(self) -> None:
        """Take the one that was started beforehand, or start one.

        Raises:
          OSError: the system starts no more processes.
        """
        self._process = take_spare() or start_process()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Wait until it can be asked.

        Raises:
          HelperLostError: it could not start.
        """
        self._answer()

    def read_files(
        self, codex_home: Path, files: Sequence[FoundRollout], checkpoints: Mapping[str, Checkpoint]
    ) -> Sequence[Result]:
        """As `workers.reading.files.read_files`, in that process.

        Raises:
          HelperLostError: see there.
        """
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, task_message(codex_home, files, checkpoints))
            results = results_of(self._answer())
        except (OSError, ValueError) as error:
            raise HelperLostError(str(error)) from error
        if not 0 < len(results) <= len(files):
            raise HelperLostError("it answered for other files")
        return results

    def _answer(self) -> bytes:
        assert self._process.stdout is not None
        message = receive(self._process.stdout)
        if message is None:
            raise HelperLostError("it ended")
        return message

    def end(self) -> None:
        """Kill it, and take note that it is gone. Whoever waits for its answer gets none."""
        end_process(self._process)


@asynccontextmanager
async def ready_helper() -> AsyncIterator[Helper]:
    """A process that can be asked; it is gone after the block.

    Raises:
      HelperLostError: it could not be started.
    """
    try:
        helper = await trio.to_thread.run_sync(Helper)
    except OSError as error:
        raise HelperLostError(str(error)) from error
    try:
        await trio.to_thread.run_sync(helper.wait_ready, abandon_on_cancel=True)
        yield helper
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(helper.end)
