"""Instants of any precision and offset become the same whole milliseconds."""

import pytest

from state.rollouts.stamps import file_stamp_ms, instant_ms


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-20T10:00:00Z", 1_795_168_800_000),
        ("2026-11-20T10:00:00.456Z", 1_795_168_800_456),
        ("2026-11-20T10:00:00.5Z", 1_795_168_800_500),
        ("2026-11-20T10:00:00.456999999Z", 1_795_168_800_456),
        ("2026-11-20T12:00:00.456+02:00", 1_795_168_800_456),
        ("2026-11-20T04:30:00.456-05:30", 1_795_168_800_456),
        ("2026-11-20 10:00:00.456Z", 1_795_168_800_456),
        ("2026-11-20T10-00-00", 1_795_168_800_000),
        ("1969-12-31T23:59:59.9999Z", -1),
    ],
)
def test_instant_is_cut_to_milliseconds_of_utc(text: str, at_ms: int) -> None:
    assert instant_ms(text) == at_ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-20T10:00:00", "2026-13-20T10:00:00Z", "2026-11-20T25-00-00"]
)
def test_what_names_no_instant_is_none(text: str) -> None:
    assert instant_ms(text) is None


def test_file_stamp_has_no_other_form() -> None:
    assert file_stamp_ms("2026-11-20T10:00:00Z") is None
