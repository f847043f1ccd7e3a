"""One service of the fleet: the real one, with short leases, a clock that can be shifted, and a log of its replies.

    python -m chaos.fleet.service ROOT [section.key=value ...]

Nothing of this is reachable from the product: the offset file and the log exist for whoever starts this module.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

import config.settings
from chaos.fleet.place import Place, WallOffset
from chaos.handle_around import HandleAround
from chaos.parts import parts_of, told_of
from config import Paths, load, resolve
from interfaces.cli.errors import EXIT_STATE_FOLDER
from interfaces.logs import configure_logs
from state.clock import Clock, machine_clock
from state.errors import StateFolderError
from state.folder import StateFolder
from state.ids import Instant
from state.messages.base import Request
from state.store import StateHandle, open_store

ReplyT = TypeVar("ReplyT")

LEASE_MS = 3_000
"""Short enough for a freeze to outlast it, long enough for a renewal on a machine that is busy with chaos."""

_PR_SET_PDEATHSIG = 1

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


@asynccontextmanager
async def recording_store(paths: Paths, place: Place) -> AsyncIterator[StateHandle]:
    """The store of these paths, on the shifted clock, with every acknowledged change written down."""
    clock = shifted_clock(WallOffset(place.wall_offset))
    folder = StateFolder(path=paths.state_dir)
    async with open_store(folder, str(paths.codex_home), clock=clock, busy_deadline_ms=BUSY_DEADLINE_MS) as handle:
        yield RecordingHandle(handle, place.acknowledgements / f"{handle.process}.jsonl")


def end_with_parent() -> None:
    """See to it that this process does not outlive whoever started it, stopped or not."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, name="end with parent", daemon=True).start()


def main(root: Path, overrides: list[str]) -> int:
    """Serve until a signal."""
    end_with_parent()
    place = Place(root=root)
    # Workers read these when they are imported, which is after this.
    for name in ("EXTRACTION_LEASE_MS", "CONSOLIDATION_LEASE_MS", "BACKFILL_LEASE_MS"):
        setattr(config.settings, name, LEASE_MS)
    import supervisor

    os.umask(0o077)
    settings = load(None, {}, overrides)
    configure_logs(settings.logs, redact=lambda text: text)
    paths = resolve({}, codex_home=place.codex_home, state_dir=place.state_dir)

    async def serve() -> int:
        return await supervisor.run(paths, settings, opened=lambda: recording_store(paths, place))

    try:
        return trio.run(serve)
    except StateFolderError as error:
        print(f"{error} {error.hint}", file=sys.stderr)
        return EXIT_STATE_FOLDER


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
