"""Decoding parameters, and the sentences in which the Codex app-server says what is wrong with them.

A *shape* takes a decoded JSON value and gives what it means. Structures are attrs classes whose fields carry their
shape; names are camelCase on the line. Unknown members are ignored; members are looked at in the order in which the
client wrote them, missing ones afterwards, so that the first thing said to be wrong is the same as there.
"""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.numbers import is_map, wide_integer, written

T = TypeVar("T")
Shape = Callable[[Any], T]

_SHAPE: Final = "rpc_shape"
_NAME: Final = "rpc_name"

U32_MAX = 2**32 - 1

_MAP: Final = "map"
_NUMBER_MEMBER: Final = "$serde_json::private::Number"
"""The one member of a number that is a map to the original."""


class WrongShapeError(Exception):
    """A value is not what it must be; the text is the end of the sentence for the client."""


class Absent:
    """Stands for a member that the client left out, where that means something else than null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


def member(shape: Shape[T], *, name: str | None = None) -> T:
    """A field that must be there."""
    field: T = attrs.field(metadata={_SHAPE: shape, _NAME: name})
    return field


def member_or(default: T, shape: Shape[T], *, name: str | None = None) -> T:
    """A field that may be left out. Null is only allowed where the shape allows it."""
    field: T = attrs.field(default=default, metadata={_SHAPE: shape, _NAME: name})
    return field


def decode(kind: type[T], params: Any) -> T:
    """Decode the parameters of a request into `kind`.

    Raises:
      RpcError: they are missing or wrong.
    """
    if params is None:
        raise RpcError("Invalid request: missing field `params`")
    try:
        wide = wide_integer(params)
        if wide is not None:
            raise WrongShapeError(f"invalid type: {wide}, expected any value")
        return structure(kind)(params)
    except WrongShapeError as error:
        raise RpcError(f"Invalid request: {error}") from error


def structure(kind: type[T]) -> Shape[T]:
    """The shape of an attrs class made with `member` and `member_or`; a list gives the members in their order."""

    def decoded(value: Any) -> T:
        fields = {_wire_name(field): field for field in attrs.fields(cast(type[attrs.AttrsInstance], kind))}
        if isinstance(value, list):
            needed = sum(field.default is attrs.NOTHING for field in fields.values())
            if len(value) < needed:
                raise WrongShapeError(
                    f"invalid length {len(value)}, expected struct {kind.__name__}"
                    f" with {len(fields)} element{'s' if len(fields) != 1 else ''}"
                )
            value = dict(zip(fields, value, strict=False))
        elif described(value) == _MAP and not isinstance(value, dict):
            value = {}  # a number that is a map to the original, with no member that it knows
        elif not isinstance(value, dict):
            raise WrongShapeError(f"invalid type: {described(value)}, expected struct {kind.__name__}")
        found = {
            fields[name].name: fields[name].metadata[_SHAPE](part) for name, part in value.items() if name in fields
        }
        for name, field in fields.items():
            if field.default is attrs.NOTHING and field.name not in found:
                raise WrongShapeError(f"missing field `{name}`")
        return kind(**found)

    return decoded


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise WrongShapeError(f"invalid type: {described(value)}, expected a string")
    return value


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WrongShapeError(f"invalid type: {described(value)}, expected a boolean")
    return value


def u32(value: Any) -> int:
    """An integer of 32 bits without sign."""
    if type(value) is not int or is_map(value):
        raise WrongShapeError(f"invalid type: {described(value)}, expected u32")
    if not 0 <= value <= U32_MAX:
        raise WrongShapeError(f"invalid value: {described(value)}, expected u32")
    return value


def anything(value: Any) -> Any:
    """Whatever it is."""
    return value


def nullable(shape: Shape[T]) -> Shape[T | None]:
    """The shape, or null."""
    return lambda value: None if value is None else shape(value)


def sequence(shape: Shape[T]) -> Shape[tuple[T, ...]]:
    """A list of such values."""

    def decoded(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise WrongShapeError(f"invalid type: {described(value)}, expected a sequence")
        return tuple(shape(part) for part in value)

    return decoded


def variant(*names: str) -> Shape[str]:
    """One of some words, or a map of one of them to nothing."""

    def decoded(value: Any) -> str:
        content = None
        if isinstance(value, dict):
            if len(value) != 1:
                raise WrongShapeError("invalid value: map, expected map with a single key")
            value, content = next(iter(value.items()))
        elif described(value) == _MAP:
            value = _NUMBER_MEMBER
        if not isinstance(value, str):
            raise WrongShapeError(f"invalid type: {described(value)}, expected string or map")
        if value not in names:
            raise WrongShapeError(f"unknown variant `{value}`, expected {one_of(names)}")
        if content is not None and content != {}:
            raise WrongShapeError(f"invalid type: {described(content)}, expected unit")
        return value

    return decoded


def untagged(kind: str, *shapes: Shape[T]) -> Shape[T]:
    """The first of several shapes that fits."""

    def decoded(value: Any) -> T:
        for shape in shapes:
            try:
                return shape(value)
            except WrongShapeError:
                continue
        raise WrongShapeError(f"data did not match any variant of untagged enum {kind}")

    return decoded


def one_of(names: tuple[str, ...]) -> str:
    """Words that are possible, as they are listed in a sentence."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) == 1:
        return quoted[0]
    return " or ".join(quoted) if len(quoted) == 2 else f"one of {', '.join(quoted)}"


def described(value: Any) -> str:
    """What kind of value it is, and which."""
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int() | float() if is_map(value):
            return _MAP
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{written(value)}`"
        case str():
            return f"string {json.dumps(value, ensure_ascii=False)}"
        case list():
            return "sequence"
        case _:
            return _MAP


def _wire_name(field: "attrs.Attribute[Any]") -> str:
    given = field.metadata[_NAME]
    if given is not None:
        return cast(str, given)
    first, *others = field.name.split("_")
    return first + "".join(part.capitalize() for part in others)
