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

COMPRESSED_SUFFIX = ".zst"
"""Stands behind the name of a rollout whose file is compressed. The rollout's own name is without it."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_BARE_UUID = re.compile(r"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})", re.ASCII)
_UUID_LENGTHS = (32, 36)  # without and with its dashes
_USUAL = re.compile(rf"rollout-([0-9T-]{{19}})-({_UUID.pattern})\.jsonl", re.ASCII)
"""As Codex writes names; any other is taken apart piece by piece. A home may have hundreds of thousands."""


ZONES_MS_MAX = 26 * 3_600_000
"""No two places on earth have clocks that are further apart."""


@attrs.frozen
class RolloutName:
    """What the name of a rollout says; None where it says nothing.

    Attributes:
      stamp_ms: the stamp read as UTC, Unix ms.
    """

    stamp_ms: int | None
    thread_id: ThreadId | None

    @property
    def created_at_ms(self) -> int | None:
        """When the thread was made, Unix ms. The stamp is in the writer's local time, so where the id has a time of
        its own, and both can mean the same instant, that one counts."""
        born_ms = birth_ms(self.thread_id) if self.thread_id is not None else None
        if born_ms is None or self.stamp_ms is None or abs(born_ms - self.stamp_ms) > ZONES_MS_MAX:
            return self.stamp_ms
        return born_ms


def rollout_name(name: str) -> RolloutName | None:
    """Read a file name (no folders). None when it is not called like a rollout at all."""
    if not (name.startswith(PREFIX) and name.endswith(SUFFIX) and len(name) > len(PREFIX) + len(SUFFIX)):
        return None
    usual = _USUAL.fullmatch(name)
    if usual is not None and (stamp_ms := file_stamp_ms(usual[1])) is not None:
        return RolloutName(stamp_ms, ThreadId(usual[2]))
    middle = name[len(PREFIX) : -len(SUFFIX)]
    for length in _UUID_LENGTHS:
        stamp, dash, uuid = middle[: -length - 1], middle[-length - 1 : -length], middle[-length:]
        thread_id = thread_id_of(uuid) if dash == "-" else None
        if thread_id is not None:
            stamp_ms = file_stamp_ms(stamp)
            return RolloutName(stamp_ms, thread_id if stamp_ms is not None else None)
    return RolloutName(file_stamp_ms(middle), None)


def logical_name(name: str) -> str:
    """The name of the rollout that a file of this name holds, compressed or not; other names as they are."""
    plain = name.removesuffix(COMPRESSED_SUFFIX)
    return plain if plain != name and rollout_name(plain) is not None else name


def birth_ms(text: str) -> int | None:
    """When a UUID of version 7 was made, Unix ms; None for any other text."""
    thread_id = thread_id_of(text)
    if thread_id is None or thread_id[14] != "7":
        return None
    return int(thread_id[:8] + thread_id[9:13], 16)


def thread_id_of(text: str) -> ThreadId | None:
    """The canonical lower-case form of a UUID in any of its usual spellings; None when `text` is not a UUID."""
    uuid = text.lower().removeprefix("urn:uuid:")
    if _UUID.fullmatch(uuid) is not None:
        return ThreadId(uuid)
    bare = _BARE_UUID.fullmatch(uuid)
    return None if bare is None else ThreadId("-".join(bare.groups()))
