"""Where things are: the Codex home, the state folder that belongs to it, and the configuration file.

The state of a Codex home lies in <state folder>/homes/<name>-<digest of its real path>/, so that two homes never share
one. An explicit --state-dir names the folder of one home itself.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import attrs
import platformdirs

from config.load import ConfigError


class CodexHomeError(ConfigError):
    """What was named as the Codex home cannot be one."""


@attrs.frozen(kw_only=True)
class Paths:
    """Absolute paths. `config_file` is where the configuration is or would be; `config_exists` says which."""

    codex_home: Path
    state_dir: Path
    config_file: Path
    config_exists: bool

    @property
    def state_db(self) -> Path:
        return self.state_dir / "state.sqlite"

    @property
    def memories_dir(self) -> Path:
        return self.state_dir / "memories"


def resolve(
    environment: Mapping[str, str],
    *,
    codex_home: Path | None = None,
    state_dir: Path | None = None,
    config_file: Path | None = None,
) -> Paths:
    """Find the paths: what is given wins over the environment, and that over the platform's defaults.

    Raises:
      CodexHomeError: the Codex home is not a folder.
      ConfigError: a configuration file was named and does not exist.
    """
    home = codex_home or _from(environment, "CODEX_HOME") or Path("~/.codex")
    home = Path(os.path.realpath(home.expanduser()))
    if home.exists() and not home.is_dir():
        raise CodexHomeError(f"the Codex home {home} is not a folder")
    if state_dir is None:
        base = _from(environment, "MEMORYD_HOME") or platformdirs.user_state_path("memoryd", appauthor=False)
        state_dir = base.expanduser() / "homes" / _folder_name(home)
    file = config_file or _from(environment, "MEMORYD_CONFIG")
    if file is None:
        file = platformdirs.user_config_path("memoryd", appauthor=False) / "config.toml"
        exists = file.is_file()
    else:
        file = file.expanduser()
        exists = True
        if not file.is_file():
            raise ConfigError(f"there is no configuration file {file}")
    return Paths(
        codex_home=home,
        state_dir=Path(os.path.abspath(state_dir.expanduser())),
        config_file=Path(os.path.abspath(file)),
        config_exists=exists,
    )


def _from(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name, "")
    return Path(value) if value else None


def _folder_name(home: Path) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", home.name.lower()).strip("-")[:40] or "home"
    digest = hashlib.blake2b(os.fsencode(home), digest_size=6).hexdigest()
    return f"{slug}-{digest}"
