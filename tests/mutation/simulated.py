"""Does the simulation find realistic bugs? One bug in a copy of the tree, and seeds until one breaks a law.

    python -m tests.mutation --by simulation        every bug, in copies, as the property tests are tried
    python -m tests.mutation.simulated              in this tree as it is: what runs in each copy; says one line of JSON

What runs is what `memoryd chaos simulate` runs by default, from seed 0 on and without making the failure shorter.
"""

import argparse
import contextlib
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from chaos.simulator.processes import verdicts
from chaos.simulator.run import Scenario
from tests.mutation.check import NO_BUG, Outcome, TestRun

SECONDS = 60.0
"""A bug that is not found in so much work of one core survives; the core's time, since others may use the machine."""

SLOWDOWN_MAX = 20
"""How much longer it may take where the core has much else to do."""


def run_simulation(root: Path, _tests: tuple[str, ...], *, seconds: float, seed: int) -> TestRun:
    """Simulate in the tree at `root` until a law is broken or the time is over; exit code 1 and the finding, or 0."""
    command = [sys.executable, "-B", "-m", "tests.mutation.simulated"]
    command += ["--seconds", str(seconds), "--seed", str(seed)]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SLOWDOWN_MAX * (seconds + 5),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TestRun(exit_code=None, output="the simulation did not end")
    return TestRun(exit_code=done.returncode, output=done.stdout + done.stderr)


def judge_simulation(run: TestRun) -> tuple[Outcome, str]:
    """Say what a simulation means for the bug in its tree, with the law that was broken or the reason."""
    last = (run.output.strip().splitlines() or ["it said nothing"])[-1]
    try:
        said: dict[str, Any] = json.loads(last)
    except ValueError:
        return Outcome.BROKEN, f"the simulation did not run: {last}"
    if said["law"] is None:
        return Outcome.SURVIVED, f"no law was broken in {said['seeds']} seeds"
    no_bug = NO_BUG.search(said["found"])
    if no_bug is not None:
        return Outcome.BROKEN, f"the mutated code cannot run: {no_bug.group()}"
    return Outcome.CAUGHT, f"{said['law']}, seed {said['seed']}, {said['seconds']} s"


def first_broken(first_seed: int, seconds: float) -> dict[str, Any]:
    """Run seeds until one breaks a law or the time is over; what was found, or a law that is None."""
    began = time.process_time()
    seeds, passed = 0, 0.0
    scenarios = (Scenario(seed=seed) for seed in itertools.count(first_seed))
    with contextlib.closing(verdicts(scenarios, jobs=1)) as coming:
        for verdict in coming:
            seeds += 1
            passed = time.process_time() - began
            if verdict.broken is not None and passed <= seconds:
                return {
                    "law": verdict.broken.law,
                    "found": verdict.broken.found,
                    "seed": verdict.scenario.seed,
                    "seeds": seeds,
                    "seconds": round(passed, 1),
                }
            if passed > seconds:
                break
    return {"law": None, "found": "", "seed": None, "seeds": seeds, "seconds": round(passed, 1)}


def main() -> int:
    """Simulate in this tree; answer 1 when a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.simulated")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    said = first_broken(asked.seed, asked.seconds)
    print(json.dumps(said))
    return 0 if said["law"] is None else 1


if __name__ == "__main__":
    sys.exit(main())
