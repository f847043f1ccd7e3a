"""Where the options of `memoryd turn` end on a command line, so that no word of a prompt is taken for one.

Looked at for every command, before any is imported: it imports nothing of them.
"""

from collections.abc import Sequence

COMMAND = "turn"
END_OF_OPTIONS = "--"

_WITH_VALUE = ("--model", "--codex-home", "--state-dir", "--config", "--set")
_WITHOUT_VALUE = ("--help", "-h", "--version")


def verbatim(arguments: Sequence[str]) -> list[str]:
    """The command line with the end of this command's options marked, so that no word of a prompt is taken for one."""
    if not arguments or arguments[0] != COMMAND:
        return list(arguments)
    at = 1
    while at < len(arguments):
        name, equals, _ = arguments[at].partition("=")
        if name in _WITH_VALUE:
            at += 1 if equals else 2
        elif name in _WITHOUT_VALUE:
            at += 1
        else:
            break
    rest = list(arguments[at:])
    if rest and rest[0] == END_OF_OPTIONS:
        rest = rest[1:]
    return [*arguments[:at], END_OF_OPTIONS, *rest] if rest else list(arguments[:at])
