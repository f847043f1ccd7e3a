"""`memoryd chaos disk`: a disk that fails at every point, and power that goes at every moment."""

import random
import sys
from typing import Annotated

from cyclopts import App, Parameter

from interfaces.cli.chaos.place import asks_for_json
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json

PROCESSES_MAX = 16


def add_to(app: App) -> None:
    """Add the command."""

    @app.command
    def disk(
        *,
        seed: Annotated[int | None, Parameter(help="decides the script and the sectors that survive")] = None,
        images: Annotated[int, Parameter(help="random subsets of the unsynced sectors at each point")] = 2,
        stride: Annotated[int, Parameter(help="try every n-th point only; 1 takes minutes")] = 25,
        only: Annotated[
            str | None, Parameter(help="only these parts: power, errors, full, processes, controls [default: all]")
        ] = None,
        processes: Annotated[int, Parameter(help="real processes on one database, each with a failing disk")] = 3,
        common: CommonOptions | None = None,
    ) -> int:
        """Break the disk under a store in every way, cut its power, and hold it to what it acknowledged.

        Ends with 1 when a promise was broken, or a store that cannot keep its promises was not found out.
        """
        as_json = asks_for_json(common)
        if images < 0 or stride < 1:
            raise UsageError("--images is at least 0, and --stride at least 1")
        if not 2 <= processes <= PROCESSES_MAX:
            raise UsageError(f"--processes is 2 to {PROCESSES_MAX}, not {processes}")
        # Imported here: nobody else waits for it.
        from chaos.disk.examine import Chapter, examine_disk
        from chaos.disk.power import Depth
        from chaos.traces import leaving_none

        named = [str(one) for one in Chapter] if only is None else [word.strip() for word in only.split(",")]
        if unknown := sorted(set(named) - set(Chapter)):
            raise UsageError(f"there is no part named {unknown[0]!r}", hint=f"there are {', '.join(Chapter)}")
        chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
        with leaving_none():
            report = examine_disk(
                chosen,
                depth=Depth(some=images, stride=stride),
                chapters=[one for one in Chapter if one in named],
                processes=processes,
                on_scene=lambda scene: print(f"{scene.name}: {scene.images:,} images", file=sys.stderr),
            )
        if as_json:
            print_json(report.as_json())
        else:
            sys.stdout.write(f"{report.as_text()}\n")
        return EXIT_OK if report.is_sound else EXIT_FAILED
