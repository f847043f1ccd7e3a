"""Real services under real faults: a short run of each kind, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaos.fleet.plan import Fault

ROOT = Path(__file__).parents[2]


def fleet(temporary: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a run whose folder lies below `temporary`."""
    return subprocess.Popen(
        [sys.executable, "supervisor.py", "chaos", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes_of(temporary: Path) -> list[int]:
    """Every process whose command line names the run's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(temporary) in command:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of another process are Linux's")
def test_services_under_every_fault_end_as_without(tmp_path: Path) -> None:
    run = fleet(tmp_path, "--seed", "1", "--processes", "2", "--duration", "6", "--faults", ",".join(Fault))
    try:
        stdout, stderr = run.communicate(timeout=240)
    finally:
        run.kill()

    assert run.returncode == 0, stdout + stderr
    assert "invariant violations" in stdout
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_run_ends_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    run = fleet(tmp_path, "--seed", "2", "--processes", "2", "--duration", "60", "--faults", "freeze")
    try:
        deadline = time.monotonic() + 60
        while len(processes_of(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(processes_of(tmp_path)) == 2
        run.send_signal(number)
        run.communicate(timeout=60)
    finally:
        run.kill()
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert processes_of(tmp_path) == []
    if number is not signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
