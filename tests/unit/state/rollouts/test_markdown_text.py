"""What somebody reads of a text in Markdown; the expectations are what Codex 0.169.0 finds."""

import pytest

from state.rollouts.markdown_text import CHARS_MAX, words_of


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("plain", "plain"),
        ("", ""),
        ("# A *head*\nand **bo**ld `code`", "A head and bold code"),
        ("soft\nhard  \nend\\\nend", "soft hard end end"),
        ("[a *link*](http://x 'title') ![alt](y) <http://z> [r]\n\n[r]: /u", "a link alt http://z r"),
        ("- one\n  - two\n- three", "onetwo three"),
        ("- one\n\n  more\n- three", "one more three"),
        ("> quoted\n\n---\nend", "quoted end"),
        ("    code\n\n```py\nmore *code*\n```\nend", "code more *code* end"),
        ("<b>bold</b> <!-- said -->\n\n<div>\nblock\n</div>", "<b>bold</b> <!-- said --> <div> block </div>"),
        ("&amp; &copy; \\*stars\\* ~~no~~", "& © *stars* ~~no~~"),
        ("| a | b |\n|---|---|\n| c | d |", "| a | b | |---|---| | c | d |"),
    ],
)
def test_words_are_there_and_marks_are_not(markdown: str, words: str) -> None:
    assert words_of(markdown) == words


def test_deep_nesting_keeps_its_words() -> None:
    assert words_of(">" * 90 + "deep") == "deep"


def test_endless_nesting_costs_its_own_words() -> None:
    assert words_of("before\n\n" + ">" * 10_000 + "deep\n\nafter") == "before after"


def test_very_long_text_is_taken_as_it_is_written() -> None:
    assert words_of("**x** \n" * CHARS_MAX).startswith("**x** **x**")
