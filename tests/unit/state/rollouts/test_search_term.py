"""A term is found in bytes and in texts, whatever its case and its characters."""

import pytest

from state.rollouts.search_term import PATTERN_CHARS_MAX, TERM_BYTES_MAX, SearchTerm, TermTooLongError


def lines_with(term: str, *lines: bytes) -> list[bytes]:
    return list(SearchTerm(term).lines_with(b"".join(line + b"\n" for line in lines)))


def test_only_lines_that_may_have_the_term_are_looked_at() -> None:
    assert lines_with("Till", b"no", b"a till a till", b"", b"TILL", b"ti", b"ll") == [b"a till a till", b"TILL"]
    assert list(SearchTerm("a").lines_with(b"b\na")) == [b"a"]
    assert list(SearchTerm("a").lines_with(b"")) == []


def test_term_is_looked_for_as_json_writes_it() -> None:
    assert lines_with('say "a"\n', rb'{"say \"a\"\nb"}', b'say "a"') == [rb'{"say \"a\"\nb"}']
    assert lines_with("zażółć", '"ZAŻÓŁĆ"'.encode()) == ['"ZAŻÓŁĆ"'.encode()]


@pytest.mark.parametrize("term", [".", "a.c", "(", "[a", "\\", "$", "^", "a|b", "*", "(?i)"])
def test_signs_of_patterns_mean_themselves(term: str) -> None:
    assert SearchTerm(term).place_in("abc") is None
    assert SearchTerm(term).place_in(f"abc{term}") == (3, 3 + len(term))
    assert lines_with(term, b"bcd") == []


def test_lines_that_are_no_utf8_are_searched_too() -> None:
    assert lines_with("till", b"\xff\xfe Till \xff") == [b"\xff\xfe Till \xff"]


@pytest.mark.parametrize(
    ("term", "text", "place"),
    [
        ("TILL", "in the till", (7, 11)),
        ("k", "\u212a", (0, 1)),
        ("s", "ſ", (0, 1)),
        ("ΣΑΣ", "σας", (0, 3)),
        ("ẞ", "straße", (4, 5)),
        ("ss", "straße", None),
        ("i", "İ", None),
        ("ǆ", "ǅ", (0, 1)),
        ("\ud800", "a", None),
    ],
)
def test_upper_and_lower_case_are_one_character_by_character(
    term: str, text: str, place: tuple[int, int] | None
) -> None:
    assert SearchTerm(term).place_in(text) == place


def test_long_term_is_found_whole_or_not_at_all() -> None:
    term = "Long " * PATTERN_CHARS_MAX
    (line,) = lines_with(term, term.encode(), b"long")

    assert SearchTerm(term).place_in(f"x{line.decode().upper()}") == (1, 1 + len(term))
    assert SearchTerm(term).place_in(term[:-1]) is None


@pytest.mark.parametrize("char", ["x", '"', "é"])
def test_term_has_a_longest_size_as_json_writes_it(char: str) -> None:
    written = 1 if char == "x" else 2

    assert SearchTerm(char * (TERM_BYTES_MAX // written)).place_in("x") is None
    with pytest.raises(TermTooLongError):
        SearchTerm(char * (TERM_BYTES_MAX // written + 1))
