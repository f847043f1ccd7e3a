"""Why the store could not answer, in words that programs and people can use."""

import pytest

from state import errors
from state.errors import StateError, StoreError, first_cause

EVERY_ERROR = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, StateError)]


def test_codes_are_told_apart() -> None:
    assert len({error.code for error in EVERY_ERROR}) == len(EVERY_ERROR)


def test_only_what_changed_nothing_may_be_asked_again() -> None:
    assert {error.__name__ for error in EVERY_ERROR if error.retryable} == {
        "StoreBusyError",
        "NotCommittedError",
        "DeadlineError",
    }


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_error_is_drawn_in_the_tree_and_carries_its_hint(error: type[StateError]) -> None:
    assert error("what", hint="do this").hint == "do this"
    assert error("what").hint == ""
    assert error in (StateError, StoreError) or f" {error.__name__} " in (errors.__doc__ or "")


def test_first_cause_is_the_first_single_exception_however_deep() -> None:
    reason = ValueError("the reason")
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [reason, KeyError("other")]), OSError()])

    assert first_cause(group) is reason
    assert first_cause(reason) is reason
