"""The configuration of a Codex home, `config.toml`: read for what it says of the home, never written.

Where people keep their settings elsewhere the file is a link, which Codex follows, and so is it here.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from state.rollouts.regular import RegularFile, plain_reason

NAME = "config.toml"

BYTES_MAX = 1 << 20
"""A person wrote it."""


@attrs.frozen(kw_only=True)
class CodexConfig:
    """What the file says.

    Attributes:
      values: empty when there is no file, and when it could not be understood.
      problem: why it could not be; None also when there is no file.
    """

    values: Mapping[str, Any]
    problem: str | None = None

    def table(self, *names: str) -> Mapping[str, Any]:
        """A table within tables; empty where there is none."""
        found: Any = self.values
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str | None:
        """A text at the top; None where there is none."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None


def provider_default(config: CodexConfig, otherwise: str) -> str:
    """The provider of a session that names none: the home's own. otherwise: where the home names none either."""
    return config.text("model_provider") or otherwise


def read_codex_config(codex_home: Path) -> CodexConfig:
    """Read it. Never raises: what is wrong with it is its `problem`. Asking again is safe."""
    try:
        with RegularFile(os.path.realpath(codex_home / NAME)) as file:
            data = os.pread(file.descriptor, BYTES_MAX, 0)
            if file.size_bytes > BYTES_MAX:
                return CodexConfig(values={}, problem=f"it is larger than {BYTES_MAX >> 20} MiB")
        return CodexConfig(values=tomllib.loads(data.decode()))
    except FileNotFoundError:
        return CodexConfig(values={})
    except OSError as error:
        return CodexConfig(values={}, problem=plain_reason(error))
    except (ValueError, RecursionError) as error:
        return CodexConfig(values={}, problem=f"it is not valid TOML: {error}")
