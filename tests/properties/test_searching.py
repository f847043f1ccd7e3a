"""Searches hold for any text: what is passed over quickly does not have the term, wherever blocks and lines end."""

from hypothesis import example, given
from hypothesis import strategies as st

from state.rollouts.excerpts import excerpt, squeezed, trimmed
from state.rollouts.markdown_text import WordsTest, words_of
from state.rollouts.occurrences import places_of
from state.rollouts.search_term import SearchTerm

MARKS = st.sampled_from(
    [
        *(
            "*",
            "**",
            "_",
            "`",
            "```",
            "~~~",
            "[",
            "]",
            "](",
            ")",
            "](x)",
            "![",
            "[r]",
            "<",
            ">",
            "<b>",
            "</b>",
            "&amp;",
            "&#65;",
        ),
        *(
            "\\",
            "|",
            "- ",
            "  - ",
            "1. ",
            "# ",
            "> ",
            "\n",
            "\n\n",
            "  \n",
            " ",
            "    ",
            "---",
            "***",
            "\n[r]: /u\n",
            "```py\n",
        ),
    ]
)
LETTERS = st.sampled_from(["a", "b", "ab", "ba", "A", "ß", "s", "İ", "i", "1", "é", "\u0301"])
MARKDOWN = st.lists(MARKS | LETTERS, max_size=25).map("".join)
TERMS = st.lists(LETTERS, min_size=1, max_size=4).map("".join) | st.text(min_size=1, max_size=3)


@given(MARKDOWN, TERMS)
@example("- a\n  ```b\n  b", "ab")
@example("[a][x y\nz]b", "ab")
@example("a&#98;", "ab")
def test_no_text_is_passed_over_that_has_the_term(markdown: str, term: str) -> None:
    assert WordsTest(term).may_be_in(markdown) or not list(places_of(term, words_of(markdown)))


@given(MARKDOWN)
def test_every_beginning_of_the_words_is_found(markdown: str) -> None:
    words = words_of(markdown)
    for length in (1, 2, 3, 5):
        for start in range(max(0, len(words) - length + 1)):
            assert WordsTest(words[start : start + length]).may_be_in(markdown)


@given(st.text(), st.integers(0, 300), st.integers(1, 300))
@example("x" * 500, 49, 1)
@example("x" * 500, 50, 1)
def test_excerpt_shows_the_place(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    length = min(length, len(text) - start)
    around = excerpt(text, start, start + length)

    assert around.text[around.start : around.end] == text[start : start + length]
    assert around.text in text
    assert (around.is_cut_before, around.is_cut_after) == (start > 49, start + length + 96 < len(text))


@given(st.text(st.characters(categories=["Zs", "Zl", "Zp", "Cc", "L"])))
def test_squeezing_is_done_once_and_leaves_only_blanks(text: str) -> None:
    squeezed_once = squeezed(text)

    assert squeezed(squeezed_once) == trimmed(squeezed_once) == squeezed_once
    assert "  " not in squeezed_once


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.sampled_from("aAk\\")
)
def test_lines_that_may_have_a_letter_are_given_in_order_and_once(lines: list[bytes], term: str) -> None:
    escaped = b"\\\\" if term == "\\" else term.encode()
    given_lines = list(SearchTerm(term).lines_with(b"\n".join(lines)))

    kelvin = "\u212a".encode()
    assert given_lines == [
        line for line in lines if escaped.lower() in line.lower() or (term == "k" and kelvin in line)
    ]
