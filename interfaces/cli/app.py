"""The command `memoryd`: which commands there are, and how every one of them ends.

Each command is a module, imported when it is the one that was named; this one puts them together and turns whatever
went wrong into one sentence and an exit code. No traceback reaches a person: an error that nobody foresaw is written to
a file, and the file is named.
"""

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from cyclopts import App, CycloptsError, Parameter

from config.version import VERSION
from interfaces.cli import prompt_words
from interfaces.cli.errors import (
    EXIT_FAILED,
    EXIT_INTERNAL,
    EXIT_OK,
    EXIT_USAGE,
    CommandError,
    InternalError,
    UsageError,
    exit_code,
)
from interfaces.cli.output import print_error
from interfaces.service import Service
from state.errors import first_cause

SERVED = ("once", "run", "serve", "turn", "publish", "status", "doctor", "threads")
"""Commands that ask the service behind them for something. Each is the module of its name in `interfaces.cli`."""

COMMANDS = (*SERVED, "paths", "memories", "jobs", "chaos", "logs")
"""Every command, in the order in which they are added."""


def build_app(service: Service, arguments: Sequence[str] = ()) -> App:
    """Put the commands together around a service.

    Args:
      arguments: the command line. Where it begins with a command, that one's module alone is imported, since nothing
        else can be asked any more; the version needs none, a list of commands, or a name that is none, all of them.
    """
    app = App(
        name="memoryd",
        version=VERSION,
        help="Index the transcripts of coding agents, and make small, cited memories of them.",
        backend="trio",
        result_action="return_value",
        default_parameter=Parameter(negative=()),
    )
    for name in _needed(arguments):
        module = import_module(f"interfaces.cli.{name}")
        module.add_to(app, *((service,) if name in SERVED else ()))
    return app


def _needed(arguments: Sequence[str]) -> Sequence[str]:
    if arguments and arguments[0] in COMMANDS:
        return arguments[:1]
    return () if arguments == ["--version"] else COMMANDS


def run_command_line(service: Service, arguments: list[str]) -> int:
    """Run one command; answer its exit code."""
    # The lines of `turn` are its own, and the words of its prompt are no options.
    as_json = "--json" in arguments and arguments[0] != prompt_words.COMMAND
    arguments = prompt_words.verbatim(arguments)
    _make_output_bearable()
    try:
        code = build_app(service, arguments)(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output left, e.g. `memoryd threads list | head`.
        _drop_output()
        return EXIT_OK
    except (Exception, BaseExceptionGroup, KeyboardInterrupt, SystemExit) as group:
        return _explain(first_cause(group), as_json=as_json)
    return code if isinstance(code, int) else EXIT_OK


def _explain(error: BaseException, *, as_json: bool) -> int:
    """Print what ended the command; answer its exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_OK
    code = exit_code(error)
    if isinstance(error, CycloptsError):
        error = UsageError(" ".join(str(error).split()), hint="see `memoryd --help`")
        code = EXIT_USAGE
    elif isinstance(error, OSError):
        # What the operating system refused, e.g. a full disk behind stdout, is nobody's defect.
        where = f" ({error.filename})" if error.filename else ""
        error = CommandError(f"{(error.strerror or str(error)).lower()}{where}")
        code = EXIT_FAILED
        as_json = False  # stdout may be what failed
        _drop_output()
    elif code == EXIT_INTERNAL:
        error = InternalError(f"internal error: {type(error).__name__}: {error}", hint=_write_report(error))
    print_error(error, as_json=as_json)
    return code


def _make_output_bearable() -> None:
    """A closed stdout swallows what is printed, and a character that a terminal does not know is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Send what is still in stdout's buffer nowhere, so that Python does not complain at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_report(error: BaseException) -> str:
    """Write a traceback where a person can find it for a bug report; answer the sentence that says where."""
    folder = Path(os.environ.get("MEMORYD_HOME") or Path(os.environ.get("TMPDIR", "/tmp")))  # noqa: S108
    path = folder / f"memoryd-error-{int(time.time())}-{os.getpid()}.txt"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return "this is a defect of memoryd; please report it"
    return f"this is a defect of memoryd; please report it with {path}"
