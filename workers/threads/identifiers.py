"""Fresh ids: UUIDs of version 7, whose first 48 bits are the time, so that they sort by when they were made."""

import os
import uuid

_RANDOM_BITS = 74


def uuid7(at_ms: int) -> str:
    """A fresh UUID made at `at_ms`, Unix ms."""
    random = int.from_bytes(os.urandom(10), "big") >> (80 - _RANDOM_BITS)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return str(uuid.UUID(int=(at_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))
