"""What a wish is about, so that a later word about the same thing takes the place of the earlier one.

A topic is a few folded words. Some subjects have one value at a time ("tabs", then "4 spaces") and a name of their own;
otherwise the topic is what the sentence sets ("X for Y" is about Y, "X is Y" about X) or simply what it talks about.
"""

import re

from workers.models.builtin.vocabulary import content_words

TOPIC_WORDS_MAX = 8
"""Two sentences that agree in so many words are about the same thing, whatever follows."""

_CHOOSES = (
    r"\b(?:use|using|prefer|stick (?:to|with)|verwende\w*|benutze\w*|nutze\w*|nur noch|utilis\w+|usa\w*)\b.{0,40}?\b"
)
_LANGUAGES = (
    r"(?:english|german|french|spanish|italian|dutch|polish|portuguese|japanese|chinese|korean|deutsch|englisch|français|"
    r"anglais|allemand|español|inglés)"
)
_SUBJECTS = {
    "indentation": r"\b(?:tabs|spaces|indent\w*|einrück\w*)\b",
    "quotes": r"\b(?:single|double)[- ]quot",
    "line length": r"\b(?:line (?:length|width)s?|characters per line|\d+ (?:columns|characters? wide))\b",
    "naming style": r"\b(?:snake_?case|camel_?case|kebab[-_]?case|pascal_?case)\b",
    "package manager": rf"{_CHOOSES}(?:npm|yarn|pnpm|bun)\b",
    "python package manager": rf"{_CHOOSES}(?:pip|uv|poetry|pipenv|conda)\b",
    "python test runner": rf"{_CHOOSES}(?:pytest|unittest|nose2?)\b",
    "javascript test runner": rf"{_CHOOSES}(?:jest|vitest|mocha)\b",
    "answer language": r"\b(?:answer|reply|respond|speak|talk|antworte|répond\w*|responde)\b.*"
    rf" (?:in|auf|en) (?:british |american )?{_LANGUAGES}\b",
    "answer length": r"\b(?:concise|brief|terse|verbose)\b|"
    r"\b(?:answers|replies|responses|explanations) \w*(?:short|long)\w*\b",
}
"""Subjects with one value at a time, and how people speak of them."""
_NAMED_SUBJECTS = tuple((name, re.compile(pattern)) for name, pattern in _SUBJECTS.items())
_SETS_FOR = re.compile(r"\b(?:use|using|run|prefer)\b.{1,80}\bfor (?P<subject>.+)")
_IS = re.compile(
    r"(?:.*\bthat )?(?P<subject>(?:the|our|my|your) [\w\s.'-]{2,60}?) "
    r"(?:is|are|lives?|runs?|listens?|must be|should be|goes)\b"
)


def named_subject(sentence: str) -> str | None:
    """The name of the subject with one value at a time that a sentence in lower case speaks of, if it does."""
    return next((name for name, pattern in _NAMED_SUBJECTS if pattern.search(sentence)), None)


def topic_of(sentence: str, *, sets_value: bool) -> str:
    """The topic of a sentence in lower case.

    Args:
      sets_value: True for preferences and corrections, which say how a thing is to be; a prohibition rules one value
        out and leaves room for others, so it is only about all that it says.
    """
    if sets_value:
        if name := named_subject(sentence):
            return name
        subject = _SETS_FOR.search(sentence) or _IS.match(sentence)
        words = content_words(subject["subject"]) if subject else []
        if words:
            return " ".join(words[:TOPIC_WORDS_MAX])
    words = content_words(sentence)
    return " ".join(words[:TOPIC_WORDS_MAX]) or sentence.strip()
