"""`memoryd paths`: where everything is."""

import sys

from cyclopts import App

from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json
from state.folder import StateFolder


def add_to(app: App) -> None:
    """Add the command."""

    @app.command
    def paths(*, common: CommonOptions | None = None) -> int:
        """Show where the database, the memories, the configuration and the Codex home are."""
        common = common or CommonOptions()
        found = common.paths()
        table = {
            "state_db": found.state_db,
            "memories_dir": found.memories_dir,
            "config_file": found.config_file,
            "codex_home": found.codex_home,
            "state_dir": found.state_dir,
            "logs_dir": found.state_dir / "logs",
            "logs_db": StateFolder(path=found.state_dir).log_files.database,
        }
        if common.json:
            print_json(table)
        else:
            for name, path in table.items():
                sys.stdout.write(f"{name:<13} {path}\n")
        return 0
