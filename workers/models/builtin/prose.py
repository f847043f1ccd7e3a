"""What a person said in a message, sentence by sentence, without what they pasted.

A message often carries more than the person's own words: fenced code, quoted text, logs, stack traces, diffs, the
context that a client puts in front. None of that is a wish, even if it says "never" in capitals. What is left is cut
into sentences; text within quotation marks or backticks stays readable but is masked for the search for wishes.
"""

import re
import unicodedata

import attrs

MESSAGE_CHARS_MAX = 64_000
"""Nobody types more; the rest of a longer message is a paste."""
PASTED_LINES_MIN = 12
"""A paragraph of so many lines that is not a list was pasted."""
LINE_CHARS_MAX = 1_200
"""A longer line is data or generated; a typed paragraph has its sentences within this."""
SENTENCE_CHARS_MAX = 400
"""A longer sentence is not cut into something it does not say; it only counts as words."""
WRAPPED_LINE_CHARS_MIN = 60
"""A line at least this long without a full stop goes on in the next one."""
LETTERS_MIN = 0.6
"""Share of letters and blanks in a line of prose. Dumps and tables have less."""


@attrs.frozen(kw_only=True)
class Sentence:
    """One sentence of a person.

    Attributes:
      text: as it was written, without list bullets and surrounding blanks; one line.
      masked: the same length, lower case where that keeps the length, with the letters of quotations replaced by `x`.
      is_question: True when it ends in a question mark.
    """

    text: str
    masked: str
    is_question: bool


_REQUEST_MARK = "## My request for Codex:"
_CUT_MARK = re.compile(r"\[\.\.\.[^\[\]\n]*\.\.\.\]|…[^…\n]{0,40} truncated…")
"""What stands in a text where its middle was left out."""
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_ELEMENT_OPENING = re.compile(r"^[ \t]*<([A-Za-z][\w:.-]*)(?:\s[^<>]*)?>", re.MULTILINE)
_INSTRUCTIONS_HEADER = re.compile(r"^# AGENTS\.md instructions for ", re.IGNORECASE)

_DIFF_OPENING = re.compile(
    r"diff --git |@@ .*@@|\+\+\+ [\w./\"]|--- [\w./\"]|Index: |\*{3} (?:Begin|Update|Add|Delete) "
)
_TRACE_OPENING = re.compile(r"Traceback \(most recent call last\)|goroutine \d+ \[|thread '.*' panicked")
_LOG_LEVEL = r"\[?(?:INFO|WARN|WARNING|ERROR|DEBUG|TRACE|FATAL|CRITICAL|PASS|FAIL|PASSED|FAILED|SKIPPED|OK)\]?\b[:\]\s]"
_NOISE = re.compile(
    rf"""
    [>|]                                                    # quotations, tables, compiler frames
    | \[?\d{{4}}-\d\d-\d\d[T\ ]\d\d:\d\d | \[?\d\d:\d\d:\d\d  # log lines
    | {_LOG_LEVEL}
    | (?:error|warning|note|fatal|panic|help)(?:\[\w+\])?: | npm\ (?:ERR!|error|WARN|warn)\s
    | (?:[\w.]+\.)?\w*(?:Error|Exception|Warning):\s          # the last line of a trace
    | File\ ".*",\ line\ \d+ | at\ \S+\s?\( | at\ \S+:\d+ | -->\ | \d+\ +\| | E\ \ +
    | (?:\$|%|>>>|\.\.\.|\#!|PS\ [A-Z]:\\[^>]*>|[\w.-]+@[\w.-]+[:~]\S*[$\#])\s*\S
    | [{{}}\]] | \[\s*(?:["'{{\[\d]|$) | ["'][\w\ -]*["']\s*:    # JSON and the like
    | \)+[;,]?$ | .*\{{$ | .*[=()].*;$ | .*\)\s*(?:=>|->)\s | [=_*~#-]{{4,}}
    | (?:def|class|async\ def|func|fn|public|private|static|const|let|var)\ .*[:({{;=)]$
    | (?:import|from)\ [\w.{{]+(?:\ import\b.*|;)?$ | \#include\b | <[/!?]
    """,
    re.VERBOSE,
)
_INDENTED = re.compile(r"(?:\t| {4,})(?![-*+•]\s|\d+[.)]\s)\S")
_BULLET = re.compile(r"\s*(?:[-*+•–]|\d{1,3}[.)]|#+|\[[ x]\])\s+")
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<!z\.B\.)(?<!bzw\.)(?<!p\.ej\.)[\"')\]]*\s+)"
    r"|(?<=[。！？；])|;\s+|\s+[–—]\s+"
)
_QUOTATION = re.compile(
    r"`[^`]*`|\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』|‘[^’]*’(?!\w)|(?<![^\s(])'[^']*'(?!\w)"
)
_SENTENCE_STOPS = ".!?:;。！？；"


