"""`memoryd run`: the service, in the foreground."""

import structlog
from cyclopts import App

from config import ConfigError
from interfaces.cli.options import CommonOptions
from interfaces.logs import configure_logs
from interfaces.service import Service
from state.folder import StateFolder, prepare

log = structlog.get_logger(__name__)


def add_to(app: App, service: Service) -> None:
    """Add the command."""

    @app.command
    async def run(*, common: CommonOptions | None = None) -> int:
        """Serve in the foreground: follow the Codex home, keep index and memories up to date.

        SIGTERM or Ctrl-C stops in good order; a second one stops at once.
        """
        common = common or CommonOptions()
        paths = common.paths()
        settings = common.settings(paths)
        folder = StateFolder(path=paths.state_dir)
        prepare(folder, codex_home=paths.codex_home)
        try:
            configure_logs(settings.logs, redact=service.redact, folder=folder.logs_dir, queue=service.log_queue)
        except OSError as error:
            raise ConfigError(f"cannot write logs to {folder.logs_dir}: {error.strerror or error}") from error
        if not paths.codex_home.is_dir():
            log.warning("the Codex home does not exist yet", codex_home=str(paths.codex_home))
        return await service.run(paths, settings)
