"""What a power cut may leave: never less than was synced, never more than was written."""

import random
from collections.abc import Iterable

import pytest

from chaos.disk.medium import SECTOR_BYTES, Files, Medium, Survival
from chaos.disk.recording import Created, Deleted, Event, Synced, SyncFailed, Truncated, Wrote

OLD = bytes([1]) * SECTOR_BYTES * 4
NEW = bytes([2]) * SECTOR_BYTES * 2


def after(events: Iterable[Event], survival: Survival, *, seed: int = 0) -> Files:
    """The files after a power cut that follows these events."""
    medium = Medium({"f": OLD})
    for event in events:
        medium.play(event)
    return medium.image(survival, random.Random(seed))


def test_synced_write_survives_whatever_else_does() -> None:
    for survival in Survival:
        assert after([Wrote("f", 0, NEW), Synced("f", False)], survival)["f"] == NEW + OLD[len(NEW) :]


def test_unsynced_write_may_be_lost_be_there_or_be_torn() -> None:
    events: list[Event] = [Wrote("f", 0, NEW)]

    assert after(events, Survival.NOTHING)["f"] == OLD
    assert after(events, Survival.EVERYTHING)["f"] == NEW + OLD[len(NEW) :]
    assert after(events, Survival.TORN)["f"] == NEW[:SECTOR_BYTES] + OLD[SECTOR_BYTES:]


def test_later_write_may_arrive_before_an_earlier_one() -> None:
    events: list[Event] = [Wrote("f", 0, NEW), Wrote("f", 3 * SECTOR_BYTES, b"z")]

    assert after(events, Survival.LAST_ONLY)["f"] == OLD[: 3 * SECTOR_BYTES] + b"z" + OLD[3 * SECTOR_BYTES + 1 :]


def test_random_survival_keeps_or_loses_whole_sectors_and_is_the_same_for_a_seed() -> None:
    events: list[Event] = [Wrote("f", 0, bytes([2]) * len(OLD))]
    seen = set()
    for seed in range(300):
        content = after(events, Survival.SOME, seed=seed)["f"]
        assert content == after(events, Survival.SOME, seed=seed)["f"]
        sectors = [content[start : start + SECTOR_BYTES] for start in range(0, len(content), SECTOR_BYTES)]
        assert all(len(set(sector)) == 1 for sector in sectors)
        seen.add(content)
    assert len(seen) == 16, "every subset of four sectors"


def test_bytes_that_a_write_does_not_name_stay_as_they_are() -> None:
    assert after([Wrote("f", 700, b"zz")], Survival.EVERYTHING)["f"] == OLD[:700] + b"zz" + OLD[702:]


def test_file_that_grew_without_its_data_holds_zeros_or_what_lay_there() -> None:
    events: list[Event] = [Wrote("f", len(OLD), NEW), Wrote("f", len(OLD + NEW), b"z")]
    gaps = set()
    for seed in range(60):
        content = after(events, Survival.SOME, seed=seed)["f"]
        if len(content) > len(OLD + NEW):
            gaps.add(content[len(OLD) : len(OLD + NEW)])

    assert bytes(len(NEW)) in gaps
    assert any(gap not in (bytes(len(NEW)), NEW) and set(gap) > {1, 2} for gap in gaps)


def test_what_a_failed_sync_should_have_kept_is_not_kept_by_the_next_one() -> None:
    events: list[Event] = [Wrote("f", 0, NEW), SyncFailed("f"), Wrote("f", 3 * SECTOR_BYTES, b"z"), Synced("f", False)]
    later = OLD[: 3 * SECTOR_BYTES] + b"z" + OLD[3 * SECTOR_BYTES + 1 :]

    assert after(events, Survival.NOTHING)["f"] == later
    assert after(events, Survival.EVERYTHING)["f"] == NEW + later[len(NEW) :]


def test_what_is_written_and_synced_anew_lies_over_what_a_failed_sync_lost() -> None:
    events: list[Event] = [Wrote("f", 0, NEW), SyncFailed("f"), Wrote("f", 0, OLD), Synced("f", False)]

    for survival in Survival:
        assert after(events, survival)["f"] == OLD


def test_truncation_is_certain_only_after_a_sync() -> None:
    events: list[Event] = [Truncated("f", 5)]

    assert [after(events, survival)["f"] for survival in (Survival.EVERYTHING, Survival.UNCUT)] == [OLD[:5], OLD]
    assert after([*events, Synced("f", False)], Survival.UNCUT)["f"] == OLD[:5]


@pytest.mark.parametrize("survival", [Survival.NOTHING, Survival.UNCUT])
def test_new_name_is_certain_only_after_its_folder_was_synced(survival: Survival) -> None:
    events: list[Event] = [Created("g"), Wrote("g", 0, b"z"), Synced("g", False)]

    assert set(after(events, survival)) == {"f"}
    assert after([*events, Synced("g", True)], survival)["g"] == b"z"


def test_deleted_name_comes_back_with_its_content_until_the_folder_was_synced() -> None:
    assert after([Deleted("f", False)], Survival.EVERYTHING) == {}
    assert after([Deleted("f", False)], Survival.NOTHING) == {"f": OLD}
    assert after([Deleted("f", True)], Survival.NOTHING) == {}


def test_name_that_was_used_again_is_the_old_file_or_the_new_one() -> None:
    events: list[Event] = [Deleted("f", False), Created("f"), Wrote("f", 0, b"z")]

    assert after(events, Survival.EVERYTHING) == {"f": b"z"}
    assert after(events, Survival.UNCUT) == {"f": OLD}


def test_settled_disk_leaves_exactly_one_image() -> None:
    medium = Medium({"f": OLD})
    medium.play(Wrote("f", 0, NEW))
    many = len(list(medium.images(3, random.Random(0))))
    medium.play(Synced("f", False))

    assert many == len(Survival) - 1 + 3
    assert len(list(medium.images(3, random.Random(0)))) == 1
