"""What a rollout's file name says: `rollout-<stamp>-<uuid>.jsonl`.

The id is looked for from the right: the shortest tail behind a dash that is a whole UUID. What is left of it must be
a stamp, otherwise the name only looks like a rollout's and says nothing about its thread.
"""

import re

import attrs

from state.ids import ThreadId
from state.rollouts.stamps import file_stamp_ms

PREFIX = "rollout-"
SUFFIX = ".jsonl"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_BARE_UUID = re.compile(r"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})", re.ASCII)
_UUID_LENGTHS = (32, 36)  # without and with its dashes


@attrs.frozen
class RolloutName:
    """What the name of a rollout says; None where it says nothing.

    Attributes:
      stamp_ms: the stamp read as UTC, Unix ms.
    """

    stamp_ms: int | None
    thread_id: ThreadId | None


def rollout_name(name: str) -> RolloutName | None:
    """Read a file name (no folders). None when it is not called like a rollout at all."""
    if not (name.startswith(PREFIX) and name.endswith(SUFFIX) and len(name) > len(PREFIX) + len(SUFFIX)):
        return None
    middle = name[len(PREFIX) : -len(SUFFIX)]
    for length in _UUID_LENGTHS:
        stamp, dash, uuid = middle[: -length - 1], middle[-length - 1 : -length], middle[-length:]
        thread_id = thread_id_of(uuid) if dash == "-" else None
        if thread_id is not None:
            stamp_ms = file_stamp_ms(stamp)
            return RolloutName(stamp_ms, thread_id if stamp_ms is not None else None)
    return RolloutName(file_stamp_ms(middle), None)


def thread_id_of(text: str) -> ThreadId | None:
    """The canonical lower-case form of a UUID in any of its usual spellings; None when `text` is not a UUID."""
    uuid = text.lower().removeprefix("urn:uuid:")
    if _UUID.fullmatch(uuid) is not None:
        return ThreadId(uuid)
    bare = _BARE_UUID.fullmatch(uuid)
    return None if bare is None else ThreadId("-".join(bare.groups()))
