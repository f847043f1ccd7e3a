"""Promise 1, with the power cut at every moment of a run: what was acknowledged is on the disk, and nothing by half."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.disk.asked_store import WrapCommits, less_durable
from chaos.disk.faults import Effect, Fault, Operation, Part
from chaos.disk.power import Depth, cut_everywhere, record_failing, record_serving
from chaos.disk.promises import Remains
from chaos.disk.report import Scene
from chaos.disk.workload import Script, script
from state.folder import StateFolder
from tests.unit.chaos.disk.broken_stores import AnswersBeforeCommit, CommitsHalfWay, wrapping

SEED = 1
SHORT = script(SEED, 2)
PARTS = (SHORT[: len(SHORT) // 2], SHORT[len(SHORT) // 2 :])


def cut(
    root: Path,
    *,
    stride: int,
    wrap: Callable[[str], WrapCommits] | None = None,
    lies: tuple[Fault, ...] = (),
    parts: tuple[Script, ...] = PARTS,
) -> Scene:
    """Cut the power at every so-manieth moment of a run."""
    scene = Scene("power cut", expects_loss=wrap is not None or bool(lies))
    recording = record_serving(StateFolder(path=root / "state"), parts, wrap=wrap, lies=lies)
    cut_everywhere(scene, recording, root, seed=SEED, depth=Depth(stride=stride))
    return scene


def test_power_cut_loses_nothing_acknowledged_and_leaves_nothing_half_there(root: Path) -> None:
    scene = cut(root, stride=13)

    assert scene.remarks == []
    assert scene.broken_promises == 0
    assert scene.images > 100


def test_batch_id_says_whether_the_batch_in_hand_was_stored(root: Path) -> None:
    scene = cut(root, stride=31)

    assert scene.unknown > 30
    assert scene.resolved == scene.unknown


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_power_cut_at_any_moment_of_a_longer_run_loses_nothing(root: Path, seed: int) -> None:
    whole = script(seed, 5)
    scene = Scene("power cut")
    recording = record_serving(StateFolder(path=root / "state"), (whole[:13], whole[13:30], whole[30:]))
    cut_everywhere(scene, recording, root, seed=seed, depth=Depth(some=4, stride=5))

    assert scene.is_as_expected, scene.remarks
    assert scene.resolved == scene.unknown


def test_store_that_answers_before_it_commits_is_found_out(root: Path) -> None:
    scene = cut(root, stride=29, wrap=wrapping(AnswersBeforeCommit))

    assert scene.counts[Remains.LOST] > 0


def test_store_that_commits_in_the_middle_of_a_request_is_found_out(root: Path) -> None:
    scene = cut(root, stride=13, wrap=wrapping(CommitsHalfWay))

    assert scene.counts[Remains.HALF] > 0


def test_store_that_does_not_sync_its_commits_is_found_out(root: Path) -> None:
    scene = cut(root, stride=31, wrap=lambda vfs: less_durable("NORMAL", vfs))

    assert scene.counts[Remains.LOST] > 0
    assert scene.counts[Remains.CORRUPT] == 0, "a checkpoint still syncs"


def test_store_that_never_syncs_is_found_out(root: Path) -> None:
    scene = cut(root, stride=29, wrap=lambda vfs: less_durable("OFF", vfs))

    assert scene.counts[Remains.LOST] > 0


def test_checkpoint_that_is_not_synced_is_found_corrupt(root: Path) -> None:
    lie = Fault(operation=Operation.SYNC, effect=Effect.LIE, times=None, part=Part.DATABASE)

    assert cut(root, stride=37, lies=(lie,)).counts[Remains.CORRUPT] > 0


@pytest.mark.parametrize("number", [1, 5, 10])
def test_batch_that_was_refused_for_a_failed_sync_stays_refused_after_a_power_cut(root: Path, number: int) -> None:
    """What the sync should have kept may have arrived all the same, or never will."""
    scene = Scene("sync fails, then power cut")
    fault = Fault(operation=Operation.SYNC, effect=Effect.FAIL, number=number)
    recording = record_failing(StateFolder(path=root / "state"), SHORT, fault)
    cut_everywhere(scene, recording, root, seed=SEED, depth=Depth(stride=5))

    assert scene.is_as_expected, scene.remarks
    assert any(asked.is_refused for batch in recording.history for asked in batch.asked)
