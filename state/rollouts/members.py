"""Members of decoded JSON, each looked at where it is used: it is what it must be, or the line is passed over.

Names are given as the different writers write them; the first that is there counts.
"""

from collections.abc import Mapping
from typing import Any

Members = Mapping[str, Any]


def text_of(members: Members, *names: str) -> str:
    """A text that must be there."""
    found = text_or_none(members, *names)
    if found is None:
        raise ValueError(f"no text {names[0]}")
    return found


def text_or_none(members: Members, *names: str) -> str | None:
    """A text, or nothing."""
    found = _first(members, names)
    if found is not None and not isinstance(found, str):
        raise ValueError(f"{names[0]} is no text")
    return found


def number_or_none(members: Members, *names: str) -> int | None:
    """A whole number, or nothing."""
    found = _first(members, names)
    if found is not None and type(found) is not int:
        raise ValueError(f"{names[0]} is no whole number")
    return found


def object_of(members: Members, *names: str) -> dict[str, Any]:
    """An object that must be there."""
    found = _first(members, names)
    if not isinstance(found, dict):
        raise ValueError(f"{names[0]} is no object")
    return found


def list_of(members: Members, *names: str) -> list[Any]:
    """A list; an empty one where there is none."""
    found = _first(members, names)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ValueError(f"{names[0]} is no list")
    return found


def texts_of(members: Members, *names: str) -> list[str]:
    """A list of texts; an empty one where there is none."""
    found = list_of(members, *names)
    if not all(isinstance(one, str) for one in found):
        raise ValueError(f"{names[0]} holds more than texts")
    return found


def objects_of(members: Members, *names: str) -> list[dict[str, Any]]:
    """A list of objects; an empty one where there is none."""
    found = list_of(members, *names)
    if not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{names[0]} holds more than objects")
    return found


def milliseconds_of(members: Members, *names: str) -> int | None:
    """A duration of seconds and nanoseconds, in whole milliseconds."""
    found = _first(members, names)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError(f"{names[0]} is no duration")
    seconds, nanoseconds = number_or_none(found, "secs"), number_or_none(found, "nanos")
    if seconds is None or nanoseconds is None:
        raise ValueError(f"{names[0]} is no duration")
    return seconds * 1000 + nanoseconds // 1_000_000


def camel(word: str) -> str:
    """A word of several parts, as clients write it."""
    first, *others = word.split("_")
    return first + "".join(part.capitalize() for part in others)


def _first(members: Members, names: tuple[str, ...]) -> Any:
    return next((members[name] for name in names if members.get(name) is not None), None)
