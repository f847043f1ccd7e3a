r"""Reading the value that stands after a secret name.

A value is quoted or bare. Quotes may be escaped, since transcripts carry JSON in JSON: `\"` closes `\"`, `\\\"` closes
`\\\"`. A bare value ends at a blank, a quote, an escaped line break, or where the next pair of a list begins.
"""

import re

import attrs

from workers.redaction.late import late

VALUE_BYTES_MAX = 2 << 10
"""How far a closing quote is looked for; the bound keeps unclosed quotes linear. Longer secrets have no blanks in them
or are key blocks, and a value without blanks is followed to its end however long it is."""

TEXT_CHARS_MAX = 256
"""Enough of a value to judge it by its look."""

REST_CHARS_MAX = 80
"""Enough of what follows a value to see whether the line or the argument ends there."""


@attrs.frozen(kw_only=True)
class Value:
    """A value within a window of text.

    Attributes:
      start, end: offsets of what would be replaced, without its quotes.
      text: the characters between them, at most TEXT_CHARS_MAX.
      rest: what follows on the line, at most REST_CHARS_MAX, from the closing quote or punctuation on.
    """

    start: int
    end: int
    text: str
    quoted: bool
    rest: str


_OPENING = late(r"[fbruFBRU]{0,2}(?P<escapes>\\*)(?P<quote>\"{3}|'{3}|[\"'`])")
_BARE = late(r"(?:[^\s\"'`<>\\]+|\\(?![nrt\"'`\\]))+", re.ASCII)
_REST_OF_BARE = late(rb"[^\s\"'`<>\\]*")
_NEXT_PAIR = late(r"[&;,](?=[\w.%-]+=)|,(?=[\w-]+:)", re.ASCII)


def value_window(body: bytes, start: int) -> str:
    """Where a value that begins at this byte is looked for, a character for each byte."""
    return body[start : start + VALUE_BYTES_MAX].decode("latin-1")


def end_of_value(body: bytes, start: int, value: Value) -> int:
    """Where the value ends in the body whose window began at `start`: a value that fills its window goes on."""
    end = start + value.end
    if value.end < VALUE_BYTES_MAX:
        return end
    rest = _REST_OF_BARE.match(body, end)
    return rest.end() if rest else end


def read_value(window: str) -> Value | None:
    """The value at the start of a `value_window`, or None when there is none."""
    opening = _OPENING.match(window)
    if opening is None:
        return _bare_value(window, 0, quoted=False)
    quote, escapes = opening["quote"], len(opening["escapes"])
    limit = len(window) if len(quote) == 3 else _line_end(window, opening.end())
    for closing in re.compile(rf"(\\*){quote}").finditer(window, opening.end(), limit):
        run = len(closing[1])
        if run <= escapes or (run - escapes) % (2 * escapes + 2) == 0:
            end = closing.end() - len(quote) - min(run, escapes)
            return _value(window, opening.end(), end, quoted=True) if end > opening.end() else None
    return _bare_value(window, opening.end(), quoted=True)


def _bare_value(window: str, start: int, *, quoted: bool) -> Value | None:
    run = _BARE.match(window, start)
    if run is None:
        return None
    next_pair = _NEXT_PAIR.search(window, start, run.end())
    end = next_pair.start() if next_pair else run.end()
    end = start + len(window[start:end].rstrip(",;:.)]}"))
    return _value(window, start, end, quoted=quoted) if end > start else None


def _value(window: str, start: int, end: int, *, quoted: bool) -> Value:
    text = window[start : min(end, start + TEXT_CHARS_MAX)].encode("latin-1").decode("utf-8", "replace")
    rest = window[end : min(_line_end(window, end), end + REST_CHARS_MAX)].rstrip("\r")
    return Value(start=start, end=end, text=text, quoted=quoted, rest=rest)


def _line_end(window: str, start: int) -> int:
    end = window.find("\n", start)
    return len(window) if end < 0 else end
