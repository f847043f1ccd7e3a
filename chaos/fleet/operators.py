"""People who take a hand in the fleet's jobs all the while: one command after the other, each a process of its own."""

import random
import subprocess
import sys
from pathlib import Path

import attrs
import trio

from chaos.fleet.histories import Histories
from chaos.fleet.operator import COMMANDS
from chaos.fleet.place import Place
from chaos.fleet.services import ROOT
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, EXIT_STATE_FOLDER, EXIT_STORE

PACE_SECONDS = 1.0

EXITS = (EXIT_OK, EXIT_FAILED, EXIT_STATE_FOLDER, EXIT_STORE)
"""How a command may end here: obeyed, refused (somebody has the job, nobody has it), or kept away from the store."""

COMMAND_SECONDS_MAX = 60.0
POLL_SECONDS = 0.05


@attrs.define
class Operators:
    """Gives commands for ever. wrong: those that ended in no way that is foreseen."""

    place: Place
    histories: Histories
    rng: random.Random
    given: int = 0
    wrong: list[str] = attrs.field(factory=list)

    async def run(self) -> None:
        """One command after the other."""
        while True:
            await trio.sleep(self.rng.uniform(0, 2 * PACE_SECONDS))
            await self._give(self.rng.choice(COMMANDS))

    async def _give(self, command: str) -> None:
        process, log = self._start(command)
        try:
            with trio.move_on_after(COMMAND_SECONDS_MAX):
                while process.poll() is None:  # noqa: ASYNC110  # a process has no event to wait for
                    await trio.sleep(POLL_SECONDS)
            code = process.poll()
            if code not in EXITS:
                self.wrong.append(f"memoryd jobs {command} ended with {code}; see {log.name}: {_last_line(log)}")
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()

    def _start(self, command: str) -> "tuple[subprocess.Popen[bytes], Path]":
        self.given += 1
        name = f"operator-{self.given:04d}"
        log = self.place.logs / f"{name}.log"
        seed = str(self.rng.getrandbits(32))
        with open(log, "wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "chaos.fleet.operator", str(self.place.root), name, command, seed],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        assert process.stdout is not None
        self.histories.listen(name, process.stdout)
        return process, log


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
