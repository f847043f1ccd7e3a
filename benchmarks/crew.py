"""Child processes that work at the same time, each of which says what it did in one JSON document.

The rule: a child prepares, prints a line, and begins when it reads one; so that several begin together, and nobody's
start is in anybody's figures.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

SECONDS_MAX = 300.0
"""A child that takes longer than this is ended, and the run is an error."""


def run_crew(
    module: str, each: Sequence[Sequence[str]], *, environment: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Run `python -m module` once for each list of arguments, all at one time; what each printed, in their order.

    Raises:
      SystemExit: one of them failed.
    """
    children = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict(environment or {}),
            text=True,
        )
        for arguments in each
    ]
    try:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        said = [child.communicate(timeout=SECONDS_MAX)[0] for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
    if any(child.returncode for child in children):
        raise SystemExit(f"{module} ended with {[child.returncode for child in children]}")
    return [json.loads(text) for text in said]


def begin_together() -> None:
    """Called by a child that is prepared: wait until all are."""
    print("ready", flush=True)
    sys.stdin.readline()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
