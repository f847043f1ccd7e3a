"""Options that every command takes, and what they resolve to."""

import os
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from config import Paths, Settings, load, resolve
from interfaces.cli.errors import UsageError


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class CommonOptions:
    """Where things are, and how to print.

    Attributes:
      codex_home: The Codex home. Default: $CODEX_HOME, else ~/.codex.
      state_dir: The state folder of this home. Default: below $MEMORYD_HOME, else below the platform's state folder.
      config: The configuration file. Default: $MEMORYD_CONFIG, else config.toml in the platform's configuration folder.
      set: One setting, e.g. --set extraction.min_rollout_idle_hours=0. May be given several times.
      json: Print one JSON document.
    """

    codex_home: Annotated[Path | None, Parameter(help="Codex home [default: $CODEX_HOME, else ~/.codex]")] = None
    state_dir: Annotated[Path | None, Parameter(help="state folder of this home [default: below $MEMORYD_HOME]")] = None
    config: Annotated[Path | None, Parameter(help="configuration file [default: $MEMORYD_CONFIG]")] = None
    set: Annotated[
        tuple[str, ...], Parameter(help="one setting, e.g. extraction.min_rollout_idle_hours=0; repeatable")
    ] = ()
    json: Annotated[bool, Parameter(negative="", help="print one JSON document on stdout")] = False

    def paths(self) -> Paths:
        """Resolve where things are.

        Raises:
          UsageError: a path is empty, as it is when a shell variable is not set.
          ConfigError: a configuration file was named and does not exist.
        """
        for option, path in (("--codex-home", self.codex_home), ("--state-dir", self.state_dir)):
            if path is not None and str(path) in ("", "."):
                raise UsageError(f"{option} is empty", hint="for the current folder, write its whole path")
        return resolve(os.environ, codex_home=self.codex_home, state_dir=self.state_dir, config_file=self.config)

    def settings(self, paths: Paths) -> Settings:
        """Load the settings.

        Raises:
          ConfigError: a setting is wrong; the message names it and where it came from.
        """
        return load(paths.config_file if paths.config_exists else None, os.environ, self.set)
