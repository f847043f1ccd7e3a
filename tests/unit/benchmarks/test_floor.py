"""The floor reads every byte of the rollouts of both folders, and nothing else of the home."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.floor import READ, STAT


@pytest.mark.parametrize(("program", "lines"), [(READ, 5), (STAT, 0)])
def test_floor_meets_every_file(tmp_path: Path, program: str, lines: int) -> None:
    for path, text in (("sessions/2026/a.jsonl", b"1\n2\n\n"), ("archived_sessions/b.jsonl", b"4\n5\ntorn")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(text)
    (tmp_path / "log.txt").write_bytes(b"\n" * 100)
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(tmp_path)], capture_output=True, check=True, text=True
    ).stdout.split()

    assert (int(said[0]), int(said[1])) == (2, lines)
