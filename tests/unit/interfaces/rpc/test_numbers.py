"""Numbers are shown as the app-server shows them, and are a map where they are one to it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.rpc.numbers import MapNumber, is_map, read_number, wide_integer, written


@pytest.mark.parametrize(
    "text",
    ["100.0", "-0.0", "0.5", "1e16", "1E16", "1e+16", "-1e16", "1.5e300", "0.00001", "0.000012", "-0.000012", "1e-6"],
)
def test_number_in_its_own_form_is_a_number(text: str) -> None:
    assert not is_map(read_number(text))


@pytest.mark.parametrize("text", ["1e2", "1E2", "1e15", "1.0E16", "0.10", "1.50", "1e-5", "1.0e-7", "1e999", "-1e999"])
def test_number_in_another_form_is_a_map(text: str) -> None:
    assert isinstance(read_number(text), MapNumber)
    assert is_map(read_number(text))
    assert read_number(text) == float(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(100.0, "100.0"), (1e16, "1e+16"), (1.5e300, "1.5e+300"), (1e-5, "0.00001"), (-1.2e-5, "-0.000012"),
     (1e-6, "1e-6"), (2.5e-7, "2.5e-7"), (0.0001, "0.0001"), (1e-10, "1e-10"), (1e-100, "1e-100")],
)  # fmt: skip
def test_double_has_one_text(value: float, text: str) -> None:
    assert written(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_is_read_as_the_same_number(value: float) -> None:
    again = read_number(written(value))

    assert not is_map(again)
    assert (again, math.copysign(1, again)) == (value, math.copysign(1, value))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [1, 2**64 - 1, -(2**63)]}, None),
        ({"a": [{"b": 2**64}]}, "integer `18446744073709551616` as u128"),
        ([-(2**63) - 1, 2**64], "integer `-9223372036854775809` as i128"),
        ([2**128, -(2**127) - 1, 1e300, True, None, "x"], None),
        (2**127, f"integer `{2**127}` as u128"),
    ],
)
def test_first_wide_integer_is_found(value: object, words: str | None) -> None:
    assert wide_integer(value) == words
