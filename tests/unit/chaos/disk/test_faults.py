"""Plans are data, and say exactly which operation is struck."""

import pytest

from chaos.disk.faults import POSSIBLE, Effect, Fault, Operation


def test_fault_strikes_the_named_operation_and_no_other() -> None:
    fault = Fault(operation=Operation.WRITE, effect=Effect.FAIL, number=3)

    assert [count for count in range(1, 8) if fault.strikes(count)] == [3]


def test_fault_strikes_so_often_as_it_says_or_for_good() -> None:
    twice = Fault(operation=Operation.WRITE, effect=Effect.FAIL, number=3, times=2)
    for_good = Fault(operation=Operation.WRITE, effect=Effect.FAIL, number=3, times=None)

    assert [count for count in range(1, 8) if twice.strikes(count)] == [3, 4]
    assert [count for count in range(1, 8) if for_good.strikes(count)] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("operation", Operation)
def test_effect_that_an_operation_cannot_have_is_refused(operation: Operation) -> None:
    for effect in set(Effect) - POSSIBLE[operation]:
        with pytest.raises(ValueError, match=f"a {operation} cannot {effect}"):
            Fault(operation=operation, effect=effect)


def test_fault_says_in_words_what_it_does() -> None:
    assert str(Fault(operation=Operation.SYNC, effect=Effect.FAIL, number=2, times=None)) == "sync 2 fail from then on"
