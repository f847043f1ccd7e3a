"""Patterns of the standard library that are compiled when they are first asked.

Most texts hold nothing that a rule would have to judge, so most processes never ask them; compiling them all took more
of a start than reading the first files.
"""

import re
from typing import Any, AnyStr, cast


class _Late:
    """Stands for a pattern; two threads may come to it at once, and both compile the same."""

    def __init__(self, source: Any, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        # Found as an ordinary attribute from now on.
        method = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, method)
        return method


def late(source: AnyStr, flags: int = 0) -> "re.Pattern[AnyStr]":
    """As `re.compile`, but what is wrong with the source is said at the first use."""
    return cast("re.Pattern[AnyStr]", _Late(source, flags))
