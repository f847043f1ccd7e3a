"""`python -m chaos.fleet`: one run, by itself. `memoryd chaos` is the same with checked options."""

import argparse
import sys

import trio

from chaos.fleet.conduct import FleetSettings, conduct_until_stopped
from chaos.fleet.plan import Fault
from chaos.fleet.report import as_table
from interfaces.cli.errors import EXIT_INTERRUPTED
from stopping import InterruptedRunError


def main() -> int:
    """Make one run; 1 when something was violated."""
    parser = argparse.ArgumentParser(prog="python -m chaos.fleet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--duration", type=float, default=20.0)
    parser.add_argument("--faults", default=",".join(Fault))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    settings = FleetSettings(
        seed=options.seed,
        processes=options.processes,
        duration_seconds=options.duration,
        faults=frozenset(Fault(name) for name in options.faults.split(",")),
        keep=options.keep,
    )
    try:
        report = trio.run(conduct_until_stopped, settings, lambda text: print(text, file=sys.stderr))
    except InterruptedRunError:
        return EXIT_INTERRUPTED
    print(as_table(report))
    if report.folder:
        print(report.folder)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
