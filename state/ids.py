"""The identifiers, instants and scopes that every part of memoryd speaks of.

Nothing here does anything: these are the words. GLOSSARY.md gives each its one meaning.
"""

from typing import NewType

import attrs

ThreadId = NewType("ThreadId", str)
"""One conversation with an agent: a lower-case UUID, taken from the rollout's first session_meta."""

OwnershipToken = NewType("OwnershipToken", str)
"""Opaque and random; proves one claim. Every later write of that claim's owner must show it."""

ProcessUuid = NewType("ProcessUuid", str)
"""Fresh at each process start, so that a restarted process never answers for its predecessor."""


@attrs.frozen(kw_only=True, order=True)
class Scope:
    """What a memory is about, for instance ("cwd", "/home/ann/shop"). Compared exactly, never by prefix."""

    kind: str
    key: str


@attrs.frozen(kw_only=True)
class Instant:
    """One reading of both clocks, handed to a rule; rules never look at a clock themselves.

    Attributes:
      wall_ms: milliseconds since the Unix epoch; for people, and for the age of transcripts. May jump.
      boot_ms: milliseconds since the machine booted, counting sleep; leases are judged by this clock.
      boot_id: changes with every boot; a lease from another boot has ended.
    """

    wall_ms: int
    boot_ms: int
    boot_id: str
