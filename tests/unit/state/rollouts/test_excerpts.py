"""What is shown around a place, and what counts as space."""

import pytest

from state.rollouts.excerpts import excerpt, squeezed, trimmed


def test_short_text_is_shown_whole_and_without_marks() -> None:
    around = excerpt("in the till", 7, 11)

    assert (around.marked(), around.text[around.start : around.end]) == ("in the till", "till")


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (49, 96, f"{'b' * 49}X{'a' * 96}"),
        (50, 96, f"... {'b' * 49}X{'a' * 96}"),
        (49, 97, f"{'b' * 49}X{'a' * 96} ..."),
        (9_000, 9_000, f"... {'b' * 49}X{'a' * 96} ..."),
    ],
)
def test_longer_text_is_cut_and_marked_on_the_side_that_was_cut(before: int, after: int, shown: str) -> None:
    around = excerpt("b" * before + "X" + "a" * after, before, before + 1)

    assert around.marked() == shown
    assert around.text[around.start : around.end] == "X"


def test_space_is_what_unicode_calls_white_space() -> None:
    assert squeezed("\t a \n\n b\u00a0\u2003c\u2028 ") == "a b c"
    assert trimmed(" \u3000a  b\x85\r\n") == "a  b"
    assert trimmed(" \n") == squeezed("") == ""


def test_separators_of_files_and_records_are_no_space() -> None:
    assert squeezed("\x1ca\x1d \x1e b\x1f") == "\x1ca\x1d \x1e b\x1f"
    assert trimmed("\x1c \x1c") == "\x1c \x1c"
