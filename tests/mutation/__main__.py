"""`python -m tests.mutation`: do the property tests catch realistic bugs?

Every mutation of the catalogue is put into a copy of this tree, and the tests that it names are run there. Ends with 0
when each is caught, with 1 when one survives, is out of date or cannot run, with 2 when the tests fail without a bug.
"""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.mutation.catalogue import MUTATIONS
from tests.mutation.check import Judge, Outcome, Runner, Verdict, check_all, copy_tree, judge, run_pytest
from tests.mutation.mutation import Mutation
from tests.mutation.simulated import SECONDS, judge_simulation, run_simulation

ROOT = Path(__file__).parents[2]
SEED = "1"
"""The usual seed, so that the check says the same every time; another one finds out how sure the catches are."""


def main(arguments: list[str] | None = None) -> int:
    """Run the check; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Check what the properties catch.")
    parser.add_argument("names", nargs="*", help="check only mutations whose names contain one of these")
    parser.add_argument("--jobs", "--at-a-time", type=int, default=2, help="mutations at a time (2)")
    parser.add_argument("--seed", default=SEED, help=f"the seed of every run of tests ({SEED})")
    parser.add_argument("--by", choices=("properties", "simulation"), default="properties", help="what must notice")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of simulation for each mutation ({SECONDS:g})")
    parser.add_argument("--list", action="store_true", help="only say which mutations there are")
    asked = parser.parse_args(arguments)
    chosen = [one for one in MUTATIONS if not asked.names or any(part in one.name for part in asked.names)]
    if asked.list:
        for mutation in chosen:
            print(f"{mutation.name:<44} {mutation.bug}")
        return 0
    if not chosen:
        print("no mutation has such a name; --list names them all", file=sys.stderr)
        return 1
    run: Runner = partial(run_pytest, seed=asked.seed)
    meaning: Judge = judge
    if asked.by == "simulation":
        run = partial(run_simulation, seconds=asked.seconds, seed=int(asked.seed))
        meaning = judge_simulation
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="memoryd-mutation-") as folder:
        without = run(copy_tree(ROOT, Path(folder)), named_tests(chosen))
    if without.exit_code != 0:
        print(f"the tests fail without any mutation:\n{without.output}", file=sys.stderr)
        return 2
    print(f"{'':14} {'mutation':<44} {'file':<34} {'seconds':>7}  caught by", flush=True)
    verdicts = []
    for verdict in check_all(chosen, ROOT, run, at_a_time=asked.jobs, meaning=meaning):
        print(line_of(verdict), flush=True)
        verdicts.append(verdict)
    bad = [verdict for verdict in verdicts if verdict.outcome is not Outcome.CAUGHT]
    print(f"\n{len(verdicts) - len(bad)} of {len(verdicts)} mutations caught in {time.monotonic() - began:.0f} s")
    for verdict in bad:
        print(f"{verdict.outcome}: {verdict.mutation.name}: {verdict.mutation.bug}")
    return 1 if bad else 0


def named_tests(mutations: list[Mutation]) -> tuple[str, ...]:
    """Every test that one of the mutations names, once."""
    return tuple(dict.fromkeys(test for mutation in mutations for test in mutation.tests))


def line_of(verdict: Verdict) -> str:
    """One line of the table."""
    files = ", ".join(file.removeprefix("state/rules/") for file in verdict.files)
    return f"{verdict.outcome:<14} {verdict.mutation.name:<44} {files:<34} {verdict.seconds:>7.1f}  {verdict.detail}"


if __name__ == "__main__":
    sys.exit(main())
