"""An operator who takes a hand in one job, by the real command: `memoryd jobs retry`, `release` or `steal`.

    python -m chaos.fleet.operator ROOT NAME COMMAND SEED

The job is chosen when everything is loaded, so that whoever works on it is still at it. Ends as the command does.
"""

import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from chaos.fleet.checks import reading
from chaos.fleet.place import Place
from chaos.fleet.service import record_on_stdout, recording_store
from chaos.parent import end_with_parent
from config import Paths
from interfaces.cli import job_control
from interfaces.cli.errors import EXIT_OK
from state.store import StateHandle
from supervisor import main as command_line

COMMANDS = ("retry", "release", "steal")

LOOK_SECONDS_MAX = 2.0
LOOK_AGAIN_SECONDS = 0.005

_JOBS = "SELECT thread_id FROM extraction_jobs JOIN threads ON id = thread_id WHERE source = 'cli' AND "
_CHOICE = {"retry": "status <> 'running'", "release": "status = 'running'", "steal": "status = 'running'"}


def choose(database: Path, command: str, seed: str) -> str | None:
    """A job for the command, as soon as there is one; None where there is none for long."""
    give_up_at = time.monotonic() + LOOK_SECONDS_MAX
    while time.monotonic() < give_up_at:
        try:
            with reading(database) as connection:
                threads = [str(thread) for (thread,) in connection.execute(f"{_JOBS}{_CHOICE[command]} ORDER BY 1")]
        except apsw.Error:
            threads = []  # it cannot be read now, which is no fault of the operator's
        if threads:
            return f"extraction:{random.Random(seed).choice(threads)}"
        time.sleep(LOOK_AGAIN_SECONDS)
    return None


def main(root: Path, name: str, command: str, seed: str) -> int:
    """Choose, and run the command."""
    end_with_parent()
    place = Place(root=root)
    os.umask(0o077)
    record = record_on_stdout()

    @asynccontextmanager
    async def changing(paths: Paths) -> AsyncIterator[StateHandle]:
        async with recording_store(paths, place, record, name) as handle:
            yield handle

    vars(job_control)["changing"] = changing
    job = choose(place.state_dir / "state.sqlite", command, seed)
    if job is None:
        return EXIT_OK
    where = ["--codex-home", str(place.codex_home), "--state-dir", str(place.state_dir)]
    return command_line(["jobs", command, job, *where, *(["--yes"] if command == "steal" else [])])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
