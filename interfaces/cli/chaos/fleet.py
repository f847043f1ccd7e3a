"""`memoryd chaos`: real services, killed, frozen, locked out and starved of disk; and what is left."""

import random
import sys
from typing import Annotated

from cyclopts import App, Parameter

from interfaces.cli.chaos.place import asks_for_json
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, CommandError, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json

PROCESSES_MAX = 32
DURATION_SECONDS_MAX = 86_400


def add_to(app: App) -> None:
    """Add the command: what `memoryd chaos` does when nothing else is named."""

    @app.default
    async def chaos(
        *,
        seed: Annotated[int | None, Parameter(help="decides the faults and the sessions [default: any]")] = None,
        processes: Annotated[int, Parameter(help="services that share one state")] = 3,
        duration: Annotated[float, Parameter(help="seconds of faults; settling and judging come on top")] = 20.0,
        faults: Annotated[
            str | None, Parameter(help="only these, e.g. kill,freeze [default: all; `list` names them]")
        ] = None,
        keep: Annotated[bool, Parameter(help="leave the run's folder behind, to look into it")] = False,
        common: CommonOptions | None = None,
    ) -> int:
        """Hurt real services in a temporary folder, let them settle, and judge rows, files and acknowledgements.

        Ends with 1 when anything is violated, and prints the line that repeats the run.
        """
        as_json = asks_for_json(common)
        # Imported here: nobody else waits for it.
        from chaos.fleet.conduct import FleetSettings, conduct_until_stopped
        from chaos.fleet.plan import Fault
        from chaos.fleet.report import as_json as document
        from chaos.fleet.report import as_table
        from chaos.fleet.services import FleetError

        if faults == "list":
            sys.stdout.write("".join(f"{one}\n" for one in Fault))
            return EXIT_OK
        named = set(Fault) if faults is None else {word.strip() for word in faults.split(",")}
        if unknown := sorted(named - set(Fault)):
            raise UsageError(f"there is no fault named {unknown[0]!r}", hint=f"there are {', '.join(Fault)}")
        if not 1 <= processes <= PROCESSES_MAX:
            raise UsageError(f"--processes is 1 to {PROCESSES_MAX}, not {processes}")
        if not 1 <= duration <= DURATION_SECONDS_MAX:
            raise UsageError(f"--duration is 1 to {DURATION_SECONDS_MAX} seconds, not {duration:g}")
        settings = FleetSettings(
            seed=random.SystemRandom().randrange(1_000_000) if seed is None else seed,
            processes=processes,
            duration_seconds=duration,
            faults=frozenset(Fault(name) for name in named),
            keep=keep,
        )
        try:
            report = await conduct_until_stopped(settings, lambda text: print(text, file=sys.stderr))
        except FleetError as error:
            raise CommandError(str(error)) from error
        if as_json:
            print_json(document(report))
        else:
            sys.stdout.write(as_table(report) + "\n" + (f"left in {report.folder}\n" if report.folder else ""))
        return EXIT_FAILED if report.violations else EXIT_OK
