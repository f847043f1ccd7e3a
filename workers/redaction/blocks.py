r"""Private key blocks, with real line breaks or with `\n` escapes, whole or cut off.

The block goes with its BEGIN and END lines. A BEGIN line without anything that looks like a key below it is prose or
code about keys and stays.
"""

from collections.abc import Iterator

from workers.redaction.engine import Pattern, Span
from workers.redaction.late import late
from workers.redaction.rule import Rule

BLOCK_BYTES_MAX = 64 << 10
"""An END line farther away belongs to something else: an 8,192-bit RSA key takes 6.5 KiB, a PGP key rarely 50 KiB."""

_BEGIN = r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_begin = Pattern(_BEGIN)
_end = late(rb"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_cut_off_body = late(
    rb"(?:(?:\s|\\+[nr])+(?:(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]*|[A-Za-z0-9+/=]{16,}))+"
    rb"(?:(?:\r?\n|\\+n)[A-Za-z0-9+/=]+(?=[\r\n\\\"']|$))?"
)


def _find(body: bytes) -> Iterator[Span]:
    begins = [span for (span,) in _begin.find(body)]
    next_begins = [start for start, _ in begins[1:]]
    for (start, key_start), next_begin in zip(begins, [*next_begins, len(body)], strict=False):
        limit = min(next_begin, key_start + BLOCK_BYTES_MAX)
        ending = _end.search(body, key_start, limit) or _cut_off_body.match(body, key_start, limit)
        if ending is not None:
            yield start, ending.end()


RULES: tuple[Rule, ...] = (Rule(name="private_key_block", gate=_BEGIN, find=_find),)
