"""Checks of single settings. Each says in words what is expected; `config.load` names the key and the source."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs

Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def between(low: float, high: float) -> Check:
    """Check a number's range, ends included; a setting that is not set passes."""

    def check(_settings: Any, _field: Any, value: Any) -> None:
        if value is not None and not low <= value <= high:
            raise ValueError(f"between {_written_out(low)} and {_written_out(high)}, not {_written_out(value)}")

    return check


def _written_out(number: float) -> str:
    """A number as a person writes it: a whole one in digits, unless they would fill a line."""
    return f"{number:.0f}" if abs(number) < 1e15 and number == int(number) else f"{number:.15g}"


def one_of(*texts: str) -> Check:
    """Check that a text is one of the known ones."""

    def check(_settings: Any, _field: Any, value: Any) -> None:
        if value not in texts:
            raise ValueError(f'{" or ".join(texts)}, not "{value}"')

    return check


def unset_or(check: Check) -> Check:
    """The check, for a setting that may be empty or not set."""

    def check_if_set(settings: Any, field: Any, value: Any) -> None:
        if value:
            check(settings, field, value)

    return check_if_set


def not_blank(_settings: Any, _field: Any, value: str) -> None:
    """Check that a text says something, in printable characters."""
    if not value.strip() or not value.isprintable():
        raise ValueError(f"a text that is not empty, without control characters, not {value!r}")


def variable_name(_settings: Any, _field: Any, value: str) -> None:
    """Check that a text can name an environment variable. A key that was written here by mistake is not shown."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):
        raise ValueError("the name of an environment variable (letters, digits and _)")


def whole_path(_settings: Any, _field: Any, value: str) -> None:
    """Check that a path does not depend on the folder that memoryd is started in."""
    if not value.startswith(("/", "~")) or "\0" in value:
        raise ValueError(f'a whole path, from / or ~ on, not "{value}"')


def http_url(_settings: Any, _field: Any, value: str) -> None:
    """Check an address that requests are sent to. What may hold a password is not shown."""
    expected = "a URL like https://api.openai.com/v1: http or https and a host"
    try:
        url = urlsplit(value)
        # Reading the port checks it, too.
        is_address = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_address = False
        url = urlsplit("")
    if "@" in value or url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError(f"{expected}, without user, password, query or fragment; the key has settings of its own")
    if not is_address or not value.isascii() or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(f'{expected}, not "{value}"')
