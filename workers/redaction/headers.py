"""Credentials of HTTP: Authorization headers, Bearer and Basic anywhere, cookies.

The scheme stays and the credentials go whole, including a base64 tail of `+`, `/` and `=`. "Bearer" and "Basic" are
also words, so outside a header what follows them has to look like credentials.
"""

import base64
import binascii

from workers.redaction.judgement import is_literal
from workers.redaction.late import late
from workers.redaction.rule import Rule, pattern_rule

_QUOTE = r"\\*[\"']?"
_SCHEME = r"(?i:bearer|basic|token|digest|apikey|negotiate|key)[ \t]+"
_CREDENTIALS = r"[A-Za-z0-9._~+/=:-]"
_BEARER_CHARS_MIN = 16
"""The shortest run that counts without a digit, and so the length that no ordinary word after "bearer" has."""

_HAS_DIGIT = late(rb"\d")
_NAME_OF_ONE = late(rb"[A-Za-z]+(?:[_.-][A-Za-z]+)+")


def _is_bearer_token(token: bytes) -> bool:
    """True for a token; False for `process.env.TOKEN`, `YOUR_ACCESS_TOKEN` and for prose about authentication."""
    if _HAS_DIGIT.search(token):
        return is_literal(token)
    return len(token) >= _BEARER_CHARS_MIN and not _NAME_OF_ONE.fullmatch(token)


def _is_basic_pair(token: bytes) -> bool:
    """True when the token is base64 for `user:password`."""
    bare = token.rstrip(b"=")
    try:
        pair = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in pair and pair.isprintable()


RULES: tuple[Rule, ...] = (
    pattern_rule(
        "authorization",
        rf"(?i:\bauthorization){_QUOTE}\]?[ \t]*(?:[:=][ \t]*{_QUOTE}(?:{_SCHEME})?|,[ \t]*{_QUOTE}{_SCHEME})"
        rf"(?P<secret>{_CREDENTIALS}{{8,}})",
        accept=_is_bearer_token,
    ),
    pattern_rule("bearer", rf"(?i:\bbearer)(?:[ \t]+|%20)(?P<secret>{_CREDENTIALS}{{8,}})", accept=_is_bearer_token),
    pattern_rule("basic", r"(?i:\bbasic)[ \t]+(?P<secret>[A-Za-z0-9+/]{6,}={0,2})", accept=_is_basic_pair),
    pattern_rule(
        "cookie",
        r"(?i:\bcookie)\\*[\"']?[ \t]*:[ \t]*\\*[\"']?(?P<secret>[\w.%-]+=[^\s;\"'\\]{8,}(?:;[ \t]*[^\s;\"'\\]+)*)",
    ),
)
