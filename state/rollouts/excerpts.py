"""A few words around a place in a text, as a search shows what it has found; and what counts as space in such texts."""

import re

import attrs

BEFORE_CHARS_MAX = 49
AFTER_CHARS_MAX = 96
"""How much is shown on either side of what was found. The Codex app-server shows as much."""

CUT_BEFORE, CUT_AFTER = "... ", " ..."

_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Unicode calls white space. Python's own `str.split` and `str.strip` also take U+001C to U+001F for it."""

_SPACES = re.compile(f"[{_SPACE}]+")


@attrs.frozen(kw_only=True)
class Excerpt:
    """A part of a text around a place.

    Attributes:
      text: the part, without marks.
      start, end: where the place is in it.
      is_cut_before, is_cut_after: whether the whole text begins earlier, or ends later.
    """

    text: str
    start: int
    end: int
    is_cut_before: bool
    is_cut_after: bool

    def marked(self, text: str | None = None) -> str:
        """The part, or what was made of it, with a mark on each side that was cut."""
        before, after = CUT_BEFORE if self.is_cut_before else "", CUT_AFTER if self.is_cut_after else ""
        return f"{before}{self.text if text is None else text}{after}"


def excerpt(text: str, start: int, end: int) -> Excerpt:
    """What stands around text[start:end]."""
    first, last = max(0, start - BEFORE_CHARS_MAX), min(len(text), end + AFTER_CHARS_MAX)
    return Excerpt(
        text=text[first:last],
        start=start - first,
        end=end - first,
        is_cut_before=first > 0,
        is_cut_after=last < len(text),
    )


def trimmed(text: str) -> str:
    """The text without white space around it."""
    first, last = 0, len(text)
    if match := _SPACES.match(text):
        first = match.end()
    while last > first and _SPACES.match(text, last - 1):
        last -= 1
    return text[first:last]


def squeezed(text: str) -> str:
    """The text on one line: without white space around it, and with one blank in the place of any within."""
    return _SPACES.sub(" ", trimmed(text))
