"""Errors at every point: stored and acknowledged, or refused with a reason, or unknown and then one of the two."""

from pathlib import Path

import pytest

from chaos.disk.errors import Base, Trial, count_operations, fail_everywhere, fill_everywhere
from chaos.disk.examine import RARE
from chaos.disk.faults import ERRORS, Effect, Operation
from chaos.disk.power import Depth
from chaos.disk.report import Scene
from chaos.disk.workload import script
from state.group_commit import GroupCommit
from tests.unit.chaos.disk.broken_stores import AcknowledgesWhatFailed, RefusesWhatItStored, wrapping

TRIAL = Trial.of(script(1, 3))


def failing(base: Base, operation: Operation, effect: Effect, *, stride: int) -> Scene:
    """Fail every so-manieth operation of a kind."""
    scene = Scene(f"{operation} {effect}")
    fail_everywhere(scene, base, operation=operation, effect=effect, depth=Depth(stride=stride))
    return scene


@pytest.mark.parametrize(("operation", "effect"), ERRORS)
def test_error_is_answered_and_every_answer_is_kept(root: Path, operation: Operation, effect: Effect) -> None:
    scene = failing(Base(root, TRIAL), operation, effect, stride=2 if operation in RARE else 29)

    assert scene.is_as_expected, scene.remarks
    assert scene.resolved == scene.unknown


def test_full_disk_is_called_full_loses_nothing_and_is_over_when_there_is_room(root: Path) -> None:
    scene = Scene("disk fills up")
    fill_everywhere(scene, Base(root, TRIAL, is_closed=True), depth=Depth(stride=17))

    assert scene.is_as_expected, scene.remarks
    assert scene.points > 3


def test_disk_that_fails_for_good_while_committing_leaves_the_outcome_unknown_and_reopening_decides(
    root: Path,
) -> None:
    scene = failing(Base(root, TRIAL), Operation.WRITE, Effect.FAIL, stride=29)

    assert scene.unknown > 0
    assert scene.resolved == scene.unknown


def test_same_trial_has_the_same_operations_every_time(root: Path) -> None:
    base = Base(root, TRIAL)

    assert count_operations(base) == count_operations(base)


@pytest.mark.parametrize("kind", [AcknowledgesWhatFailed, RefusesWhatItStored])
def test_store_whose_answers_are_not_what_it_stored_is_found_out(root: Path, kind: type[GroupCommit]) -> None:
    scene = failing(Base(root, TRIAL, wrap=wrapping(kind)), Operation.SYNC, Effect.FAIL, stride=2)

    assert scene.broken_promises > 0


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "effect"), ERRORS)
def test_error_in_any_place_of_another_run_is_answered(root: Path, operation: Operation, effect: Effect) -> None:
    scene = failing(Base(root, Trial.of(script(2, 3))), operation, effect, stride=1 if operation in RARE else 5)

    assert scene.is_as_expected, scene.remarks
