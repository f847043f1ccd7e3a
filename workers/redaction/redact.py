"""Takes secrets out of text: every rule looks, what they find is merged, and each find becomes one marker.

1. Most text holds nothing. One pass with all gates together finds that out; then the text itself comes back.
2. Markers are walls: rules see the text between two of them as a text of its own, and never a marker.
3. Taking a secret out can uncover another at its edge, so what is left between two finds is looked at again, until
   nothing is found in it. Each part of the result was therefore looked at alone and found clean, which is what
   redacting the result does: `redact(redact(text)) == redact(text)`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import attrs

from workers.redaction import assignments, blocks, headers, nearby, tokens, urls
from workers.redaction.engine import Gates
from workers.redaction.rule import Rule

MARKER = "[REDACTED_SECRET]"

PASSES_MAX = 8
"""Real text needs two: one that finds and one that confirms. A part in which something is found after this many was
made to keep us busy; it becomes a marker whole, which keeps the time linear and errs on the side of silence."""

RULES: tuple[Rule, ...] = (
    *blocks.RULES,
    *tokens.RULES,
    *headers.RULES,
    *urls.RULES,
    *assignments.RULES,
    *nearby.RULES,
)
"""The most telling first: where two rules find the same bytes, the first one is counted."""

ENTANGLED = "entangled"
"""What `Redacted.counts` calls a part that was given up on after PASSES_MAX."""

_gates = Gates([rule.gate for rule in RULES])
_marker = MARKER.encode("ascii")


@attrs.frozen(kw_only=True)
class Redacted:
    """A text without its secrets.

    Attributes:
      text: the text, with MARKER for each secret; the very object that came in when there was none.
      counts: secrets taken out by each rule that found any, by rule name.
    """

    text: str
    counts: Mapping[str, int]


def redact(text: str) -> str:
    """The text with `[REDACTED_SECRET]` for each secret. Redacting the result again changes nothing."""
    body = text.encode("utf-8", "surrogatepass")
    if _marker not in body and not _gates.open_for(body):
        return text  # most texts, and `redact_text` would say the same
    return redact_text(text).text


def redact_text(text: str) -> Redacted:
    """Take the secrets out and count them. Any `str` will do, lone surrogates included; linear time."""
    counts: Counter[str] = Counter()
    parts = text.encode("utf-8", "surrogatepass").split(_marker)
    redacted = _marker.join(_without_secrets(part, counts, PASSES_MAX) for part in parts)
    if counts:
        text = redacted.decode("utf-8", "surrogatepass")
    return Redacted(text=text, counts=MappingProxyType(dict(counts)))


def _without_secrets(part: bytes, counts: Counter[str], passes_left: int) -> bytes:
    """The part, which holds no marker, with a marker for each secret; `counts` grows."""
    rules = [(order, RULES[order]) for order in _gates.open_for(part)]
    found = sorted((*span, order) for order, rule in rules for span in rule.find(part))
    if not found:
        return part
    if passes_left == 0:
        counts[ENTANGLED] += 1
        return _marker
    pieces = []
    end = 0
    for start, stop, name in _merged(found):
        counts[name] += 1
        pieces.append(_without_secrets(part[end:start], counts, passes_left - 1))
        end = stop
    pieces.append(_without_secrets(part[end:], counts, passes_left - 1))
    return _marker.join(pieces)


def _merged(found: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, str]]:
    """Start, end and rule of each secret, from left to right; spans that overlap or touch are one secret.

    Args:
      found: (start, end, index of the rule), sorted and not empty.
    """
    start, stop, order = found[0]
    for next_start, next_stop, next_order in found[1:]:
        if next_start > stop:
            yield start, stop, RULES[order].name
            start, stop, order = next_start, next_stop, next_order
        else:
            stop, order = max(stop, next_stop), min(order, next_order)
    yield start, stop, RULES[order].name
