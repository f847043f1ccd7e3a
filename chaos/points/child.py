"""One run over one Codex home that kills itself at the n-th point of a phase, or lives and says how it went.

    python -m chaos.points.child ROOT PHASE NUMBER     PHASE "-" lives

Says one JSON object on stdout: when it was ready (CLOCK_MONOTONIC, seconds), and the points of each phase.
"""

import collections
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import attrs
import trio

from chaos.fleet.place import Place
from chaos.parent import end_with_parent
from config import Settings
from interfaces.logs import configure_logs
from state.folder import StateFolder
from state.store import open_store
from workers.once import do_once
from workers.progress import NoProgress
from workers.reaper import reap

PHASES = ("backfill", "extract", "consolidate", "publish")

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FILE_EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}


class Points:
    """Counts points by phase, and ends the process at the chosen one."""

    def __init__(self, root: Path, phase: str, number: int) -> None:
        self.phase = ""
        self.counts: collections.Counter[str] = collections.Counter()
        self._root = os.fspath(root)
        self._at = (phase, number)
        self._lock = threading.Lock()

    def reach(self) -> None:
        """Another point is reached."""
        with self._lock:
            self.counts[self.phase] += 1
            if (self.phase, self.counts[self.phase]) == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # the signal is on its way to this thread

    def watch(self) -> None:
        """Have every statement and every file call below the root be a point."""
        sys.addaudithook(self._audit)
        apsw.connection_hooks.append(self._trace)
        sync = os.fsync

        def synced(fd: Any) -> None:
            self.reach()
            sync(fd)

        os.fsync = synced

    def _trace(self, connection: apsw.Connection) -> None:
        def trace(_cursor: Any, _sql: str, _bindings: Any) -> bool:
            self.reach()
            return True

        connection.exec_trace = trace

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_ours = any(self._root in str(one) for one in arguments[:2])
        if event == "open":
            if is_ours and isinstance(arguments[2], int) and arguments[2] & _WRITES:
                self.reach()
        elif event in _FILE_EVENTS and is_ours:
            self.reach()


def settings_of(*, publishes: bool) -> Settings:
    """The settings of every run: all sessions at once, and the last phase publishes into the home."""
    default = Settings()
    return attrs.evolve(
        default,
        extraction=attrs.evolve(default.extraction, min_rollout_idle_hours=0.0, sources=("cli",)),
        publish=attrs.evolve(default.publish, codex=publishes),
    )


async def run(place: Place, points: Points) -> float:
    """Do all phases; answer when the process was ready."""
    async with open_store(StateFolder(path=place.state_dir), str(place.codex_home)) as handle:
        await reap(handle)
        ready_at = time.monotonic()
        for phase in PHASES:
            points.phase = phase
            asked = frozenset({"consolidate" if phase == "publish" else phase})
            settings = settings_of(publishes=phase == "publish")
            await do_once(handle, place.codex_home, settings, NoProgress(), asked)
    return ready_at


def main(root: Path, phase: str, number: int) -> None:
    """Run, and say how it went."""
    end_with_parent()
    place = Place(root=root)
    os.umask(0o077)
    configure_logs(settings_of(publishes=False).logs, redact=lambda text: text)
    points = Points(root, phase, number)
    points.watch()
    ready_at = trio.run(run, place, points)
    json.dump({"ready_at": ready_at, "points": {name: points.counts[name] for name in PHASES}}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
