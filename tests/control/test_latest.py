"""What a unit has said last comes back as it was, however little room it takes."""

from __future__ import annotations

import math

import pytest

from rct_collector.catalog import catalog
from rct_collector.control.broker import Latest
from rct_collector.model import Batch, Health

FLOAT, INT, TEXT = map(
    catalog().series,
    ("inverter_power.grid_watts", "inverter_collector.polls_total", "inverter.serial"),
)


def batch(time_ns, *values):
    return Batch("roof", "rct", (), time_ns, values, 10.0, health=Health(up=True))


def values(*batches):
    latest = Latest(Health(), {})
    for each in batches:
        latest.take(each)
    return {series: (value, time_ns) for series, value, time_ns in latest}


@pytest.mark.parametrize(
    ("series", "value"),
    [
        (FLOAT, -0.25),
        (FLOAT, 0.0),
        (FLOAT, math.inf),
        (INT, 0),
        (INT, -(1 << 53)),
        (INT, (1 << 53) + 1),
        (INT, 1 << 70),
        (TEXT, ""),
        (TEXT, "17"),
    ],
)
def test_each_value_comes_back_as_it_was(series, value):
    ((found, time_ns),) = values(batch(5, (series, value))).values()
    assert (found, type(found), time_ns) == (value, type(value), 5)


def test_what_is_no_number_comes_back_as_such():
    ((found, _),) = values(batch(5, (FLOAT, math.nan))).values()
    assert math.isnan(found)


def test_a_large_integer_is_followed_by_a_small_one():
    assert values(batch(5, (INT, 1 << 60)), batch(6, (INT, 3))) == {INT: (3, 6)}


def test_what_comes_late_replaces_nothing_that_is_newer():
    found = values(batch(5, (FLOAT, 1.0), (INT, 1)), batch(4, (FLOAT, 2.0), (TEXT, "x")))
    assert found == {FLOAT: (1.0, 5), INT: (1, 5), TEXT: ("x", 4)}
