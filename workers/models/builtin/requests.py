"""What a person asked for in one message, in a line."""

import re
from collections.abc import Sequence

from workers.models.builtin.clauses import Clause
from workers.models.builtin.line import one_line, shorten
from workers.models.builtin.vocabulary import STOP_WORDS, content_count, is_looking_around, words_of

REQUEST_CHARS_MAX = 160
"""One line in a list; a longer first sentence is cut at a word."""
CONTENT_WORDS_MIN = 2
"""Fewer words that carry meaning ("fix it", "why this?") tell a later reader nothing."""

_OPENING = re.compile(
    r"(?:(?:can|could|would|will) you (?:please |also |maybe )*|please (?:also )?|i(?:'d| would) like (?:you )?to |"
    r"i (?:want|need) you to |let's |(?:kannst|könntest) du (?:bitte )?|bitte |(?:peux|pourrais)-tu |"
    r"(?:puedes|podrías) |por favor,? )"
)


def gist_of(clauses: Sequence[Clause]) -> str | None:
    """The first clause that says what is wanted, as one line of at most REQUEST_CHARS_MAX characters, or None."""
    for clause in clauses:
        gist = _gist(clause)
        if content_count(gist) >= CONTENT_WORDS_MIN and not is_looking_around(gist):
            return shorten(gist, REQUEST_CHARS_MAX)
    return None


def leading_verb(gist: str) -> str:
    """The first word, which in a request is what is to be done; '' when it carries no meaning."""
    return next((word for word in words_of(gist)[:1] if word not in STOP_WORDS), "")


def _gist(clause: Clause) -> str:
    opening = _OPENING.match(clause.masked)
    text = clause.text[opening.end() :] if opening else clause.text
    mark = "?" if clause.is_question and not opening else ""
    return one_line(text + mark)
