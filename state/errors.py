"""Why the store could not answer. Losing a race is a reply, not one of these.

StateError
+-- InvalidRequestError     a request cannot mean what it says; it was never sent (a ValueError too)
+-- StateFolderError        the folder can't be used: bound elsewhere, too new, on a network disk, not writable
+-- StoreError              the store was asked and could not answer
    +-- StoreClosedError    you closed it
    +-- StoreBusyError      another process held the write lock longer than the deadline; nothing was changed
    +-- NotCommittedError   the disk refused (full, read-only, I/O error); nothing was changed
    +-- OutcomeUnknownError the disk failed during COMMIT; the change may or may not be there
    +-- StoreBrokenError    the store can't go on; the service stops
    +-- RuleFailedError     a rule raised: a bug, or a constraint that the request broke; nothing was changed
    |   +-- DamagedRowError the one row that was asked about holds what nothing of ours writes; nothing was changed
    +-- DeadlineError       a long read passed its deadline; asking again is safe
"""


class StateError(Exception):
    """Base of all. `hint` says what the person can do; '' when nothing."""

    code = "state_error"
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InvalidRequestError(StateError, ValueError):
    """A request was made with a value that it cannot mean: the message names the field, the value and the bound.

    Raised where the request is made, so that nothing of it ever reaches the store.
    """

    code = "invalid_request"


class StateFolderError(StateError):
    """The state folder cannot be used as it is."""

    code = "state_folder"


class StoreError(StateError):
    """The store was asked and could not answer."""

    code = "store"


class StoreClosedError(StoreError):
    """The store was closed before the request was taken up."""

    code = "store_closed"


class StoreBusyError(StoreError):
    """Another process held SQLite's write lock for longer than the deadline. Nothing was changed."""

    code = "store_busy"
    retryable = True


class NotCommittedError(StoreError):
    """The transaction did not reach the disk. Nothing was changed."""

    code = "not_committed"
    retryable = True


class OutcomeUnknownError(StoreError):
    """The disk failed during COMMIT and what it kept could not be found out. Look before asking again."""

    code = "outcome_unknown"


class StoreBrokenError(StoreError):
    """The store stopped because it can no longer vouch for its answers."""

    code = "store_broken"


class RuleFailedError(StoreError):
    """A rule raised instead of replying. Its own changes are rolled back; other requests are not touched."""

    code = "rule_failed"


class DamagedRowError(RuleFailedError):
    """One row holds what nothing of ours writes: somebody changed the database by hand. Other rows are not touched."""

    code = "damaged_row"


class DeadlineError(StoreError):
    """A read took longer than its deadline and was interrupted. Asking again is safe."""

    code = "deadline"
    retryable = True


def first_cause(error: BaseException) -> BaseException:
    """The first single exception within a group, however deep; any other exception itself.

    Nurseries raise groups; a person, a log line and a restart rule want the one reason.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
