"""What ran in a shell and how it ended, from the several ways in which transcripts write that.

A command is a line of text, or a list of arguments, often a shell's own (`["bash", "-lc", "make test"]`): what matters
is the line that the shell was given. Output is plain text, text below a header that says how the command ended, or a
JSON object with both.
"""

import re
import shlex
from urllib.parse import unquote, urlsplit

import attrs
import msgspec

from state.decoders import json_decoder

SHELL_TOOLS = frozenset(("shell", "shell_command", "exec_command", "local_shell", "container.exec"))
"""Tools whose call is a command."""

STDIN_TOOL = "write_stdin"
"""The tool that writes to a command that is running, or waits for more of its output."""

_SHELL = re.compile(r"(?:.*[/\\])?(?:bash|zsh|sh|dash|ksh|fish|pwsh|powershell|cmd)(?:\.exe)?", re.IGNORECASE)
_SHELL_FLAG = re.compile(r"-[a-z]*c|-command|/c", re.IGNORECASE)

_HEADER = re.compile(
    r"(?:(?:Chunk ID|Wall time|Exit code|Original token count|Total output lines|Process (?:exited|running) with)"
    r"[^\n]*\n){1,8}Output:(?:\n|\Z)"
)
_EXIT_CODE = re.compile(r"^(?:Process exited with code|Exit code:) (-?[0-9]{1,10})$", re.MULTILINE)
_SESSION_ID = re.compile(r"^Process running with session ID ([0-9]{1,20})$", re.MULTILINE)
_HEADERS_MAX = 2  # a patch that is applied inside a shell command has the patch tool's header below the shell's


class _Arguments(msgspec.Struct):
    cmd: str | list[str] | None = None
    command: str | list[str] | None = None
    workdir: str | None = None
    cwd: str | None = None


class _StdinArguments(msgspec.Struct):
    session_id: int | str


class _Metadata(msgspec.Struct):
    exit_code: int | None = None


class _JsonOutput(msgspec.Struct):
    output: str
    metadata: _Metadata | None = None


_decode_arguments = json_decoder(_Arguments).decode
_decode_stdin_arguments = json_decoder(_StdinArguments).decode
_decode_json_output = json_decoder(_JsonOutput).decode


@attrs.frozen
class Command:
    """A command line, and the folder it ran in ('' when the transcript does not say)."""

    line: str
    cwd: str = ""


@attrs.frozen
class CommandOutput:
    """What a command printed, and how it was then.

    Attributes:
      exit_code: None when it had not ended, or the transcript does not say.
      session_id: of the process, while it is running; what it prints later comes under this id. '' otherwise.
    """

    text: str
    exit_code: int | None = None
    session_id: str = ""


def command_line(command: str | list[str]) -> str:
    """The line that a shell was given, or else the arguments quoted as a shell would need them."""
    if isinstance(command, str):
        return command.strip()
    if len(command) == 3 and _SHELL.fullmatch(command[0]) and _SHELL_FLAG.fullmatch(command[1]):
        return command[2].strip()
    if len(command) == 2 and command[0] == "apply_patch":
        return "\n".join(command)  # a patch is read by its lines, which quoting would hide
    return shlex.join(command)


def called_command(arguments: str) -> Command:
    """The command in a shell tool's arguments; all of the arguments' text when they are in no known form."""
    try:
        called = _decode_arguments(arguments)
    except ValueError:
        return Command(arguments.strip())
    command = called.cmd if called.cmd is not None else called.command
    return Command(command_line(command) if command is not None else "", plain_path(called.workdir or called.cwd or ""))


def polled_session(arguments: str) -> str:
    """The session id in the arguments of a call of STDIN_TOOL; '' when there is none."""
    try:
        return str(_decode_stdin_arguments(arguments).session_id)
    except ValueError:
        return ""


def command_output(text: str) -> CommandOutput:
    """Take what a command printed apart from what the tool says about it."""
    if text.startswith("{"):
        try:
            whole = _decode_json_output(text)
        except ValueError:
            pass
        else:
            return CommandOutput(whole.output, whole.metadata.exit_code if whole.metadata is not None else None)
    begin, exit_code, session_id = 0, None, ""
    for _ in range(_HEADERS_MAX):
        header = _HEADER.match(text, begin)
        if header is None:
            break
        exited = _EXIT_CODE.search(header[0])
        exit_code = int(exited[1]) if exited is not None else exit_code
        running = _SESSION_ID.search(header[0])
        session_id = running[1] if running is not None else session_id
        begin = header.end()
    return CommandOutput(text[begin:], exit_code, session_id)


def plain_path(path: str) -> str:
    """A folder's path, without the `file://` that newer transcripts put before it."""
    return unquote(urlsplit(path).path) if path.startswith("file://") else path
