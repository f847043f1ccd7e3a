"""`memoryd chaos starts`: many services that start at the same moment on one home."""

import sys
from typing import Annotated

import attrs
from cyclopts import App, Parameter

from interfaces.cli.chaos.place import asks_for_json
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json

PROCESSES_MAX = 500


def add_to(app: App) -> None:
    """Add the command."""

    @app.command
    def starts(
        *,
        processes: Annotated[int, Parameter(help="services, and bare interpreters beside them")] = 68,
        common: CommonOptions | None = None,
    ) -> int:
        """Start many services at once on a home without a database, then with it, and as many bare interpreters.

        Ends with 1 when one of them does not become ready.
        """
        as_json = asks_for_json(common)
        if not 1 <= processes <= PROCESSES_MAX:
            raise UsageError(f"--processes is 1 to {PROCESSES_MAX}, not {processes}")
        # Imported here: nobody else waits for it.
        from chaos.starts import as_table, start_together
        from chaos.traces import leaving_none

        with leaving_none():
            report = start_together(processes)
        if as_json:
            print_json({**attrs.asdict(report), "ratio": report.ratio, "ratio_again": report.ratio_again})
        else:
            sys.stdout.write(as_table(report) + "\n")
        return EXIT_FAILED if report.failures else EXIT_OK
