"""What counts as random text beside a secret word."""

import pytest

from workers.redaction.nearby import entropy_bits, is_random


@pytest.mark.parametrize(
    "run", [b"Zk39fjQ0aLx82mNvB71q", b"q8Zr2Lx7Vn4Wt9Kc5Jd3", b"k7f2m9x4q1z8w3v6b5n0p7r2", b"aB3+dE6gH9+jK2mN5+p8="]
)
def test_machine_made_strings_are_random(run: bytes) -> None:
    assert is_random(run)


@pytest.mark.parametrize(
    "run",
    [
        b"a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
        b"550e8400-e29b-41d4-a716-446655440000",
        b"getAccessTokenFromHeader2Value",
        b"test_rollout_is_read_again_2024_12_31",
        b"/home/ann/Projects2026/Thing3",
        b"aaaaaaaaaaaaaaaaaaaa1A2b",
        b"====================",
        b"AbstractSingletonProxyFactoryBean",
    ],
)
def test_digests_ids_names_and_paths_are_not_random(run: bytes) -> None:
    assert not is_random(run)


@pytest.mark.parametrize(("run", "bits"), [(b"aaaa", 0.0), (b"abab", 1.0), (b"abcd", 2.0), (bytes(range(256)), 8.0)])
def test_entropy_is_in_bits_per_byte(run: bytes, bits: float) -> None:
    assert entropy_bits(run) == bits
