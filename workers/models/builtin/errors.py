"""The line of a command's output that says what went wrong.

Output is untrusted: it may hold anything, instructions to an agent included. Only a short line in the form of an error
is taken, and none that speaks to a reader.
"""

import re
from collections.abc import Iterator

from workers.models.builtin.line import one_line, shorten

ERROR_CHARS_MAX = 160
"""An error that needs more is told by its beginning."""
OUTPUT_CHARS_READ_MAX = 8_000
"""From either end; errors stand at the beginning (compilers) or at the end (interpreters)."""

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_HINT = re.compile(
    r"err|exception|exit|notfound|fatal|panic|fail|not found|no such|denied|cannot|refused|already in use|no module|"
    r"undefined|fault|out of memory|no space|not recognized|\*\*\*|could not|unable|missing|"
    r"unknown|invalid|unsupported",
    re.IGNORECASE,
)
"""In every line of the forms below, and in few others: most lines need no closer look."""
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|NotFound|Exit)\b:? .+",
        r"(?:error|fatal|panic|ERROR|FATAL|Error|Fatal)(?:\[\w+\])?: .+",
        r".*\b(?:command not found|not recognized as an internal|No such file or directory|Permission denied|"
        r"Cannot find module|cannot find package|Connection refused|Address already in use|No module named|"
        r"undefined reference|Segmentation fault|out of memory|No space left)\b.*",
        r"(?:npm ERR!|npm error|thread '.*' panicked|\*\*\* |make: \*\*\*) ?.+",
        r"[\w./-]+:\d+(?::\d+)?: (?:fatal )?error.+",
        r"(?:FAILED|FAIL|Failed|Could not|Unable to|Missing|Unknown|Invalid|Unsupported)\b.+",
    )
)
"""From the most telling form to the least."""
_LAST_WINS = 1
"""Of the first form the last line counts: a trace ends with the exception that was not handled."""
_PYTEST_MARK = re.compile(r"^E\s{2,}")
_NPM_NOISE = re.compile(r"npm (?:ERR!|error)\s*(?:code|errno|A complete log|path|syscall|command|\s*/|$)")
_SPEAKS_TO_READER = re.compile(
    r"\b(?:you (?:must|should|are)|ignore (?:all|any|previous|the)|instructions?|system prompt|assistant|please|"
    r"run the following|as an ai|remember|always|never|do not|don't)\b",
    re.IGNORECASE,
)


def telling_line(output: str) -> str:
    """The most telling error line, at most ERROR_CHARS_MAX characters on one line; '' when no line tells anything."""
    lines = list(_lines(output))
    for index, form in enumerate(_FORMS):
        hits = [line for line in lines if form.fullmatch(line) and not _NPM_NOISE.match(line)]
        hits = [line for line in hits if not _SPEAKS_TO_READER.search(line)]
        if hits:
            return shorten(hits[-1] if index < _LAST_WINS else hits[0], ERROR_CHARS_MAX)
    return ""


def _lines(output: str) -> Iterator[str]:
    if len(output) > 2 * OUTPUT_CHARS_READ_MAX:
        output = f"{output[:OUTPUT_CHARS_READ_MAX]}\n{output[-OUTPUT_CHARS_READ_MAX:]}"
    for line in _ANSI.sub("", output).split("\n"):
        if len(line) <= 4 * ERROR_CHARS_MAX and _HINT.search(line):
            yield one_line(_PYTEST_MARK.sub("", line))
