"""File names of rollout summaries: `<UTC stamp>-<hash>[-<slug>]`, as the Codex CLI names them."""

import datetime
import re
import uuid

from state.messages.consolidation import ScopeMemory

_BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SLUG_CHARS_MAX = 60
_CALENDAR_MS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999


def summary_stems(memories: tuple[ScopeMemory, ...]) -> dict[str, str]:
    """Give each memory's thread id its file stem; equal stems get the whole id, so that none overwrites another."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for memory in memories:
        stem = summary_stem(memory.thread_id, memory.rollout_slug, source_at_ms=memory.source_at_ms)
        if stem in taken:
            stem = f"{stem}-{memory.thread_id}"
        taken.add(stem)
        stems[memory.thread_id] = stem
    return stems


def summary_stem(thread_id: str, slug: str | None, *, source_at_ms: int) -> str:
    """The stem for one thread. The stamp is the thread's birth where its UUID tells (versions 1 and 7), else the
    source's time.

    >>> summary_stem("0194f5a6-89ab-7cde-8123-456789abcdef", "Fix the Login!", source_at_ms=0)
    '2025-02-11T15-35-19-jqmb-fix_the_login'
    """
    at_ms, low_bits = source_at_ms, 0
    try:
        parsed = uuid.UUID(thread_id)
    except ValueError:
        for byte in thread_id.encode():
            low_bits = (low_bits * 31 + byte) % 2**32
    else:
        low_bits = parsed.int % 2**32
        birth_ms = _birth_ms(parsed)
        at_ms = birth_ms if birth_ms is not None else source_at_ms
    stamp = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S")
    number = low_bits % 62**4
    digits = "".join(_BASE62[number // 62**place % 62] for place in (3, 2, 1, 0))
    return "-".join(part for part in (stamp, digits, _file_slug(slug)) if part)


def _birth_ms(thread_id: uuid.UUID) -> int | None:
    """When the id was made, Unix ms; None when its version does not tell, or no calendar holds what it tells."""
    birth_ms = None
    if thread_id.version == 7:
        birth_ms = thread_id.int >> 80
    elif thread_id.version == 1:
        birth_ms = (thread_id.time - 0x01B21DD213814000) // 10_000
    return birth_ms if birth_ms is not None and 0 <= birth_ms <= _CALENDAR_MS_MAX else None


def _file_slug(slug: str | None) -> str:
    return re.sub(r"[^a-z0-9]", "_", (slug or "")[:_SLUG_CHARS_MAX].lower()).rstrip("_")
