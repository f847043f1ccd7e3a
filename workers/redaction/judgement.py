"""Whether a value under a secret name is a secret, or only mentions one.

What refers to a secret stays (`${VAR}`, `process.env.TOKEN`, a path, a call), and so does what stands in for one
(`<your-token>`, `xxxx`, `changeme`) and what is code or prose (`str`, `next_token`, `required`). `changeme` and its
like are kept because they are no secret: everybody knows them, and a reader needs to see that nobody changed them.

Where it is not clear, the value goes: a lost word costs a reader little, a stored password costs its owner a lot. The
exceptions are letters alone after `token` and letters alone in code-like places, where the words mean other things.
"""

import re
from enum import Enum, auto

from workers.redaction.keys import KeyKind
from workers.redaction.late import late
from workers.redaction.values import Value
from workers.redaction.words import vocabulary


class Style(Enum):
    """How the name and its value are joined, which says how literally the value is meant."""

    SET = auto()
    """`NAME=value`, without blanks: environments, query strings, connection strings."""
    STATED = auto()
    """`name: value`, `name = value`: configuration, but code and prose too."""
    SAID = auto()
    """`name is value`: a sentence."""
    FLAG = auto()
    """`--name value`: a command line."""


LITERAL_CHARS_MIN = 8
"""A template with less literal text than this around its variables carries no secret of its own."""
QUOTED_CHARS_MIN, BARE_CHARS_MIN = 4, 4
"""Shorter passwords protect nothing, and shorter words are everywhere."""
ISSUED_CHARS_MIN, ISSUED_DIGITS_MIN = 8, 16
"""A machine's token has at least so many characters, or so many digits when it has no letters."""
SAID_CHARS_MIN = 6
"""In a sentence, a shorter mix of letters and digits is a version, a number with its unit, a name."""

_VARIABLE = r"\$[{(] | \$[A-Za-z_][\w:]*$ | %\w+%$ | (?:%[sdr][:/@-]?)+$ | %\(\w+\)s | \{\{ | \#\{ | @\{"
_SLOT = r"\{[\w.:!\ -]*\}$ | <[^<>]*>?$ | \[[^\[\]]*\]?$"
_LOOKUP = (
    r"(?:process\.env|import\.meta|os\.environ|(?:os\.|System\.)?getenv|Deno\.env|ENV\[|(?:env|secrets|vars|config)\.)"
)
_ADDRESS = r"(?:op|vault|ssm|awssm|gcpsm|secretref|keyring|env|file):/?/? | arn:aws | [A-Za-z][\w+.-]*://"
_ROOT = r"(?:etc|run|var|home|usr|opt|tmp|mnt|root|Users|srv|app|secrets|data|dev|proc|private|workspace|work|src|bin)"
_PATH = rf"~/ | \.{{1,2}}/ | [A-Za-z]:[\\/] | /{_ROOT}/ | [\w.@/-]*/[\w.@-]*\.[a-z]{{1,5}}$"
_REFERENCE = late(rf"{_VARIABLE} | {_SLOT} | {_LOOKUP} | {_ADDRESS} | {_PATH}", re.VERBOSE)
_TEMPLATE_PART = late(r"\$\{[^}]*\}|\{\{[^}]*\}\}|\$\([^)]*\)")