def sentences_of(message: str) -> tuple[Sentence, ...]:
    """The person's own sentences in a message, in their order; empty when everything was pasted."""
    text = unicodedata.normalize("NFC", message[:MESSAGE_CHARS_MAX])
    text = text.replace("\r\n", "\n").replace("\r", "\n").rpartition(_REQUEST_MARK)[2]
    text = _CUT_MARK.sub("\n", _FENCE.sub("", _without_elements(text)))
    return tuple(
        _sentence(part)
        for paragraph in _paragraphs(text)
        for line in _unwrapped(paragraph)
        for part in _SENTENCE_END.split(line)
        if part.strip(" .,;:!?-*_\"'")
    )


def typed_lines(message: str) -> int:
    """How many lines with text a message has, pasted ones included: how long a prompt it is."""
    return sum(1 for line in message[:MESSAGE_CHARS_MAX].splitlines() if line.strip())


def _without_elements(text: str) -> str:
    """The text without `<name>...</name>` blocks that begin a line: context put in by a client, or pasted markup."""
    pieces = []
    position = 0
    for opening in _ELEMENT_OPENING.finditer(text):
        closing = text.find(f"</{opening[1]}>", opening.end()) if opening.start() >= position else -1
        if closing >= 0:
            pieces.append(text[position : opening.start()])
            position = closing + len(opening[1]) + 3
    pieces.append(text[position:])
    return "".join(pieces)


def _paragraphs(text: str) -> list[list[str]]:
    """The lines of prose, grouped as blank lines group them; pasted paragraphs are left out."""
    paragraphs: list[list[str]] = []
    for block in re.split(r"\n[ \t]*\n", text):
        lines = [line for line in block.split("\n") if line.strip()]
        kept = _typed(lines)
        bullets = sum(1 for line in kept if _BULLET.match(line))
        if len(lines) < PASTED_LINES_MIN or 2 * bullets >= len(lines):
            paragraphs.append(kept)
    return paragraphs


def _typed(lines: list[str]) -> list[str]:
    """The lines of a paragraph that a person typed."""
    kept = []
    for line in lines:
        stripped = line.strip()
        if _DIFF_OPENING.match(stripped) or _TRACE_OPENING.match(stripped):
            break
        if len(stripped) > LINE_CHARS_MAX or _letter_share(stripped) < LETTERS_MIN:
            continue
        if not (_INDENTED.match(line) or _NOISE.match(stripped) or _INSTRUCTIONS_HEADER.match(stripped)):
            kept.append(line)
    return kept


def _letter_share(line: str) -> float:
    return sum(character.isalpha() or character.isspace() for character in line) / len(line)


def _unwrapped(lines: list[str]) -> list[str]:
    """The lines, with hard-wrapped sentences joined again and bullets removed."""
    joined: list[str] = []
    previous_width = 0
    for line in lines:
        bare = _BULLET.sub("", line, count=1).strip() if _BULLET.match(line) else line.strip()
        goes_on = (
            joined
            and previous_width >= WRAPPED_LINE_CHARS_MIN
            and not _BULLET.match(line)
            and joined[-1][-1:] not in _SENTENCE_STOPS
            and bare[:1].islower()
        )
        if goes_on:
            joined[-1] = f"{joined[-1]} {bare}"
        elif bare:
            joined.append(bare)
        previous_width = len(line.rstrip())
    return joined


def _sentence(part: str) -> Sentence:
    text = part.strip()
    masked = _QUOTATION.sub(lambda quotation: re.sub(r"\w", "x", quotation[0]), text)
    lowered = masked.lower()
    return Sentence(
        text=text,
        masked=(lowered if len(lowered) == len(masked) else masked).replace("’", "'"),
        is_question=text.rstrip("\"')]* ").endswith(("?", "？")),
    )
