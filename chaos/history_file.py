"""A history outside of its process: what one asked and was answered, line by line, for the case that it is killed.

A request is written before it is asked, so a line without an answer is a reply that was lost. An answer is out of the
process before anybody acts on it. The last line may be torn; what it would have said is lost too.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import cattrs

from chaos.operations import Answer, Grown, Moment, Operation, Recorded
from state.clock import Clock
from state.messages import extraction, job_control, jobs, leases, service
from state.messages.base import Request

_NAMED: dict[str, type[Any]] = {
    name: value
    for module in (extraction, job_control, jobs, leases, service)
    for name, value in vars(module).items()
    if isinstance(value, type) and attrs.has(value)
}
_NAMED["Recorded"] = Recorded
"""Every message that a history of jobs can hold, by its name."""

_ORDER_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def moment(clock: Clock) -> Moment:
    """Now, in an order that all processes of this machine share."""
    return Moment(order=time.clock_gettime_ns(_ORDER_CLOCK), at=clock())


class LineRecord:
    """Writes to a descriptor that belongs to this process alone: a file, or a pipe whose reader keeps what was said.

    Args:
      asked_clock: reads the earliest instant at which a request that is asked now may take place. Requests of a batch
        share one reading of the clock, so that one that joins a batch late takes place a moment before it was asked.
    """

    def __init__(self, descriptor: int, clock: Clock, asked_clock: Clock | None = None) -> None:
        self._clock = clock
        self._asked_clock = asked_clock or clock
        self._count = 0
        self._descriptor = descriptor

    def asked(self, request: Request[Any] | Grown | Recorded, by: str) -> Callable[[Any], None]:
        """Write down that it is asked now; gives what writes down its answer."""
        self._count += 1
        number = self._count
        when = cattrs.unstructure({"when": moment(self._asked_clock)})
        self._append({"asked": number, "by": by, **_said(request), **when})

        def answered(answer: Any) -> None:
            when = cattrs.unstructure({"when": moment(self._clock)})
            said = {"instead": answer.value} if isinstance(answer, Answer) else _said(answer)
            self._append({"answered": number, **said, **when})
            self._sync()

        return answered

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        while line:
            # A signal may cut a write to a pipe short.
            line = line[os.write(self._descriptor, line) :]

    def _sync(self) -> None:
        """A pipe has told its reader already."""


class FileRecord(LineRecord):
    """Appends to a new file; every answer is on the disk before anybody acts on it."""

    def __init__(self, path: Path, clock: Clock, asked_clock: Clock | None = None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        super().__init__(os.open(path, flags, 0o600), clock, asked_clock)

    def _sync(self) -> None:
        os.fsync(self._descriptor)


def read_history(path: Path, died: Moment | None) -> list[Operation]:
    """What one process asked. died: after its end, if it was killed; what was lost had its effect before that."""
    operations: dict[int, Operation] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        when = cattrs.structure(entry["when"], Moment)
        if "asked" in entry:
            operations[entry["asked"]] = Operation(
                request=_heard(entry), answer=Answer.LOST, asked=when, ended=died, by=entry["by"]
            )
        else:
            answer = Answer(entry["instead"]) if "instead" in entry else _heard(entry)
            operations[entry["answered"]] = attrs.evolve(operations[entry["answered"]], answer=answer, ended=when)
    return list(operations.values())


def _said(message: Any) -> dict[str, Any]:
    return {"message": type(message).__name__, "fields": cattrs.unstructure(message)}


def _heard(entry: dict[str, Any]) -> Any:
    return cattrs.structure(entry["fields"], _NAMED[entry["message"]])
