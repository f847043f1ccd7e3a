"""The one place that knows google-re2: patterns over bytes, in linear time, whatever the text holds.

Text is matched as bytes and patterns as Latin-1, so a byte is a character: lone surrogates and broken UTF-8 cannot make
a match fail, and offsets need no decoding. Patterns therefore name ASCII characters only, and a match begins and ends
beside one of those or at the end of a run of everything else, never inside a character.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import re2

Span = tuple[int, int]
"""(start, end) in bytes; (-1, -1) for a group that took no part in a match."""

DFA_BYTES_MAX = 64 << 20
"""Memory of one pattern's automaton. RE2's default of 8 MiB makes the combined pre-filter throw its states away."""


def _options(*, captures: bool) -> Any:
    options = re2.Options()
    options.never_capture = not captures
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = DFA_BYTES_MAX
    return options


class Pattern:
    """A pattern, compiled when it is first asked.

    Args:
      source: RE2 syntax, ASCII only.
      captures: False makes groups mere brackets, so that patterns with the same group names can stand side by side.
    """

    def __init__(self, source: str, *, captures: bool = True) -> None:
        self._source = source
        self._captures = captures

    @cached_property
    def _compiled(self) -> Any:
        return re2.compile(self._source.encode("ascii"), _options(captures=self._captures))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name.decode(): number for name, number in self._compiled.groupindex.items()}

    def occurs_in(self, body: bytes) -> bool:
        """True when the pattern matches anywhere."""
        return self._compiled.search(body) is not None

    def find(self, body: bytes, *groups: str) -> Iterator[tuple[Span, ...]]:
        """The spans of each match, from left to right without overlap: the whole match, then the named groups."""
        numbers = [0, *(self._numbers[group] for group in groups)]
        for match in self._compiled.finditer(body):
            yield tuple(match.span(number) for number in numbers)


class Gates:
    """Many patterns, asked at once which of them occur in a text: one or two passes, however many there are.

    `re2.Set` knows which patterns hit, but when its DFA runs out of memory it answers "none", which for redaction is
    the wrong way to fail. A plain alternation falls back to a slower automaton and always answers. So the alternation
    says whether there is anything, and when the set then knows of nothing, every pattern counts.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = tuple(sources)
        self._everything = range(len(sources))
        self._any = Pattern("|".join(f"(?:{source})" for source in sources), captures=False)

    @cached_property
    def _set(self) -> Any:
        patterns = re2.Set.SearchSet(_options(captures=False))
        for source in self._sources:
            patterns.Add(source.encode("ascii"))
        patterns.Compile()
        return patterns

    def open_for(self, body: bytes) -> Sequence[int]:
        """Indexes of the patterns that may occur in the text, in order; empty when none does."""
        if not self._any.occurs_in(body):
            return ()
        return sorted(self._set.Match(body)) or self._everything