_MASK = r"[x*\u2022.\u00b7\u2026_=?#0-]{2,}"
_MASKED = late(_MASK, re.IGNORECASE)
_STAND_IN = late(
    rf"""
    {_MASK} | .*(?:\*{{3}}|x{{4}}|\u2022{{3}}).* | [\[<(]?REDACTED.* | change[-_ ]?(?:me|it|this)
    | (?:(?:test|my|the|some|an?)[-_ ])?
      (?:token|secret|password|credential|(?:(?:api|access|private|secret)[-_ ]?)?key)s?
    | (?:your|insert|replace|enter|put|paste|fill|example|sample|dummy|fake|mock|placeholder)(?:[-_\s].*)?
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_YOUR_CAMEL = late(r"your[A-Z]\w*")
_STAND_IN_WORDS = vocabulary(
    "todo tbd fixme n/a na none null nil undefined true false yes no on off empty default redacted hidden masked "
    "removed omitted test testing foo bar baz foobar abc passwd passphrase pass pwd bearer basic value text string"
)
_TYPE_WORDS = vocabulary(
    "str string bytes bytearray int integer number float double bool boolean any object unknown never void char "
    "varchar uuid date datetime array list dict map set tuple bytea blob clob long byte u8 u16 u32 u64 i32 i64 usize "
    "optional required union var let const self this cls"
)
_ORDINARY_WORDS = vocabulary(
    "required optional missing disabled enabled incorrect expired unchanged provided generated protected encrypted "
    "plaintext supplied accepted rejected rotated mismatch specified available sensitive internal external anything "
    "something whatever nothing undefined unspecified everything configured invalidated"
)
_FUNCTION_WORDS = vocabulary(
    "and are argument but can does flag for from has have into is not option options parameter should that the then "
    "this value was when which will with work works"
)
_CODE = late(
    r"[A-Za-z_$][\w.:$]*[(\[]|[(\[{&*!|:=>]|->|(?:await|new|not|lambda|if|return|async|function|yield|fn|impl)$"
)
_CALL = late(r"[A-Za-z_][\w.]*\([^)]*\)")
_PATH_OF_NAMES = late(r"[A-Za-z_$]+(?:(?:\.|->|::|\?\.)[A-Za-z_$]+)+")
_PLAIN_WORD = late(r"[A-Za-z_][A-Za-z_-]*")
_LONG_WORD = late(r"[a-z]{16,}")
_TYPE_NAME = late(r"(?:[A-Z][a-z]*)+")
_NAME = late(r"[A-Za-z_]\w*")
_SECRET_WORD = late(r"passw|pwd|secret|token|credential|api_?key", re.IGNORECASE)
_ALGORITHM = late(r"(?:sha|md|base|utf|aes|rsa|ed|hs|rs|es|ps|x|ipv|oauth)-?\d+(?:[-_]?\w+)?", re.IGNORECASE)
_ENDS_LABEL = (".", "?", ":")
_AFTER_CLOSING_QUOTE = late(r"[\s,;)+&.]")
_ENDS_ARGUMENT = late(r"\s*[,)]")
_ENDS_LINE = late(r"[ \t]*(?:$|#|//|\\+[nr\"']|[\"'`])")
_BLANK, _LETTER, _DIGIT = late(r"\s"), late(r"[A-Za-z]"), late(r"\d")


def is_secret(value: Value, *, kind: KeyKind, style: Style, key: str) -> bool:
    """True when a value of this look, under a name of this kind, has to go."""
    text = value.text
    if _mentions_only(text, key) or (style is Style.FLAG and text.startswith("-")):
        return False
    if value.quoted:
        return _is_quoted_secret(text, kind) and not (style is Style.SET and _AFTER_CLOSING_QUOTE.match(text))
    if _is_code(value, style, key):
        return False
    if style is Style.SAID:
        return len(text) >= SAID_CHARS_MIN and _has_letter_and_digit(text)
    if _PLAIN_WORD.fullmatch(text):
        return _is_plain_word_secret(value, kind, style, key)
    return _is_mixed_secret(text, kind, style, key)


def is_literal(secret: bytes) -> bool:
    """True for a value that stands where only a secret can stand: all but references and masked values count."""
    text = secret.decode("utf-8", "replace")
    return not (_REFERENCE.match(text) or _MASKED.fullmatch(text))


def _mentions_only(text: str, key: str) -> bool:
    folded = text.casefold()
    if folded in _STAND_IN_WORDS or folded == key.casefold() or _YOUR_CAMEL.fullmatch(text):
        return True
    if _REFERENCE.match(text) or _STAND_IN.fullmatch(text):
        return True
    literal = _TEMPLATE_PART.sub("", text)
    return literal != text and len(literal) < LITERAL_CHARS_MIN


def _is_quoted_secret(text: str, kind: KeyKind) -> bool:
    if kind is KeyKind.TOKEN:
        return _looks_issued(text) or _LONG_WORD.fullmatch(text) is not None
    if _BLANK.search(text):
        return not (_SECRET_WORD.search(text) or text.endswith(_ENDS_LABEL))
    return len(text) >= QUOTED_CHARS_MIN and not _is_type(text)


def _is_code(value: Value, style: Style, key: str) -> bool:
    """True when the bare value is a type, an expression or another name, as source code has it."""
    text, whole = value.text, value.text + value.rest
    if _is_type(text):
        return True
    if style is Style.SET and key.isupper():
        return _CALL.match(whole) is not None
    if style is not Style.SET and (_TYPE_NAME.fullmatch(text) or _ALGORITHM.fullmatch(text)):
        return True
    if _NAME.fullmatch(text) and _SECRET_WORD.search(text):
        return True
    return bool(_CODE.match(whole) or _PATH_OF_NAMES.fullmatch(text))


def _is_type(text: str) -> bool:
    return text.lstrip("&*?").rstrip("!?").casefold() in _TYPE_WORDS


def _is_plain_word_secret(value: Value, kind: KeyKind, style: Style, key: str) -> bool:
    """Letters only: a weak password, or just a word. The style and the place on the line decide."""
    text, is_variable = value.text, key.isupper()
    if kind is KeyKind.TOKEN:
        is_set = style is Style.SET and is_variable and len(text) >= ISSUED_CHARS_MIN
        return is_set or _LONG_WORD.fullmatch(text) is not None
    if len(text) < BARE_CHARS_MIN:
        return False
    if style is Style.FLAG:
        return text.casefold() not in _FUNCTION_WORDS
    if style is Style.SET:
        return is_variable or not _ENDS_ARGUMENT.match(value.rest)
    if text.casefold() in _ORDINARY_WORDS or not _ENDS_LINE.match(value.rest):
        return False
    return is_variable or (len(text) >= 2 * BARE_CHARS_MIN and "_" not in text and text.islower())


def _is_mixed_secret(text: str, kind: KeyKind, style: Style, key: str) -> bool:
    if kind is KeyKind.PASSWORD:
        return len(text) >= BARE_CHARS_MIN and (_LETTER.search(text) or _DIGIT.search(text)) is not None
    is_set = style is Style.SET and key.isupper() and len(text) >= SAID_CHARS_MIN and not text.isdigit()
    return is_set or _looks_issued(text)


def _looks_issued(text: str) -> bool:
    """True for what a machine made up: no blanks, letters and digits mixed, or a long number."""
    if len(text) < ISSUED_CHARS_MIN or _BLANK.search(text):
        return False
    return _has_letter_and_digit(text) or (text.isdecimal() and len(text) >= ISSUED_DIGITS_MIN)


def _has_letter_and_digit(text: str) -> bool:
    return _LETTER.search(text) is not None and _DIGIT.search(text) is not None
