"""What a redaction rule is: a name, a cheap gate, and a way to find the bytes that must go.

A rule looks at one piece of text and never changes it. All rules look at the same text, so their order does not matter;
`redact` merges what they found and replaces it.
"""

from collections.abc import Callable, Iterator

import attrs

from workers.redaction.engine import Pattern, Span


@attrs.frozen(kw_only=True)
class Rule:
    """One kind of secret.

    Attributes:
      name: what `Redacted.counts` calls it.
      gate: RE2 source. A text in which the gate does not match holds nothing for `find`.
      find: yields the spans of the secrets in a text, none of them empty.
    """

    name: str
    gate: str
    find: Callable[[bytes], Iterator[Span]]


def pattern_rule(name: str, source: str, *, accept: Callable[[bytes], bool] = bool) -> Rule:
    """A rule that is one pattern: what its group `secret` holds is taken out if `accept` agrees."""
    pattern = Pattern(source)

    def find(body: bytes) -> Iterator[Span]:
        for _, (start, end) in pattern.find(body, "secret"):
            if accept(body[start:end]):
                yield start, end

    return Rule(name=name, gate=source, find=find)
