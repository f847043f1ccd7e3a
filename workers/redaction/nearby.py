"""Random-looking strings a few words after a secret word: "the api key for staging was Zk3...".

Only the neighbourhood makes them suspicious: long mixed strings are everywhere in transcripts (digests, ids, bundled
code), and none of those may go. So the string has to be long, mixed, restless like random text, and neither hexadecimal
nor a path.
"""

import math
from collections import Counter
from itertools import pairwise

from workers.redaction.late import late
from workers.redaction.rule import Rule, pattern_rule

ENTROPY_BITS_MIN = 3.5
"""Per character. Random base64 of 20 characters has about 4.1, hexadecimal at most 4.0, English words about 3."""
CLASS_CHANGES_MIN = 0.45
"""Share of neighbours of different classes. Random base62 has about 0.62; camelCase words stay below 0.4."""
CLASS_CHANGES_CASELESS_MIN = 0.35
"""The same for strings without capitals or without small letters: random base36 has about 0.40."""
DIGITS_MIN, DIGITS_CASELESS_MIN = 2, 4
"""Fewer digits than this, in 20 characters or more, are an identifier with a number in it."""

_HEXADECIMAL = late(rb"(?:0x)?[0-9a-f-]+|[0-9A-F-]+")
_PATH = late(rb"/|.*/.*/|.*[/_-][a-z]{4,}")


def is_random(run: bytes) -> bool:
    """True for a string that no person and no programmer would write."""
    if _HEXADECIMAL.fullmatch(run) or _PATH.match(run):
        return False
    classes = [_class_of(byte) for byte in run]
    has_both_cases = "a" in classes and "A" in classes
    changes = sum(one != other for one, other in pairwise(classes)) / (len(run) - 1)
    return (
        classes.count("0") >= (DIGITS_MIN if has_both_cases else DIGITS_CASELESS_MIN)
        and changes >= (CLASS_CHANGES_MIN if has_both_cases else CLASS_CHANGES_CASELESS_MIN)
        and entropy_bits(run) >= ENTROPY_BITS_MIN
    )


def entropy_bits(run: bytes) -> float:
    """Shannon entropy in bits per byte of a run that is not empty."""
    shares = [count / len(run) for count in Counter(run).values()]
    return -sum(share * math.log2(share) for share in shares)


def _class_of(byte: int) -> str:
    character = chr(byte)
    if character.isdigit():
        return "0"
    if character.isalpha():
        return "a" if character.islower() else "A"
    return "."


RULES: tuple[Rule, ...] = (
    pattern_rule(
        "near_secret_word",
        r"(?i:password|passphrase|secret|token|credential|api[ _-]?key|access[ _-]?key)s?[^\n\w/]"
        r"(?:[^\s/]{0,12}[ \t]+){0,5}[\"'`(]?(?P<secret>[A-Za-z0-9+/_=-]{20,})",
        accept=is_random,
    ),
)
