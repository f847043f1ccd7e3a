"""`memoryd serve`: JSON-RPC for programs."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from interfaces.cli.errors import UsageError
from interfaces.cli.options import CommonOptions
from interfaces.logs import configure_logs
from interfaces.service import Service
from state.folder import StateFolder, prepare


def add_to(app: App, service: Service) -> None:
    """Add the command."""

    @app.command
    async def serve(
        *,
        stdio: Annotated[bool, Parameter(help="one client, at stdin and stdout")] = False,
        socket: Annotated[Path | None, Parameter(help="many clients, at a Unix socket made there")] = None,
        common: CommonOptions | None = None,
    ) -> int:
        """Answer JSON-RPC as the Codex app-server does: one object a line, about the threads of the Codex home.

        With --stdio it ends with its input; with --socket SIGTERM or Ctrl-C ends it.
        """
        if stdio == (socket is not None):
            raise UsageError("serve needs --stdio or --socket PATH, one of them")
        common = common or CommonOptions()
        paths = common.paths()
        settings = common.settings(paths)
        prepare(StateFolder(path=paths.state_dir), codex_home=paths.codex_home)
        configure_logs(settings.logs, redact=service.redact, stderr_level="warning" if stdio else None)
        return await service.serve(paths, settings, socket)
