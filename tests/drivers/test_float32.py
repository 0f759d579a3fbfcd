"""The shortest decimal that is a given 32-bit float."""

from __future__ import annotations

import struct
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.drivers.float32 import shortest

relaxed = settings(deadline=None)

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def float32(value: float) -> float:
    return struct.unpack(">f", struct.pack(">f", value))[0]


def of_bits(bits: int) -> float:
    return struct.unpack(">f", struct.pack(">I", bits))[0]


def written(value: float) -> float:
    """What is meant, by writing it with ever more digits."""
    for digits in range(1, 10):
        candidate = float(f"{value:.{digits}g}")
        if abs(candidate) < 3.4028235e38 and float32(candidate) == value:
            return candidate
    return value


@given(floats)
@relaxed
def test_it_is_the_same_float_in_at_most_nine_digits(value):
    short = shortest(value)
    assert float32(short) == value
    assert len(Decimal(repr(short)).normalize().as_tuple().digits) <= 9


@given(floats.filter(lambda value: not value or 1e-37 < abs(value) < 3e38))
@relaxed
def test_none_is_shorter(value):
    assert shortest(value) == written(value)


@given(st.integers(-20, 30), st.integers(-3, 3))
@relaxed
def test_near_powers_of_two_where_the_steps_change(exponent, beside):
    value = of_bits(struct.unpack(">I", struct.pack(">f", 2.0**exponent))[0] + beside)
    assert shortest(value) == written(value)
    assert shortest(-value) == -written(value)


@given(st.integers(1, 999_999), st.integers(-9, 3), st.booleans())
@relaxed
def test_what_was_meant_comes_back(digits, exponent, negative):
    """Up to six digits, below 10^9, come back as they were, though 32 bits cannot hold them."""
    meant = float(f"{'-' if negative else ''}{digits}e{exponent}")
    assert shortest(float32(meant)) == meant


@pytest.mark.parametrize(
    "meant", [0.3, 230.1, 49.98, -1234.5, 1e-7, 0.0, 3202.3, 16777216.0, 0.8478931, 0.00098]
)
def test_by_example(meant):
    assert repr(shortest(float32(meant))) == repr(meant)
