"""`memoryd chaos points`: one run, killed at many points, and the same end state each time."""

import sys
from typing import Annotated

import attrs
from cyclopts import App, Parameter

from interfaces.cli.chaos.place import asks_for_json
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, CommandError, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json


def add_to(app: App) -> None:
    """Add the command."""

    @app.command
    def points(
        *,
        points: Annotated[int, Parameter(name="--points", help="how many, spread over every phase")] = 200,
        seed: Annotated[int, Parameter(help="decides the sessions")] = 0,
        workers: Annotated[int, Parameter(help="trials at a time")] = 2,
        common: CommonOptions | None = None,
    ) -> int:
        """Kill a run by SIGKILL at many points of backfill, extraction, consolidation and publishing.

        After each kill the next process takes over and finishes; ends with 1 when its end state is not that of a run
        without a kill.
        """
        as_json = asks_for_json(common)
        if not 1 <= points <= 100_000 or not 1 <= workers <= 64:
            raise UsageError("--points is 1 to 100000, and --workers 1 to 64")
        # Imported here: nobody else waits for it.
        from chaos.points.conduct import PointsError, as_table, conduct
        from chaos.traces import leaving_none

        try:
            with leaving_none():
                report = conduct(
                    seed=seed,
                    wanted=points,
                    workers=workers,
                    say=lambda text: print(text, file=sys.stderr),
                )
        except PointsError as error:
            raise CommandError(str(error)) from error
        if as_json:
            shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
            ready = {name: round(report.ready_percentile(share), 3) for name, share in shares}
            document = {
                **attrs.asdict(report),
                "killed": report.killed,
                "violations": report.violations,
                "late": report.late,
            }
            print_json({**document, "ready_seconds": ready})
        else:
            sys.stdout.write(as_table(report) + "\n")
        return EXIT_OK if not report.violations and report.killed == len(report.trials) else EXIT_FAILED
