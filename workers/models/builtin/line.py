"""Text that fits into one line of a memory and can be nothing else there.

A transcript's text is data. Whatever it holds, the line made from it has no line break, no control or direction
characters, no Markdown that opens a block, and no markup that memories use themselves: HTML comments, front matter,
`[thread ...]` citations, the tags around citations. So no note can forge another entry.
"""

import re
import unicodedata

ELLIPSIS = "…"

_JOINERS = "\u200c\u200d"
"""Invisible, but parts of words in Persian and Hindi and of emoji; they form no markup."""
_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
"""Colours, titles and cursor moves of a terminal, whole: without its ESC the rest would stay as text."""
_BLOCK_OPENING = re.compile(r"(?:#+|>+|[-*+](?=\s)|[-=*_~`]{3,}|\d{1,3}[.)](?=\s)|\|)\s*")
_COMMENT_OPENING, _COMMENT_CLOSING = re.compile(r"<(?=!--)"), re.compile(r"(?<=--)>")
_OWN_TAG = re.compile(
    r"<(?=/?(?:oai-|citation|rollout_ids|thread_ids|environment_context|user_instructions|instructions|skill|system))",
    re.IGNORECASE,
)
_CITATION = re.compile(r"\[(\s*thread\b[^\]]*)\]?", re.IGNORECASE)


def one_line(text: str) -> str:
    """The text as one line: printable characters, single spaces, no markup of ours; '' when nothing is left."""
    printable = "".join(map(_printable, _TERMINAL_SEQUENCE.sub("", text)))
    line = " ".join(printable.split())
    line = _COMMENT_CLOSING.sub(")", _COMMENT_OPENING.sub("(", line))
    line = _CITATION.sub(r"(\1)", _OWN_TAG.sub("(", line))
    while opening := _BLOCK_OPENING.match(line):
        line = line[opening.end() :]
    return line


def _printable(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() else " "
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    return "" if category == "Cs" or (category == "Cf" and character not in _JOINERS) else character


def shorten(line: str, chars_max: int) -> str:
    """The line, cut at a word and ended with an ellipsis when it is longer than `chars_max` characters (at least 2)."""
    if len(line) <= chars_max:
        return line
    end = chars_max - len(ELLIPSIS)
    blank = line.rfind(" ", end // 2, end + 1)
    end = blank if blank > 0 else end
    while end > 1 and (unicodedata.combining(line[end]) or line[end] in _JOINERS or line[end - 1] in _JOINERS):
        end -= 1
    return line[:end].rstrip(" ,;:-") + ELLIPSIS


def code(text: str, chars_max: int) -> str:
    """The text as one line in backticks; backticks of its own become apostrophes."""
    return f"`{shorten(one_line(text).replace('`', chr(39)), chars_max)}`"
