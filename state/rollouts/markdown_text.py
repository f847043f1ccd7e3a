"""The words of a text in Markdown, as somebody reads them who does not see the marks."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import re2

from state.rollouts.excerpts import squeezed, trimmed

if TYPE_CHECKING:
    from markdown_it.token import Token

CHARS_MAX = 64 << 10
"""A longer text is taken as it is written. One of this length takes a second; one of nothing but brackets, ten."""

NESTING_MAX = 100
"""What is nested deeper, in quotations or lists, has no words."""

_WORDS = frozenset({"text", "code_inline", "code_block", "fence", "html_block", "html_inline"})
_GAPS = frozenset(
    {
        "softbreak",
        "hardbreak",
        "hr",
        "paragraph_close",
        "heading_close",
        "blockquote_close",
        "bullet_list_close",
        "ordered_list_close",
        "list_item_close",
    }
)
_CODE = frozenset({"code_block", "fence"})


def words_of(markdown: str) -> str:
    """The words, on one line. Where a link leads to is no part of them; HTML is."""
    if len(markdown) > CHARS_MAX:
        return squeezed(markdown)
    return squeezed("".join(_texts(_parser()(trimmed(markdown)))))


class WordsTest:
    """Says of texts, much faster than by reading them, whether a term may be among their words. It may err for yes.

    It looks for the longest word of the term. What stands between two of its letters and is no word itself is a run of
    marks, or where a link leads to, or begins at the end of a line, as in a list within a list.
    """

    def __init__(self, term: str) -> None:
        self._word = max(_WORD.findall(term.casefold()), key=len, default="")[:_LETTERS_MAX]
        options = re2.Options()
        options.log_errors = False
        options.dot_nl = True
        self._torn: Any = re2.compile(_BETWEEN.join(self._word), options)

    def may_be_in(self, markdown: str) -> bool:
        """False when the term is surely not among the words."""
        if self._word in (folded := markdown.casefold()) or _ENTITY.search(folded):
            return True
        return self._torn.search(folded) is not None


_WORD = re.compile(r"[^\W_]+")
_ENTITY = re.compile(r"&[#\w]+;")
_LETTERS_MAX = 30
_BETWEEN = r"(?:[^\pL\pN\s]*(?:[^\pL\pN\s]|\][(\[].*|\s*\n.*))?"


def _texts(tokens: "Sequence[Token]") -> Iterator[str]:
    for token in tokens:
        if token.children is not None:
            yield from _texts(token.children)
        elif token.type in _WORDS:
            yield token.content
        if (token.type in _GAPS and not token.hidden) or token.type in _CODE:
            yield " "


@functools.cache
def _parser() -> "Callable[[str], Sequence[Token]]":
    # Imported here: what is not needed to be ready is imported later.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": NESTING_MAX}).parse
