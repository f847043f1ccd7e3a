"""From defaults, a TOML file, the environment and flags to `Settings`; later sources win key by key.

    defaults < config.toml < MEMORYD_<SECTION>_<KEY> < --set section.key=value

A wrong key or value stops the start with one sentence that names the key, the source and what was expected. Text from
the environment and from flags is read by the setting's own type; in TOML a number must be a number.
"""

import difflib
import functools
import json
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any

import attrs

from config.settings import Settings

if TYPE_CHECKING:
    import cattrs

ENVIRONMENT_PREFIX = "MEMORYD_"


class ConfigError(Exception):
    """A setting is wrong. `hint` says what to write instead; '' when the message says it all."""

    code = "config"
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@attrs.frozen(kw_only=True)
class _Given:
    """One value from one source, before it is checked."""

    value: Any
    source: str


def load(file: Path | None, environment: Mapping[str, str], overrides: Sequence[str]) -> Settings:
    """Build the settings.

    Args:
      file: an existing TOML file, or None.
      environment: e.g. os.environ; only names that begin with MEMORYD_<SECTION>_ of a known section are looked at.
      overrides: "section.key=value" texts, as --set takes them.

    Raises:
      ConfigError: the first thing that is wrong.
    """
    given: dict[tuple[str, str], _Given] = {}
    if file is not None:
        given.update(_from_toml(file))
    given.update(_from_environment(environment))
    given.update(_from_overrides(overrides))
    sections: dict[str, dict[str, Any]] = {}
    for (section, key), one in given.items():
        sections.setdefault(section, {})[key] = _checked(section, key, one)
    return Settings(**{name: _SECTIONS[name](**values) for name, values in sections.items()})


_SECTIONS: dict[str, Callable[..., Any]] = {field.name: type(field.default) for field in attrs.fields(Settings)}
_TYPES: dict[tuple[str, str], Any] = {
    (section, key): kind for section, cls in _SECTIONS.items() for key, kind in typing.get_type_hints(cls).items()
}

_NOT_REPEATED = {("responses", "base_url"), ("responses", "api_key_env")}
"""A password or a key may stand here by mistake; an error does not repeat it."""


_TRUTHS = {"true": True, "false": False}
"""How a truth value is written in the environment and in flags: as in TOML, and in no other way."""


def _from_toml(file: Path) -> dict[tuple[str, str], _Given]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {file} is not valid TOML: {error}") from error
    given = {}
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{section} in {file} stands outside any section", hint=_known_sections())
        for key, value in table.items():
            _refuse_unknown(section, key, str(file))
            given[section, key] = _Given(value=value, source=str(file))
        if not table and section not in _SECTIONS:
            _refuse_unknown(section, "", str(file))
    return given


def _from_environment(environment: Mapping[str, str]) -> dict[tuple[str, str], _Given]:
    given = {}
    for section, key in _TYPES:
        name = f"{ENVIRONMENT_PREFIX}{section}_{key}".upper()
        if name in environment:
            source = f"the environment variable {name}"
            given[section, key] = _Given(value=_parsed(section, key, environment[name], source), source=source)
    for name in environment:
        _refuse_misspelt(name)
    return given


def _refuse_misspelt(name: str) -> None:
    """Refuse a variable that begins like one of ours and is none; silence would hide a typing error."""
    for section in _SECTIONS:
        prefix = f"{ENVIRONMENT_PREFIX}{section}_".upper()
        if name.startswith(prefix):
            _refuse_unknown(section, name.removeprefix(prefix).lower(), f"the environment variable {name}")


def _from_overrides(overrides: Sequence[str]) -> dict[tuple[str, str], _Given]:
    given = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        section, dot, key = name.strip().partition(".")
        source = f"--set {text}"
        if not equals or not dot:
            raise ConfigError(f"{source} is not of the form section.key=value")
        _refuse_unknown(section, key, source)
        if (section, key) in _NOT_REPEATED:
            source = f"--set {section}.{key}"
        given[section, key] = _Given(value=_parsed(section, key, value.strip(), source), source=source)
    return given


