"""Decoders that several threads make for one class at the same moment."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

TOGETHER = """
import sys, threading, msgspec
from state.decoders import json_decoder
sys.setswitchinterval(1e-6)
for _ in range(300):
    inner = [msgspec.defstruct(f"Inner{n}", [("a", int)]) for n in range(40)]
    shape = msgspec.defstruct("Outer", [(f"member_{n}", one) for n, one in enumerate(inner)])
    line = msgspec.json.encode({f"member_{n}": {"a": 1} for n in range(40)})
    together = threading.Barrier(2)

    def use():
        together.wait()
        json_decoder(shape).decode(line)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
"""In a process of its own: with decoders that are made without the lock it dies of a segmentation fault."""


def test_decoder_that_two_threads_make_at_once_is_whole() -> None:
    ended = subprocess.run([sys.executable, "-c", TOGETHER], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_no_other_module_of_the_service_makes_a_decoder_for_a_class() -> None:
    alone = {"state/decoders.py", "workers/reading/child.py"}  # the second is a process with one thread
    for folder in ("config", "interfaces", "state", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            if str(path.relative_to(ROOT)) not in alone:
                made = re.findall(r"msgspec\.\w+\.Decoder\((?!float_hook)", path.read_text(encoding="utf-8"))
                assert not made, path
