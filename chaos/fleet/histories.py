"""What every service and every operator asked and was told: gathered while they live, judged when all have ended.

Each says it on its stdout, which is a pipe: it outlives a kill, and no full disk cuts it short. Once the pipe has
closed nothing that was asked can have an effect any more.
"""

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import apsw

from chaos.fleet.wall import Wall
from chaos.history import History
from chaos.history_file import moment, read_history
from chaos.job_state import UNKNOWN_THREAD, JobEnd
from chaos.operations import Moment, Operation
from state.clock import machine_clock
from state.connection import open_reader
from state.ids import ThreadId


class Histories:
    """Listens to processes, and keeps one file of each life."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listeners: list[_Listener] = []

    def listen(self, name: str, stream: IO[bytes]) -> None:
        """Keep what comes until the stream ends."""
        self._listeners.append(_Listener(stream, self._folder / f"{name}.jsonl"))

    def operations(self) -> list[Operation]:
        """Everything. Every process has been ended before."""
        return [operation for one in self._listeners for operation in one.heard()]


class _Listener:
    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._file = file
        self._ended: Moment | None = None
        kept = open(file, "xb")  # noqa: SIM115  # the thread closes it
        self._thread = threading.Thread(target=self._keep, args=(stream, kept), name="history", daemon=True)
        self._thread.start()

    def _keep(self, stream: IO[bytes], kept: IO[bytes]) -> None:
        with stream, kept:
            shutil.copyfileobj(stream, kept)
        self._ended = moment(machine_clock)

    def heard(self) -> list[Operation]:
        self._thread.join()
        return read_history(self._file, self._ended)


def judge(operations: Sequence[Operation], wall: Wall, database: Path) -> list[str]:
    """Every job for which no order of all that was asked makes sense of all that was answered, and of its row.

    That a claim found nothing is held against no job: what may be claimed depends on the wall clock.
    """
    history = History(operations=[wall.told(one) for one in operations], idle_claims=False)
    findings = history.judge({job: (UNKNOWN_THREAD, row) for job, row in _rows(database).items()})
    return [f"{one.law.value} ({one.job}):\n{one.story}" for one in findings]


def _rows(database: Path) -> dict[ThreadId, JobEnd]:
    connection: apsw.Connection = open_reader(database)
    try:
        return {
            ThreadId(thread): JobEnd(
                status=status, attempts=attempts, given_back=given_back, fencing_number=fencing_number, token=token
            )
            for thread, status, attempts, given_back, fencing_number, token in connection.execute(
                "SELECT thread_id, status, attempts, given_back, fencing_number, ownership_token FROM extraction_jobs"
            )
        }
    finally:
        connection.close(True)