def _refuse_unknown(section: str, key: str, source: str) -> None:
    if (section, key) in _TYPES:
        return
    if section not in _SECTIONS:
        near = difflib.get_close_matches(section, _SECTIONS, n=1)
        hint = f"did you mean [{near[0]}]?" if near else _known_sections()
        raise ConfigError(f"there is no section [{section}] (in {source})", hint=hint)
    keys = [known for owner, known in _TYPES if owner == section]
    near = difflib.get_close_matches(key, keys, n=1)
    hint = f"did you mean {section}.{near[0]}?" if near else f"known keys of [{section}]: {', '.join(keys)}"
    raise ConfigError(f"there is no setting {section}.{key} (in {source})", hint=hint)


def _known_sections() -> str:
    return f"sections are {', '.join(f'[{name}]' for name in _SECTIONS)}"


def _parsed(section: str, key: str, text: str, source: str) -> Any:
    """Text from the environment or a flag, read as the setting's type wants it; '' unsets what may be unset."""
    kind = _TYPES[section, key]
    if text == "" and _may_be_unset(kind):
        return None
    kind = _without_none(kind)
    if kind is bool:
        if text not in _TRUTHS:
            raise _wrong(section, key, _Given(value=text, source=source))
        return _TRUTHS[text]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise _wrong(section, key, _Given(value=text, source=source)) from None
    if _is_tuple(kind):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _checked(section: str, key: str, one: _Given) -> Any:
    try:
        value = _strict_converter().structure(one.value, _TYPES[section, key])
    except Exception as error:
        raise _wrong(section, key, one) from error
    try:
        _SECTIONS[section](**{key: value})
    except ValueError as error:
        raise ConfigError(f"{section}.{key} must be {error} (in {one.source})") from error
    return value


def _wrong(section: str, key: str, one: _Given) -> ConfigError:
    shown = json.dumps(one.value, ensure_ascii=False, default=str)
    wants_number = _without_none(_TYPES[section, key]) in (int, float)
    return ConfigError(
        f"{section}.{key} must be {_expected(section, key)}, not {shown} (in {one.source})",
        hint="the unit is part of the key's name; write the bare number"
        if wants_number and isinstance(one.value, str)
        else "",
    )


def _expected(section: str, key: str) -> str:
    kind = _without_none(_TYPES[section, key])
    unit = next((unit for unit in ("seconds", "hours", "days", "bytes") if unit in key.split("_")), "")
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(
        kind, "a list of texts"
    )
    return f"{words} of {unit}" if unit else words


def _may_be_unset(kind: Any) -> bool:
    return isinstance(kind, UnionType) and NoneType in typing.get_args(kind)


def _is_tuple(kind: Any) -> bool:
    origin: Any = typing.get_origin(kind)
    return origin is tuple


def _without_none(kind: Any) -> Any:
    if _may_be_unset(kind):
        (kind,) = (argument for argument in typing.get_args(kind) if argument is not NoneType)
    return kind


@functools.cache
def _strict_converter() -> "cattrs.Converter":
    """A converter that takes no text for a number, no number for a text, and a truth value for nothing else.

    It is made for the first setting that is given; most starts give none.
    """
    import cattrs

    converter = cattrs.Converter(forbid_extra_keys=True)

    def strict(*allowed: type) -> Callable[[Any, Any], Any]:
        def structure(value: Any, kind: Any) -> Any:
            if isinstance(value, bool) or not isinstance(value, allowed):
                raise TypeError(f"expected {kind}, got {type(value)}")
            return kind(value)

        return structure

    converter.register_structure_hook(bool, _only_truth)
    converter.register_structure_hook(int, strict(int))
    converter.register_structure_hook(float, strict(int, float))
    converter.register_structure_hook(str, strict(str))
    converter.register_structure_hook_func(
        _is_tuple,
        lambda value, _: tuple(_only_texts(value)),
    )
    return converter


def _only_truth(value: Any, _kind: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected a truth value")
    return value


def _only_texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise TypeError("expected a list of texts")
    return value
