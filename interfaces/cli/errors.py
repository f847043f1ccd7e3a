"""Exit codes, and which error ends with which. README.md lists them."""

from config import ConfigError
from state.errors import StateFolderError, StoreError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STATE_FOLDER = 3
EXIT_STORE = 4
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """Why a command could not do what was asked. `hint` says what to do instead; '' when the message says it all."""

    code = "command"
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CommandError):
    """The command line is wrong."""

    code = "usage"


class NotFoundError(CommandError):
    """What was asked for is not there."""

    code = "not_found"


class InternalError(CommandError):
    """A defect of memoryd."""

    code = "internal"


def exit_code(error: BaseException) -> int:
    """The exit code that stands for this error; EXIT_INTERNAL for one that nobody foresaw."""
    if isinstance(error, ConfigError | UsageError):
        return EXIT_USAGE
    if isinstance(error, StateFolderError):
        return EXIT_STATE_FOLDER
    if isinstance(error, StoreError):
        return EXIT_STORE
    if isinstance(error, KeyboardInterrupt) or getattr(error, "code", "") == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_FAILED if hasattr(error, "code") else EXIT_INTERNAL
