"""The words of a text in Markdown, as somebody reads them who does not see the marks."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from state.rollouts.excerpts import squeezed, trimmed

if TYPE_CHECKING:
    from markdown_it.token import Token

CHARS_MAX = 256 << 10
"""A longer text is taken as it is written: reading it as Markdown would take seconds."""

NESTING_MAX = 100

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
