"""`memoryd turn`: one turn with a model, printed as it goes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import trio
from cyclopts import App, Parameter

from interfaces.cli.errors import EXIT_OK, CommandError
from interfaces.cli.options import CommonOptions
from interfaces.cli.turn_output import TurnError, TurnOutput
from interfaces.logs import configure_logs
from interfaces.service import Service

COMMAND = "turn"
END_OF_OPTIONS = "--"

_WITH_VALUE = ("--model", "--codex-home", "--state-dir", "--config", "--set")
_WITHOUT_VALUE = ("--help", "-h", "--version")


def add_to(app: App, service: Service) -> None:
    """Add the command."""

    @app.command
    async def turn(
        *prompt: Annotated[str, Parameter(help="what to ask, word by word; piped in where there are no words")],
        model: Annotated[str | None, Parameter(help="which model answers [default: the configuration's]")] = None,
        common: CommonOptions | None = None,
    ) -> int:
        """Ask a model one thing and print what happens, one JSON object a line. Nothing of it is kept.

        Everything from the first word on is the prompt, also what looks like an option.
        """
        text = await trio.to_thread.run_sync(prompt_of, prompt, abandon_on_cancel=True)
        common = common or CommonOptions()
        paths = common.paths()
        settings = common.settings(paths)
        configure_logs(settings.logs, redact=service.redact, stderr_level="warning")
        try:
            cwd = str(Path.cwd())
        except OSError as error:
            raise CommandError(f"resolve current directory: {error.strerror or error}") from error
        output = TurnOutput(write_out)

        async def tell(method: str, params: Any) -> None:
            try:
                await trio.to_thread.run_sync(output.take, method, params, abandon_on_cancel=True)
            except BrokenPipeError as error:
                raise TurnError("stdout was closed before the turn ended") from error
            except OSError as error:
                raise TurnError(f"stdout cannot be written: {error.strerror or error}") from error

        await service.turn(paths, settings, text, model, cwd, tell)
        if not output.is_complete:
            raise TurnError("read Codex event: the turn ended without a word")
        return EXIT_OK


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


def prompt_of(words: Sequence[str]) -> str:
    """What to ask: the words, else what is piped in.

    Raises:
      CommandError: there is nothing to ask.
    """
    if words:
        return " ".join(words)
    if sys.stdin is None or sys.stdin.isatty():
        raise CommandError("no prompt provided; pass a prompt argument or pipe one into stdin")
    try:
        piped = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"read prompt from stdin: it is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise CommandError(f"read prompt from stdin: {error.strerror or error}") from error
    text = piped.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise CommandError("no prompt provided via stdin")
    return text


def write_out(data: bytes) -> None:
    """Write to stdout at once, past the buffer: what could not be written must not come later, and is an error now."""
    number = sys.stdout.fileno()
    while data:
        data = data[os.write(number, data) :]
