"""Real processes on failing disks, and a full disk at every write: what the command shows."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chaos.disk.faulty import scratch_parent
from chaos.disk.processes import fail_processes
from chaos.disk.report import Scene

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def failed(*, seed: int, defect: str = "") -> Scene:
    """Two processes, one of them killed, on disks that fail."""
    scene = Scene("2 processes", expects_loss=bool(defect))
    with tempfile.TemporaryDirectory(dir=scratch_parent()) as folder:
        fail_processes(scene, Path(folder), seed=seed, processes=2, jobs=60, kills=1, defect=defect)
    return scene


def test_processes_on_failing_disks_lose_nothing_and_go_on_when_the_disks_are_well() -> None:
    scene = failed(seed=1)

    assert scene.is_as_expected, scene.remarks
    assert scene.images == 60
    assert scene.points > 1, "the disks never failed"


def test_process_that_acknowledges_what_failed_is_found_out() -> None:
    broken = 0
    for seed in range(1, 5):
        broken = failed(seed=seed, defect="acknowledges-what-failed").broken_promises
        if broken:
            break

    assert broken


def test_command_shows_a_full_disk_at_every_write_and_has_one_line_that_repeats_it() -> None:
    ended = subprocess.run(
        [sys.executable, "supervisor.py", "chaos", "disk", "--seed", "2", "--only", "full"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "acknowledged changes none is lost" in ended.stdout
    assert "the disk is full: the change was not stored (free some space)" in ended.stdout
    assert [line for line in ended.stdout.splitlines() if "again: " in line] == [
        "sound; again: memoryd chaos disk --seed 2 --images 2 --stride 25 --only full"
    ]


def test_command_answers_one_document_and_refuses_an_unknown_part() -> None:
    ended = subprocess.run(
        [sys.executable, "supervisor.py", "chaos", "disk", "--only", "processes", "--processes", "2", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    refused = subprocess.run(
        [sys.executable, "supervisor.py", "chaos", "disk", "--only", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert json.loads(ended.stdout)["sound"], ended.stdout
    assert refused.returncode == 2
