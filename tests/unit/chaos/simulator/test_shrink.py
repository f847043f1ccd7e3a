"""What is left of a failing run's faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.simulator.shrink import TRIES_MAX, shortest


@pytest.mark.parametrize("needed", [(), (7,), (2, 9), (1, 5, 12)])
def test_what_is_needed_is_what_is_left(needed: tuple[int, ...]) -> None:
    assert shortest(range(1, 13), lambda kept: set(needed) <= set(kept)) == needed


@given(numbers=st.sets(st.integers(1, 40), min_size=1), needed=st.sets(st.integers(1, 40), max_size=3))
def test_what_is_left_still_fails_and_the_tries_are_bounded(numbers: set[int], needed: set[int]) -> None:
    needed &= numbers
    tried: list[tuple[int, ...]] = []

    def still_fails(kept: tuple[int, ...]) -> bool:
        tried.append(kept)
        return needed <= set(kept)

    left = shortest(sorted(numbers), still_fails)

    assert needed <= set(left) <= numbers
    assert len(tried) <= TRIES_MAX + 1


def test_failure_that_no_fault_is_left_out_of_stays_whole() -> None:
    assert shortest((1, 2, 3), lambda kept: kept == (1, 2, 3)) == (1, 2, 3)
