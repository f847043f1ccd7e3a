"""Starting, hurting and ending the services of the fleet, each by its id."""

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import trio

from chaos.fleet.histories import Histories
from chaos.fleet.place import Place

ROOT = Path(__file__).resolve().parent.parent.parent
"""Where the modules lie: the checkout, or the private folder of the wheel."""

READY_SECONDS_MAX = 30.0
"""A start that takes longer is a violation in itself; the faults around it are counted in seconds."""

STOP_SECONDS_MAX = 20.0
POLL_SECONDS = 0.01


class FleetError(Exception):
    """The run cannot go on: a service does not come up, or ends by itself."""


@attrs.define
class Service:
    """One service, in its current life. Killed ones are started again as the same number."""

    number: int
    place: Place
    histories: Histories
    overrides: tuple[str, ...]
    starts: int = 0
    is_frozen: bool = False
    ready_seconds: list[float] = attrs.field(factory=list)
    """Of each start: from being started to being ready."""
    recovery_seconds: list[float] = attrs.field(factory=list)
    """Of these, the starts after a kill."""
    _was_killed: bool = False
    _follows_kill: bool = False
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int | None:
        """The process's number; None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def name(self) -> str:
        """Of the current life."""
        return f"service-{self.number}-{self.starts:03d}"

    @property
    def log(self) -> Path:
        """What the current life writes to stderr."""
        return self.place.logs / f"{self.name}.log"

    def start(self) -> None:
        """Start a new life."""
        assert self.pid is None, "one life at a time"
        self.starts += 1
        self._follows_kill = self._was_killed or self.died_of_poison
        self._was_killed = False
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chaos.fleet.service", str(self.place.root), self.name, *self.overrides],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        self.histories.listen(self.name, self._process.stdout)

    async def wait_ready(self) -> None:
        """Wait until the current life says that it is ready, or is over.

        Raises:
          FleetError: it takes too long.
        """
        life, began = self.starts, time.monotonic()
        log = self.log
        while self.pid is not None and self.starts == life:
            if b'"event": "ready"' in log.read_bytes():
                self.ready_seconds.append(time.monotonic() - began)
                if self._follows_kill:
                    self.recovery_seconds.append(self.ready_seconds[-1])
                return
            if time.monotonic() - began > READY_SECONDS_MAX and not self.is_frozen:
                raise FleetError(f"service {self.number} is not ready after {READY_SECONDS_MAX:.0f} s; see {log}")
            await trio.sleep(POLL_SECONDS)

    def kill(self) -> bool:
        """End it as a crash does; answer whether it lived."""
        if self.pid is None:
            return False
        assert self._process is not None
        self._process.kill()
        self._was_killed = self._process.wait() == -signal.SIGKILL
        self.is_frozen = False
        return True

    def freeze(self) -> bool:
        """Stop it where it stands; answer whether it lived and was not stopped already."""
        if self.pid is None or self.is_frozen:
            return False
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self.is_frozen = True
        return True

    def thaw(self) -> None:
        """Let it go on. Safe to ask of one that was never stopped."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def limit_files(self, bytes_max: int | None) -> bool:
        """Let its files grow to bytes_max and no further; None for no limit. Answers whether it lived."""
        pid = self.pid
        if pid is None or not hasattr(resource, "prlimit"):
            return False
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if bytes_max is None else bytes_max, hard))
        return True

    async def stop(self) -> None:
        """End it in good order; by force when that takes too long."""
        if self.pid is None or self._process is None:
            return
        self.thaw()
        self._process.terminate()
        with trio.move_on_after(STOP_SECONDS_MAX):
            while self.pid is not None:  # noqa: ASYNC110  # a process has no event to wait for
                await trio.sleep(POLL_SECONDS)
        self.kill()

    @property
    def exit_code(self) -> int | None:
        """How the last life ended; negative for a signal."""
        return None if self._process is None else self._process.poll()

    @property
    def died_of_poison(self) -> bool:
        """A poisoned session has killed the last life, and nobody else has."""
        if self.exit_code != -signal.SIGKILL or self._was_killed:
            return False
        assert self._process is not None
        return (self.place.poisoned / str(self._process.pid)).exists()

    def last_words(self) -> str:
        """The last thing that the current life logged, for a message."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in reversed(lines):
            try:
                entry = json.loads(line)
            except ValueError:
                return line
            return f"{entry.get('event')}: {entry.get('reason', '')}"
        return "nothing"
