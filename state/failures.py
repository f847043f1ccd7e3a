"""What askers are told when a batch or one of its requests fails: in words, and as one of the store's errors."""

from pathlib import Path

import apsw
import outcome

from state.errors import NotCommittedError, RuleFailedError, StoreBusyError, StoreError
from state.inbox import Answer
from state.journal import JournalError


def all_fail(answers: list[Answer], error: StoreError) -> list[Answer]:
    """Turn a batch's answers into one failure each; what had failed by itself keeps its own reason."""
    return [
        (ticket, answer if isinstance(answer, outcome.Error) else outcome.Error(error)) for ticket, answer in answers
    ]


def explained(error: Exception, database: Path) -> StoreError:
    """Say in words for a person what SQLite or a rule raised."""
    said: StoreError
    match error:
        case StoreError():
            return error  # the rule has said it in words already
        case apsw.FullError():
            said = NotCommittedError("the disk is full: the change was not stored", hint="free some space")
        case apsw.ReadOnlyError():
            said = NotCommittedError(
                f"the database {database} cannot be written: it is read-only", hint="check its permissions"
            )
        case apsw.IOError() | apsw.CantOpenError():
            said = NotCommittedError(f"the disk failed: the change was not stored ({error})")
        case JournalError():
            said = NotCommittedError(f"the change was not stored: {error}", hint="check the disk and its permissions")
        case apsw.BusyError():
            said = StoreBusyError(f"the database {database} is locked by another process ({error})")
        case _:
            said = RuleFailedError(f"{type(error).__name__}: {error}")
    said.__cause__ = error
    return said
