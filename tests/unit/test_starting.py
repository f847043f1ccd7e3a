"""Garbage is not looked for while a process starts, and seldom afterwards."""

import gc
from collections.abc import Iterator

import pytest

import starting


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_there_when_a_start_is_over_is_never_looked_at_again() -> None:
    gc.set_threshold(starting.STARTING_OBJECTS)
    starting.is_over()
    assert gc.get_threshold()[0] == starting.SERVING_OBJECTS
    assert gc.get_freeze_count() > 1_000


def test_a_program_that_embeds_the_store_keeps_its_own_thresholds() -> None:
    gc.set_threshold(700)
    starting.is_over()
    assert gc.get_threshold()[0] == 700
    assert gc.get_freeze_count() == 0
