"""One service of the fleet: the real one, with short leases, a clock that can be shifted, and a log of its replies.

    python -m chaos.fleet.service ROOT NAME [section.key=value ...]

What it asks of jobs and is told comes out of stdout; see `histories`. A session of the poisoned project kills it.
Nothing of this is reachable from the product: the offset file and the logs exist for whoever starts this module.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import trio

import config.settings
from chaos.fleet.place import Place, WallOffset
from chaos.fleet.wall import BATCH_MS
from chaos.fleet.workload import POISONED_PROJECT
from chaos.handle_around import HandleAround
from chaos.history_file import LineRecord
from chaos.operations import Answer
from chaos.parent import end_with_parent
from chaos.parts import parts_of, told_of
from chaos.recorder import RecordedHandle
from config import Paths, load, resolve
from interfaces.cli.errors import EXIT_STATE_FOLDER
from interfaces.logs import configure_logs
from state.clock import Clock, machine_clock
from state.errors import StateFolderError
from state.folder import StateFolder
from state.ids import Instant
from state.messages.base import Request
from state.messages.service import ReturnLeases
from state.store import StateHandle, open_store
from workers.models import choose
from workers.models.protocol import ExtractionAnswer, ExtractionTask, Provider

ReplyT = TypeVar("ReplyT")

LEASE_MS = 3_000
"""Short enough for a freeze to outlast it, long enough for a renewal on a machine that is busy with chaos."""

BUSY_DEADLINE_MS = 1_000
"""A write lock that is held longer is an error that the workers have to bear."""


def shifted_clock(offset: WallOffset) -> Clock:
    """The machine's clocks, with the wall clock shifted as the offset file says."""

    def clock() -> Instant:
        now = machine_clock()
        return Instant(wall_ms=now.wall_ms + offset.get_ms(), boot_ms=now.boot_ms, boot_id=now.boot_id)

    return clock


class RecordingHandle(HandleAround):
    """A handle that writes down each acknowledged change before its asker sees it."""

    def __init__(self, inner: StateHandle, file: Path) -> None:
        super().__init__(inner)
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        reply = await super().ask(request)
        if request.mutates:
            lines = "".join(
                json.dumps(_acknowledgement(part, told)) + "\n"
                for part, told in zip(parts_of(request), told_of(request, reply), strict=True)
            )
            # Survives the process, which is all that is killed here. A full disk loses the record, not the change.
            with contextlib.suppress(OSError):
                os.write(self._file, lines.encode())
        return reply


def _acknowledgement(request: Request[Any], reply: object) -> dict[str, Any]:
    """What the checks need to know of an acknowledged change."""
    terms = getattr(request, "terms", None)
    scope = getattr(reply, "scope", None)
    return {
        "request": type(request).__name__,
        "reply": type(reply).__name__,
        "token": terms.token if terms is not None else getattr(request, "token", None),
        "thread": getattr(reply, "thread_id", None),
        "scope": None if scope is None else f"{scope.kind}:{scope.key}",
        "fencing_number": getattr(reply, "fencing_number", None),
        "generation": getattr(reply, "generation", None),
        "generation_folder": getattr(request, "generation_folder", None),
    }


def record_on_stdout() -> LineRecord:
    """Take stdout for the history, and send to stderr what is printed from now on."""
    channel = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return LineRecord(channel, machine_clock, _behind)


def _behind() -> Instant:
    now = machine_clock()
    return attrs.evolve(now, wall_ms=now.wall_ms - BATCH_MS, boot_ms=now.boot_ms - BATCH_MS)


@asynccontextmanager
async def recording_store(paths: Paths, place: Place, record: LineRecord, by: str) -> AsyncIterator[StateHandle]:
    """The store of these paths, on the shifted clock, with every acknowledged change and all of the history kept."""
    clock = shifted_clock(WallOffset(place.wall_offset))
    folder = StateFolder(path=paths.state_dir)
    closed: Callable[[Any], None] | None = None
    async with open_store(folder, str(paths.codex_home), clock=clock, busy_deadline_ms=BUSY_DEADLINE_MS) as handle:
        recorded = RecordedHandle(handle, record, by, readings=True)
        try:
            yield RecordingHandle(recorded, place.acknowledgements / f"{handle.process}.jsonl")
        finally:
            # The store returns what its process still holds while it closes, if it can, and tells nobody.
            closed = record.asked(ReturnLeases(process=handle.process), by)
    if closed is not None:
        closed(Answer.LOST)


class PoisonedProvider:
    """A provider whose process does not live to see the answer to a poisoned session. The rest it passes on."""

    def __init__(self, inner: Provider, place: Place) -> None:
        self._inner = inner
        self._place = place
        self.name = inner.name
        self.version = inner.version

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """As the inner provider does, or die as a process does that the kernel ends for its memory."""
        if task.scope.key == POISONED_PROJECT:
            (self._place.poisoned / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
            await trio.sleep_forever()  # the signal is on its way
        return await self._inner.extract(task)

    async def check(self) -> None:
        """As the inner provider does."""
        await self._inner.check()

    async def aclose(self) -> None:
        """As the inner provider does."""
        await self._inner.aclose()


def _poison(place: Place) -> None:
    named = choose.provider_named
    choose.provider_named = lambda settings: PoisonedProvider(named(settings), place)


def main(root: Path, name: str, overrides: list[str]) -> int:
    """Serve until a signal."""
    end_with_parent()
    place = Place(root=root)
    # Workers read these when they are imported, which is after this.
    for name in ("EXTRACTION_LEASE_MS", "CONSOLIDATION_LEASE_MS", "BACKFILL_LEASE_MS"):
        setattr(config.settings, name, LEASE_MS)
    _poison(place)
    import supervisor

    os.umask(0o077)
    record = record_on_stdout()
    settings = load(None, {}, overrides)
    configure_logs(settings.logs, redact=lambda text: text)
    paths = resolve({}, codex_home=place.codex_home, state_dir=place.state_dir)

    async def serve() -> int:
        return await supervisor.run(paths, settings, opened=lambda: recording_store(paths, place, record, name))

    try:
        return trio.run(serve)
    except StateFolderError as error:
        print(f"{error} {error.hint}", file=sys.stderr)
        return EXIT_STATE_FOLDER


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
