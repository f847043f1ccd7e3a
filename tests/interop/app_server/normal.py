"""Answers of two servers made comparable: what belongs to the run goes, what belongs to the threads stays."""

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from config.version import VERSION
from tests.interop.installation import CODEX_VERSION

_OWN_ID = re.compile(r"(?!01a00000-0000-7000-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""An id that the server made. Those of stored threads, turns and items begin otherwise."""

_FILE_OF_OWN_ID = re.compile(r"sessions/\d{4}/\d\d/\d\d/rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-<id")
_ARCHIVED_FILE_OF_OWN_ID = re.compile(r"archived_sessions/rollout-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-<id")
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

DAY_SECONDS = 86_400

_MEASURED = frozenset({"durationMs", "duration_ms", "time_to_first_token_ms"})
_NAMES_THE_PROGRAM = frozenset({"userAgent"})
_VERSIONS = frozenset({VERSION, CODEX_VERSION})
_MARKS = frozenset({"revision"})
"""Of what a client has read, which memoryd does not keep."""

MISSING = "<missing>"
TEXT_CHARS_MAX = 400


class Normal:
    """Makes the answers of one server comparable.

    Args:
      places: its own folders, each with the word that stands for it.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = sorted(places.items(), key=lambda place: -len(place[0]))
        self._ids: dict[str, str] = {}
        self._now = time.time()

    def of(self, value: Any, key: str = "") -> Any:
        """The value with words in the place of ids, times and folders of this run."""
        match value:
            case dict():
                return {self._text(name): self.of(part, name) for name, part in value.items()}
            case list():
                return [self.of(part, key) for part in value]
            case str():
                if key in _NAMES_THE_PROGRAM or (key == "cliVersion" and value in _VERSIONS):
                    return "<program>"
                return "<mark>" if key in _MARKS else self._text(value)
            case bool() | None:
                return value
            case int() | float():
                return self._number(value, key)
        raise TypeError(type(value))

    def _number(self, value: float, key: str) -> Any:
        if key in _MEASURED:
            return "<measured>"
        if abs(value - self._now) < DAY_SECONDS:
            return "<now>"
        return "<now, ms>" if abs(value / 1_000 - self._now) < DAY_SECONDS else value

    def _text(self, text: str) -> str:
        for folder, word in self._places:
            text = text.replace(folder, word)
        text = _OWN_ID.sub(lambda found: self._ids.setdefault(found[0], f"<id {len(self._ids) + 1}>"), text)
        text = _FILE_OF_OWN_ID.sub("sessions/<day>/rollout-<time>-<id", text)
        text = _ARCHIVED_FILE_OF_OWN_ID.sub("archived_sessions/rollout-<time>-<id", text)
        text = _ISO_TIME.sub(self._time, text)
        return text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}<{len(text)} characters>"

    def _time(self, found: re.Match[str]) -> str:
        try:
            at = datetime.fromisoformat(found[0]).timestamp()
        except ValueError:
            return found[0]
        return "<now>" if abs(at - self._now) < DAY_SECONDS else found[0]


def unlike(theirs: Any, ours: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two normal values differ: the path, and what each has there.

    Lists of threads differ in their ids and order, if they do, and then in what both have, thread by thread. Other
    lists of different length differ as a whole.
    """
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in dict.fromkeys((*theirs, *ours)):
            yield from unlike(theirs.get(name, MISSING), ours.get(name, MISSING), f"{path}.{name}" if path else name)
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from _unlike_lists(theirs, ours, path)
    elif theirs != ours or isinstance(theirs, bool) != isinstance(ours, bool):
        yield path, theirs, ours


def _unlike_lists(theirs: list[Any], ours: list[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    their_ids, our_ids = [_id(one) for one in theirs], [_id(one) for one in ours]
    if None in (*their_ids, *our_ids) or len(set(their_ids)) < len(theirs) or len(set(our_ids)) < len(ours):
        if len(theirs) != len(ours):
            yield path, theirs, ours
            return
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from unlike(one, other, f"{path}[{index}]")
        return
    if their_ids != our_ids:
        yield f"{path} ids", their_ids, our_ids
    by_id = dict(zip(our_ids, ours, strict=True))
    for one_id, one in zip(their_ids, theirs, strict=True):
        if one_id in by_id:
            yield from unlike(one, by_id[one_id], f"{path}[{one_id}]")


def _id(value: Any) -> str | None:
    """What a list's part is known by: the last digits of a thread's number, or any other id as it is."""
    if not isinstance(value, dict):
        return None
    found = value.get("id") or value.get("thread", {}).get("id")
    return found.removeprefix("01a00000-0000-7000-8000-0000000") if isinstance(found, str) else None
