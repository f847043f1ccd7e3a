"""`memoryd chaos`: break memoryd on purpose, and see whether its promises hold. The one door to the package chaos.

Nothing of a person's is touched: each command works in a temporary folder of its own, and ends what it started.
"""

from cyclopts import App

from interfaces.cli.chaos import disk, fleet, points, simulate, starts


def add_to(app: App) -> None:
    """Add the commands."""
    chaos = App(name="chaos", help="Break memoryd on purpose, in a temporary folder, and hold it to its promises.")
    app.command(chaos)
    fleet.add_to(chaos)
    simulate.add_to(chaos)
    disk.add_to(chaos)
    points.add_to(chaos)
    starts.add_to(chaos)
