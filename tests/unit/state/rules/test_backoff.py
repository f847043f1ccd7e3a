"""How long to wait after a failure."""

import pytest

from state.rules.backoff import BACKOFF_MS_MAX, BACKOFF_MS_MIN, backoff_ms


def test_full_wait_doubles_from_half_a_minute_to_an_hour() -> None:
    assert [backoff_ms(failures, 1000) for failures in range(1, 10)] == [
        30_000,
        60_000,
        120_000,
        240_000,
        480_000,
        960_000,
        1_920_000,
        3_600_000,
        3_600_000,
    ]


@pytest.mark.parametrize("failures", [1, 2, 5, 8, 100, 10**9])
@pytest.mark.parametrize("jitter", [-1, 0, 1, 500, 999, 1000, 1001])
def test_wait_lies_between_half_and_the_whole(failures: int, jitter: int) -> None:
    full = backoff_ms(failures, 1000)

    assert full // 2 <= backoff_ms(failures, jitter) <= full
    assert BACKOFF_MS_MIN // 2 <= backoff_ms(failures, jitter) <= BACKOFF_MS_MAX


def test_jitter_spreads_the_upper_half_evenly() -> None:
    assert [backoff_ms(1, jitter) for jitter in (0, 250, 500, 1000)] == [15_000, 18_750, 22_500, 30_000]


@pytest.mark.parametrize("failures", [0, -3])
def test_no_failure_waits_as_after_the_first(failures: int) -> None:
    assert backoff_ms(failures, 1000) == backoff_ms(1, 1000)
