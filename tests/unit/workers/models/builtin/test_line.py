"""A line made from any text is one line and can be nothing else."""

import pytest

from workers.models.builtin.line import code, one_line, shorten


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\nlines\tand\r\nmore", "two lines and more"),
        ("  padded  ", "padded"),
        ("a\x00b\x1b[31mc\x7f", "a bc"),
        ("a\u2028b\u2029c\u0085d\u00a0e", "a b c d e"),
        ("left\u202eright\u2066\u2069\u200e", "leftright"),
        ("zero\u200bwidth\ufeff\u00ad", "zerowidth"),
        ("hidden\U000e0041\U000e0042", "hidden"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("نمی\u200cخواهم 👩\u200d💻", "نمی\u200cخواهم 👩\u200d💻"),
        ("# heading", "heading"),
        ("### - > 1. nested", "nested"),
        ("--- front: matter", "front: matter"),
        ("``` fence", "fence"),
        ("| table |", "table |"),
        ("-q is a flag, *args too", "-q is a flag, *args too"),
        ("2.5 seconds", "2.5 seconds"),
        ("a <!-- b --> c", "a (!-- b --) c"),
        ("see [thread 01a1] and [Thread x", "see (thread 01a1) and (Thread x)"),
        ("<oai-mem-citation> </rollout_ids>", "(oai-mem-citation> (/rollout_ids>"),
        ("Vec<String> and a < b -> c", "Vec<String> and a < b -> c"),
        ("#", ""),
        ("\u202e\n", ""),
    ],
)
def test_text_becomes_one_harmless_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("line", "chars_max", "short"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two…"),
        ("one two, three", 10, "one two…"),
        ("unbreakable", 6, "unbre…"),
        ("请修复登录页面的错误", 5, "请修复登…"),
        ("ae\u0301i", 3, "a…"),
        ("ab", 2, "ab"),
        ("abc", 2, "a…"),
    ],
)
def test_long_line_is_cut_at_a_word_with_an_ellipsis(line: str, chars_max: int, short: str) -> None:
    assert shorten(line, chars_max) == short
    assert len(short) <= chars_max


def test_code_cannot_leave_its_backticks() -> None:
    assert code("echo `date`\n# x", 40) == "`echo 'date' # x`"
    assert code("a long command line", 10) == "`a long…`"


def test_terminal_sequences_go_whole() -> None:
    assert one_line("Fix \x1b[31mred\x1b[0m and \x1b]0;title\x07the rest") == "Fix red and the rest"
