"""What is seen of a process's memory is its own and its children's."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tree_memory import TreePeak

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")

CHILD = "import sys; held = bytearray(50_000_000); print(flush=True); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(flush=True)
sys.stdin.read()
child.communicate()
"""


def test_peak_of_a_child_counts() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        peak = TreePeak(process.pid)
        peak.look()
        process.communicate()

    assert peak.processes == 2
    assert peak.mib > 50


def test_process_that_is_gone_has_what_was_seen_of_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with TreePeak(process.pid) as peak:
            peak.look()
            process.communicate(b"\n")
        seen = peak.mib
        peak.look()

    assert peak.mib == seen > 0
