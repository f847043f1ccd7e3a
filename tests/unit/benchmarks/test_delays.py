"""The figures of a delay are those of the appends, and an append that is lost is no measurement."""

import pytest

from benchmarks.delays import Sighting, Writing, delays, figures, percentile


def sighting(*offsets: tuple[int, float]) -> Sighting:
    """What was seen, in order."""
    seen = Sighting()
    for offset, at in offsets:
        seen.note(offset, at)
    return seen


def test_each_append_is_counted_from_its_writing_to_the_first_sight_of_it_or_of_more() -> None:
    writing = Writing(sizes=[(10, 1.0), (20, 2.0), (30, 2.5)])

    assert delays(writing, sighting((10, 1.25), (30, 3.0))) == [0.25, 1.0, 0.5]


def test_what_is_seen_again_is_not_seen_later() -> None:
    assert delays(Writing(sizes=[(10, 1.0)]), sighting((10, 1.25), (10, 9.0))) == [0.25]


def test_append_that_was_never_seen_is_an_error() -> None:
    with pytest.raises(LookupError, match="20 bytes"):
        delays(Writing(sizes=[(10, 1.0), (20, 2.0)]), sighting((10, 1.5)))


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (90, 90), (99, 99), (100, 100), (0, 1)])
def test_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], percent) == value


def test_figures_are_milliseconds() -> None:
    assert figures([0.001, 0.002, 0.004]) == {"count": 3, "p50_ms": 2.0, "p90_ms": 4.0, "p99_ms": 4.0, "max_ms": 4.0}
