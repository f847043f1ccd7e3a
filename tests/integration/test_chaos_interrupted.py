"""Chaos that is interrupted at any moment leaves nothing behind: no process, no folder; and where it is killed, its
children end all the same."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from state.folder import try_lock

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes and open files are found by /proc"),
]

COMMANDS = {
    "fleet": ["--processes", "2", "--duration", "600"],
    "simulate": ["simulate", "--seeds", "100000", "--jobs", "2"],
    "simulate alone": ["simulate", "--seeds", "100000", "--jobs", "1"],
    "disk": ["disk", "--stride", "1", "--images", "9"],
    "points": ["points", "--points", "5000"],
    "starts": ["starts", "--processes", "30"],
}
"""Each takes longer than anybody waits here."""

WAIT_SECONDS_MAX = 90.0
MOMENT_SECONDS_MAX = 2.5
"""Sooner than the quickest of them ends."""


def processes_of(temporary: Path) -> set[int]:
    """Every living process that was given this temporary folder, by whomever."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # Of a zombie it is empty.
                if os.fsencode(temporary) in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
    return found


TELLS_OF_FOLDERS = """
import os, sys

def tell(event, arguments):
    if event == "os.mkdir" and os.fspath(arguments[0]).startswith("/dev/shm/memoryd-"):
        with open(os.environ["FOLDERS"], "a") as file:
            file.write(os.fspath(arguments[0]) + "\\n")

sys.addaudithook(tell)
"""
"""Python runs this in every process at its start: folders in memory do not lie in the test's own folder."""


def is_left(folder: Path) -> bool:
    """It is there, and nobody else is in it: the names of simulations are used again."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        return try_lock(descriptor, exclusive=True)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_left_of_an_interrupted_run(tmp_path: Path, command: str, number: signal.Signals) -> None:
    moment_seconds = random.uniform(0, MOMENT_SECONDS_MAX)
    told = f"{command} got {number.name} after {moment_seconds:.3f} s"
    (ours := tmp_path / "ours").mkdir()
    (temporary := tmp_path / "temporary").mkdir()
    (ours / "sitecustomize.py").write_text(TELLS_OF_FOLDERS)
    (folders := ours / "folders").touch()
    with subprocess.Popen(
        [sys.executable, "supervisor.py", "chaos", *COMMANDS[command]],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ours), "FOLDERS": str(folders)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as run:
        try:
            time.sleep(moment_seconds)
            assert run.poll() is None, f"{told}, and had ended"
            run.send_signal(number)
            _, stderr = run.communicate(timeout=WAIT_SECONDS_MAX)
        finally:
            run.kill()
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while processes_of(temporary) and time.monotonic() < give_up_at:
        time.sleep(0.05)

    left = [name for name in folders.read_text().split() if is_left(Path(name))]
    for name in left:
        shutil.rmtree(name, ignore_errors=True)

    assert processes_of(temporary) == set(), told
    # A signal before anything was started ends the process as any other.
    assert run.returncode in (130, -number), f"{told}: {run.returncode} {stderr.decode()}"
    if number is not signal.SIGKILL:
        assert sorted(temporary.iterdir()) == [], told
        assert left == [], told
