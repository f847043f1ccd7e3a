"""File names of rollout summaries."""

import pytest

from tests.fakes.memories import memory
from tests.fakes.readings import thread_id
from workers.consolidation.naming import summary_stem, summary_stems

V7 = "0194f5a6-89ab-7cde-8123-456789abcdef"


def test_stamp_of_a_version_7_id_is_its_birth() -> None:
    assert summary_stem(V7, None, source_at_ms=0) == "2025-02-11T15-35-19-jqmb"


def test_stamp_of_a_version_1_id_is_its_birth() -> None:
    assert summary_stem("13814000-1dd2-11b2-8000-000000000000", None, source_at_ms=5).startswith("1970-01-01T00-00-00-")


@pytest.mark.parametrize("thread", ["00000000-0000-4000-8000-000000000000", "not a uuid", ""])
def test_stamp_of_any_other_id_is_the_time_of_its_source(thread: str) -> None:
    assert summary_stem(thread, None, source_at_ms=1_789_000_000_000).startswith("2026-09-10T")


@pytest.mark.parametrize("thread", ["ffffffff-ffff-7fff-bfff-ffffffffffff", "00000000-0000-1000-8000-000000000000"])
def test_birth_that_no_calendar_holds_gives_way_to_the_time_of_the_source(thread: str) -> None:
    assert summary_stem(thread, None, source_at_ms=1_789_000_000_000).startswith("2026-09-10T")


@pytest.mark.parametrize(
    ("slug", "written"),
    [
        ("Fix the Login!", "-fix_the_login"),
        ("a/b\\c", "-a_b_c"),
        ("../../etc/passwd", "-______etc_passwd"),
        ("", ""),
        (None, ""),
        ("!!!", ""),
        ("x" * 100, "-" + "x" * 60),
        ("Ünï", "-_n"),
    ],
)
def test_slug_is_made_of_plain_characters(slug: str | None, written: str) -> None:
    assert summary_stem(V7, slug, source_at_ms=0) == f"2025-02-11T15-35-19-jqmb{written}"


def test_equal_stems_get_the_whole_id_so_that_none_overwrites_another() -> None:
    first = memory(1, rollout_slug="same")
    twin = memory(2, rollout_slug="same", thread_id=thread_id(1).replace("-8000-", "-9000-"))
    stems = summary_stems((first, memory(3, rollout_slug="same"), twin))

    assert stems[twin.thread_id] == f"{stems[first.thread_id]}-{twin.thread_id}"
    assert len(set(stems.values())) == 3
    assert set(stems) == {first.thread_id, thread_id(3), twin.thread_id}
