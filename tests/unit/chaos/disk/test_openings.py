"""Openings that are cut short or fail: the next one finds everything."""

from pathlib import Path

import pytest

from chaos.disk.examine import RARE
from chaos.disk.faults import ERRORS, Effect, Operation
from chaos.disk.openings import cut_migrations, cut_quarantine, fail_openings
from chaos.disk.power import Depth
from chaos.disk.promises import Remains
from chaos.disk.report import Scene
from state import opening


def test_power_cut_in_the_middle_of_a_migration_leaves_a_file_that_the_next_start_migrates(root: Path) -> None:
    scene = Scene("power cut, migrating")
    cut_migrations(scene, root, seed=1, depth=Depth(stride=9))

    assert scene.is_as_expected, scene.remarks


def test_power_cut_in_the_middle_of_a_quarantine_loses_no_byte_of_the_damaged_files(root: Path) -> None:
    scene = Scene("power cut, quarantine")
    cut_quarantine(scene, root, seed=1)

    assert scene.is_as_expected, scene.remarks
    assert scene.images == 16, "every subset of three renames, for two kinds of damage"


def test_quarantine_that_is_not_finished_is_found_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "finish_quarantine", lambda _folder: None)
    scene = Scene("power cut, quarantine", expects_loss=True)
    cut_quarantine(scene, root, seed=1)

    assert scene.counts[Remains.LOST] > 0


@pytest.mark.parametrize(("operation", "effect"), ERRORS)
def test_opening_on_a_failing_disk_is_refused_in_words_and_works_when_it_is_repaired(
    root: Path, operation: Operation, effect: Effect
) -> None:
    scene = Scene("any error, opening")
    depth = Depth(stride=5 if operation in RARE else 23)
    fail_openings(scene, root, operation=operation, effect=effect, depth=depth)

    assert scene.remarks == []
    assert scene.broken_promises == 0
