"""The examination as a whole: what it prints, and what it answers."""

import json

import pytest

from chaos.disk.__main__ import main
from chaos.disk.examine import Chapter, examine_disk
from chaos.disk.power import Depth
from chaos.disk.promises import Remains
from chaos.disk.report import REMARKS_MAX, DiskReport, Scene


def scene(name: str = "power cut", *, expects_loss: bool = False, lost: int = 0) -> Scene:
    """A scene with ten images, of which some have lost something."""
    made = Scene(name, expects_loss=expects_loss, points=5, seconds=2.0)
    for number in range(10):
        made.found(Remains.LOST if number < lost else Remains.KEPT, f"point {number}")
    return made


def test_scene_that_lost_something_breaks_the_report_and_says_where() -> None:
    report = DiskReport(7, (scene(), scene("write fail", lost=1)), "memoryd chaos disk --seed 7")

    assert not report.is_sound
    assert "write fail: point 0: lost" in report.as_text()
    assert report.as_text().endswith("BROKEN; again: memoryd chaos disk --seed 7")


def test_control_that_finds_nothing_breaks_the_report() -> None:
    assert DiskReport(1, (scene(), scene("off", expects_loss=True, lost=3))).is_sound
    blind = DiskReport(1, (scene(), scene("off", expects_loss=True)))

    assert not blind.is_sound
    assert "BLIND" in blind.as_text()


def test_scene_without_an_image_has_shown_nothing() -> None:
    assert not Scene("empty").is_as_expected


def test_many_remarks_of_a_kind_are_counted_and_not_all_shown() -> None:
    made = scene(lost=9)

    assert len(made.remarks) == REMARKS_MAX
    assert "and 4 more" in DiskReport(1, (made,)).as_text()


def test_document_holds_what_the_table_holds() -> None:
    document = DiskReport(3, (scene(lost=2),)).as_json()

    assert document["sound"] is False
    (only,) = document["scenes"]
    assert (only["images"], only["images_per_second"], only["lost"], only["kept"]) == (10, 5, 2, 8)


@pytest.mark.parametrize("arguments", [["--stride", "0"], ["--images", "-1"], ["--seed", "x"]])
def test_arguments_without_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2


@pytest.mark.slow
def test_every_promise_is_kept_and_every_control_finds_something(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--images", "1", "--stride", "53", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["sound"] is True
    assert [one["name"] for one in document["scenes"] if one["control"]]


@pytest.mark.slow
def test_same_seed_finds_the_same() -> None:
    # Real processes repeat their faults, and what the machine makes of them differs.
    chapters = [one for one in Chapter if one is not Chapter.PROCESSES]
    reports = [examine_disk(4, depth=Depth(some=1, stride=211), rounds=2, chapters=chapters) for _ in range(2)]
    counts = [[(one.name, one.points, one.acknowledged) for one in report.scenes] for report in reports]

    assert counts[0] == counts[1]
