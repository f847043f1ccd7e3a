"""`python -m chaos.points`: kill at many points of one run; 1 when an end state differs."""

import argparse
import sys

from chaos.points.conduct import as_table, conduct

STEPS = 40
"""Steps of the workload: some dozen sessions in four projects."""


def main() -> int:
    """Kill, judge, say."""
    parser = argparse.ArgumentParser(prog="python -m chaos.points")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    report = conduct(
        seed=options.seed,
        wanted=options.points,
        steps=STEPS,
        workers=options.workers,
        say=lambda text: print(text, file=sys.stderr),
    )
    print(as_table(report))
    return 1 if report.violations or report.killed < len(report.trials) else 0


if __name__ == "__main__":
    sys.exit(main())
