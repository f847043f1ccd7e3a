"""Values under secret names: `GITHUB_TOKEN=...`, `"password": "..."`, `--password ...`, `<password>...</password>`.

The patterns only find the name and what joins it to a value; `keys` says whether the name is secret and
`judgement` whether the value is. Only the value is replaced: the name and the quotes tell a reader what was there.
"""

from collections.abc import Iterator

from workers.redaction.engine import Pattern, Span
from workers.redaction.judgement import Style, is_literal, is_secret
from workers.redaction.keys import KEY_WORDS, kind_of_key
from workers.redaction.rule import Rule, pattern_rule
from workers.redaction.values import end_of_value, read_value, value_window

_NAME = rf"(?P<key>[A-Za-z0-9_.-]*(?i:{KEY_WORDS})[A-Za-z0-9_.-]*)"
_BLANK = r"(?:[ \t]|\\+t)*"
_QUOTE = r"\\*[\"'`]"
_TYPE_ANNOTATION = r":[ \t]*[\w.\[\]]+(?:[ \t]*\|[ \t]*[\w.\[\]]+)*[ \t]+=[ \t]+"

_JOINED = rf"{_NAME}(?P<join>(?:{_QUOTE})?\]?{_BLANK}(?:{_TYPE_ANNOTATION}|:=|=>|={{1,3}}|:){_BLANK})"
_SAID = rf"{_NAME}(?P<join>[ \t]+is:?[ \t]+)"
_FLAGGED = rf"(?:^|[\s\"'`])--?{_NAME}(?P<join>[ \t]+|{_QUOTE},[ \t]*{_QUOTE})"
_PAIRED = rf"{_NAME}(?P<join>(?:{_QUOTE})?(?:,|\s|\\+n)+(?:{_QUOTE})?(?i:value)(?:{_QUOTE})?{_BLANK}[:=]{_BLANK})"
_ELEMENT = rf"<{_NAME}(?P<join>>)"


def _assignment_rule(name: str, source: str, style: Style, *, closing: str = "") -> Rule:
    """Values that stand where the pattern ends and, up to their quote if they have one, before `closing`."""
    pattern = Pattern(source)

    def find(body: bytes) -> Iterator[Span]:
        found_until = 0
        for (start, after), (key_start, key_end), (join_start, join_end) in pattern.find(body, "key", "join"):
            key = body[key_start:key_end].decode("ascii")
            kind = kind_of_key(key) if start >= found_until else None
            if kind is None:
                continue
            value = read_value(value_window(body, after))
            joined_tightly = style is Style.STATED and body[join_start:join_end] == b"="
            if (
                value is not None
                and value.rest.startswith(closing)
                and is_secret(value, kind=kind, style=Style.SET if joined_tightly else style, key=key)
            ):
                found_until = end_of_value(body, after, value)
                yield after + value.start, found_until

    return Rule(name=name, gate=source, find=find)


RULES: tuple[Rule, ...] = (
    _assignment_rule("assignment", _JOINED, Style.STATED),
    _assignment_rule("sentence", _SAID, Style.SAID),
    _assignment_rule("flag", _FLAGGED, Style.FLAG),
    _assignment_rule("name_and_value", _PAIRED, Style.STATED),
    _assignment_rule("element", _ELEMENT, Style.SET, closing="</"),
    pattern_rule(
        "sql_password",
        r"(?i:identified[ \t]+by|(?:with|encrypted)[ \t]+password)[ \t]+'(?P<secret>[^'\n]+)'",
        accept=is_literal,
    ),
    pattern_rule(
        "command_credentials",
        r"\bcurl\b[^\n|;]*?[ \t](?:-u|--user)[ =]?[\"']?[^\s:\"'$]+:(?P<secret>[^\s\"'\\]+)",
        accept=is_literal,
    ),
    pattern_rule("netrc_password", r"\blogin\s+[\w.@+-]+\s+password\s+(?P<secret>[^\s\"'\\]+)", accept=is_literal),
)
