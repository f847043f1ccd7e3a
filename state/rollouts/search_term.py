"""What is searched for: a text, found whatever its case, in the bytes of a rollout and in what was said.

Upper and lower case of a character are one, as simple case folding of Unicode has it; the length of a text does not
change by that, so "ß" is not "ss".
"""

import json
from collections.abc import Iterator
from typing import Any

import re2

TERM_BYTES_MAX = (128 << 10) - 1
"""As it stands in a rollout, that is with escapes. The Codex app-server gives a longer one to no other program."""

PATTERN_CHARS_MAX = 200
"""So much of a term leads to the lines that may hold it. A pattern of a long one would cost memory and time."""

_PATTERN_BYTES_MAX = 16 << 20


class TermTooLongError(Exception):
    """The term is longer than TERM_BYTES_MAX."""


class _Folds(dict[int, int]):
    """Each character that was met, by its number, and the one that stands for it in all cases."""

    def __missing__(self, number: int) -> int:
        char = chr(number)
        folded = next((one for one in (char.casefold(), char.lower()) if len(one) == 1), char)
        self[number] = ord(folded)
        return self[number]


_folds = _Folds()


class SearchTerm:
    """A term, compiled.

    Raises:
      TermTooLongError: it is too long.
    """

    def __init__(self, text: str) -> None:
        escaped = json.dumps(text, ensure_ascii=False)[1:-1]
        if len(escaped.encode(errors="replace")) > TERM_BYTES_MAX:
            raise TermTooLongError
        self._folded = text.translate(_folds)
        options = re2.Options()
        options.case_sensitive = False
        options.literal = True
        options.log_errors = False
        options.never_capture = True
        options.max_mem = _PATTERN_BYTES_MAX
        self._pattern: Any = re2.compile(escaped[:PATTERN_CHARS_MAX].encode(errors="replace"), options)

    def lines_with(self, lines: bytes) -> Iterator[bytes]:
        """The lines that may hold the term, without line feeds. Other threads run while they are searched."""
        begin = 0
        while begin <= len(lines):
            found = self._pattern.search(lines, begin)
            if found is None:
                return
            end = lines.find(b"\n", found.start())
            end = len(lines) if end < 0 else end
            yield lines[lines.rfind(b"\n", 0, found.start()) + 1 : end]
            begin = end + 1

    def place_in(self, text: str) -> tuple[int, int] | None:
        """Where the term stands first in a text: its start and its end."""
        start = text.translate(_folds).find(self._folded)
        return None if start < 0 else (start, start + len(self._folded))
