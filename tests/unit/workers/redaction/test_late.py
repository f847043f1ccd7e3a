"""A pattern that is compiled late answers what one that is compiled at once answers."""

import re
from typing import Any

import pytest

from workers.redaction.late import _Late, late


@pytest.mark.parametrize("method", ["search", "match", "fullmatch", "findall", "split"])
@pytest.mark.parametrize(
    ("source", "flags", "text"), [(r"a(b+)", 0, "xabbA"), (rb"\w+", 0, b"a b"), ("A B # c", 64, "AB")]
)
def test_late_pattern_answers_as_any_other(method: str, source: Any, flags: int, text: Any) -> None:
    pattern, at_once = late(source, flags), re.compile(source, flags)
    for _ in range(2):
        said, expected = getattr(pattern, method)(text), getattr(at_once, method)(text)
        spans = [(one.span(), one.groups()) if isinstance(one, re.Match) else one for one in (said, expected)]
        assert spans[0] == spans[1]


def test_late_pattern_is_compiled_once_and_not_before_it_is_asked() -> None:
    pattern = late("a(")
    assert isinstance(pattern, _Late)
    with pytest.raises(re.error):
        pattern.search("a")
    pattern = late("a")
    assert pattern.search is pattern.search
