"""The API key: from a file that only its owner can read, else from the environment. It is read once, and shown nowhere.

A file that others could read, or that somebody else wrote, is refused with the command that sets it right.
"""

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from config import ConfigError
from config.responses import ResponsesSettings

KEY_BYTES_MAX = 4_096
"""No key is longer; a larger file is something else."""


def api_key(settings: ResponsesSettings, environment: Mapping[str, str]) -> str | None:
    """The key; None where none is set and the server is on this machine.

    Raises:
      ConfigError: no key is set for a server elsewhere, or the one that is set may not be used.
    """
    if settings.api_key_file:
        return _from_file(Path(settings.api_key_file))
    key = environment.get(settings.api_key_env, "").strip()
    if key:
        return _usable(key, f"the environment variable {settings.api_key_env}")
    if settings.is_loopback():
        return None
    raise ConfigError(
        f"the model server {settings.place()} needs a key, and none is set",
        hint=f"set the environment variable {settings.api_key_env}, or name a file in responses.api_key_file",
    )


def _from_file(named: Path) -> str:
    try:
        path = named.expanduser()
    except RuntimeError:
        raise ConfigError(f"responses.api_key_file: there is no such home folder: {named}") from None
    where = f"responses.api_key_file: {path}"
    try:
        # Not followed, and not waited for: what is opened here is looked at and read by one descriptor.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(f"{where} is a symbolic link", hint="name the file itself") from None
        raise ConfigError(f"{where} cannot be read: {error.strerror or error}") from error
    try:
        _refuse_unsafe(os.fstat(descriptor), path, where)
        data = os.read(descriptor, KEY_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
    if len(data) > KEY_BYTES_MAX:
        raise ConfigError(f"{where} is too large for a key", hint="it must hold the key and nothing else")
    text = data.decode("utf-8", "replace").strip()
    if not text:
        raise ConfigError(f"{where} is empty", hint="it must hold the key and nothing else")
    if len(text.splitlines()) > 1:
        raise ConfigError(f"{where} holds more than one line", hint="it must hold the key and nothing else")
    return _usable(text, where)


def _refuse_unsafe(status: os.stat_result, path: Path, where: str) -> None:
    quoted = shlex.quote(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{where} is not a regular file", hint="name a file that holds the key")
    if status.st_uid != os.geteuid():
        raise ConfigError(f"{where} belongs to another user", hint=f"make it yours: chown {os.geteuid()} {quoted}")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            f"{where} can be used by other users (its mode is {mode:04o})", hint=f"run chmod 600 {quoted}"
        )


def _usable(key: str, where: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{where} holds blanks or characters that no key has", hint="it must hold the key alone")
    return key
