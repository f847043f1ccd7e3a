"""Bytes per token: cautious at first, then as the server counts."""

import pytest

from workers.models.responses.tokens import BYTES_PER_TOKEN_FIRST, TokenMeasure


def test_the_first_guess_is_below_four_bytes_a_token() -> None:
    assert TokenMeasure().bytes_per_token == BYTES_PER_TOKEN_FIRST < 4
    assert TokenMeasure().bytes_for(1_000) == 3_000


def test_what_the_server_counts_replaces_the_guess_in_time() -> None:
    measure = TokenMeasure()
    measure.learn(200_000, 100_000)
    once = measure.bytes_per_token
    for _ in range(50):
        measure.learn(200_000, 100_000)

    assert 2 < measure.bytes_per_token < once < BYTES_PER_TOKEN_FIRST
    assert measure.bytes_per_token == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("tokens", "bound"), [(1, 6.0), (1 << 40, 1.0)])
def test_a_server_that_counts_nonsense_is_not_believed(tokens: int, bound: float) -> None:
    measure = TokenMeasure()
    for _ in range(1_000):
        measure.learn(1_000_000, tokens)

    assert measure.bytes_per_token == bound


def test_a_server_that_does_not_count_teaches_nothing() -> None:
    measure = TokenMeasure()
    measure.learn(1_000_000, 0)

    assert measure.bytes_per_token == BYTES_PER_TOKEN_FIRST
