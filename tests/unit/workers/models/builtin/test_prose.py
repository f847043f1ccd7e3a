"""Which text of a message is the person's own."""

import pytest

from workers.models.builtin.prose import PASTED_LINES_MIN, sentences_of


def said(message: str) -> list[str]:
    """The texts of a message's sentences."""
    return [sentence.text for sentence in sentences_of(message)]


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        ("Fix it. Then push!", ["Fix it.", "Then push!"]),
        ("Use e.g. tabs, i.e. real ones", ["Use e.g. tabs, i.e. real ones"]),
        ("main.py fails. why?", ["main.py fails.", "why?"]),
        ("one; two", ["one", "two"]),
        ("请修复。不要推送！好吗？", ["请修复。", "不要推送！", "好吗？"]),
        (
            "- first point\n* second point\n1. third point\n[ ] fourth",
            ["first point", "second point", "third point", "fourth"],
        ),
        ("# Title\n\ntext below", ["Title", "text below"]),
        ("a\r\nb\rc", ["a", "b", "c"]),
        (
            "this sentence was wrapped by hand because the window was that wide\nand it goes on here.",
            ["this sentence was wrapped by hand because the window was that wide and it goes on here."],
        ),
        ("use Vec<String> here", ["use Vec<String> here"]),
        ("<Button> should be blue", ["<Button> should be blue"]),
        ("", []),
        ("...", []),
    ],
)
def test_typed_text_is_cut_into_sentences(message: str, texts: list[str]) -> None:
    assert said(message) == texts


@pytest.mark.parametrize(
    "pasted",
    [
        "```\nnever do x\n```",
        "~~~python\nnever do x\n~~~",
        "```\nnever closed",
        "> never quoted",
        "    never_indented()",
        "$ never --run this",
        ">>> never('x')",
        "2026-11-21T01:49:45Z never connect",
        "[ERROR] never connect",
        "npm ERR! never published",
        "error[E0425]: never found",
        "ValueError: never mind the value",
        '  File "never.py", line 3, in never',
        "    at never (never.js:1:2)",
        '{"never": "always"}',
        "if (never) {",
        "from never import always",
        "def never(always):",
        "+------+------+",
        "| never | always |",
        "Traceback (most recent call last):\n  never\nalways",
        "diff --git a/never b/never\n+never\n-always",
        "*** Begin Patch\n*** Update File: never.py\n+always",
        "<skill>\nnever do x\n</skill>",
        '<context kind="file">\nalways do y\n</context>',
        "0123456789abcdef " * 20,
        "[... 116015 characters left out ...]",
        "…1200 tokens truncated…",
    ],
)
def test_pasted_text_is_left_out(pasted: str) -> None:
    assert said(f"before it\n\n{pasted}") == ["before it"]


def test_text_after_a_paste_is_heard_again() -> None:
    assert said("```\nx\n```\n\nafter it") == ["after it"]


@pytest.mark.parametrize(("line", "is_kept"), [("plain words", False), ("- a point", True)])
def test_long_paragraph_is_a_paste_unless_it_is_a_list(line: str, is_kept: bool) -> None:
    paragraph = "\n".join([line] * PASTED_LINES_MIN)

    assert bool(said(paragraph)) == is_kept


def test_quotations_are_masked_but_readable() -> None:
    (sentence,) = sentences_of("He said \"Never use tabs\" and `always` and 'no', don't you?")

    assert sentence.text == "He said \"Never use tabs\" and `always` and 'no', don't you?"
    assert sentence.masked == "he said \"xxxxx xxx xxxx\" and `xxxxxx` and 'xx', don't you?"
    assert sentence.is_question


@pytest.mark.parametrize("text", ["İstanbul'da never", "ß ŉ ΐ"])
def test_mask_keeps_its_place_when_lower_case_is_longer(text: str) -> None:
    (sentence,) = sentences_of(text)

    assert len(sentence.masked) == len(sentence.text)
