"""`memoryd turn`: one turn with a model, printed as it goes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import trio
from cyclopts import App, Parameter

from config.paths import CodexHomeError
from interfaces.cli.errors import EXIT_OK, CommandError
from interfaces.cli.options import CommonOptions
from interfaces.cli.turn_output import TurnError, TurnOutput
from interfaces.logs import configure_logs
from interfaces.service import Service


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
        try:
            paths = common.paths()
        except CodexHomeError as error:
            raise CodexHomeError(f"find Codex home: {error}") from error
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
