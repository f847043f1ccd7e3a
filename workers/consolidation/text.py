"""Putting data into Markdown so that it stays data: one line stays one line, and no entry can pretend to be another."""

import datetime
import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_FORGES = re.compile(r"^(\s*)(#{1,6}(?:\s|$)|(?:-+|=+)\s*$|```|~~~)", re.MULTILINE)
"""What makes a heading, a rule or a fence of a line; a line of - or = also makes a heading of the one above it."""


def one_line(text: str) -> str:
    """The text without line breaks, control characters and direction overrides."""
    return _CONTROL.sub(" ", text).strip()


def quoted_block(text: str) -> str:
    """A text of several lines whose headings, rules and fences are escaped, so that it cannot open a new entry."""
    return _FORGES.sub(r"\1\\\2", text.replace("\r\n", "\n").replace("\r", "\n").strip())


def rfc3339(at_ms: int) -> str:
    """Unix ms as "2026-11-21T01:49:42+00:00"."""
    return datetime.datetime.fromtimestamp(at_ms // 1000, datetime.UTC).isoformat()


def day(at_ms: int) -> str:
    """Unix ms as "2026-11-21", UTC."""
    return rfc3339(at_ms)[:10]


def cut_at_line(lines: list[str], chars_max: int) -> list[str]:
    """As many whole lines from the start as fit into chars_max, counting a line break each."""
    kept = []
    left = chars_max
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            break
        kept.append(line)
    return kept
