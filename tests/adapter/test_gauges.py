"""What an agent gets that knows numbers only."""

from __future__ import annotations

import math

import pytest

from rct_collector import Batch, Config, Gauges
from rct_collector.catalog import catalog

WATTS = catalog().series("inverter_power.grid_watts")
ENERGY = catalog().series("inverter_energy.watt_hours_total", flow="grid_export")
SERIAL = catalog().series("inverter.serial")
UP = catalog().series("inverter_collector.up")
SECOND = 10**9


@pytest.fixture
def gauges():
    entry = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    return Gauges(Config.parse({"devices": [entry]}).devices[0])


def take(gauges, seconds, *values):
    batch = Batch("roof", "rct", (), 1_700_000_000 * SECOND + int(seconds * SECOND), values, 10.0)
    return list(gauges.take(batch))


def test_numbers_have_their_place_and_the_interval_of_their_class(gauges):
    found = take(gauges, 0, (WATTS, -5.5), (ENERGY, 7.0), (UP, 1))
    assert [(*gauge.place, gauge.value, gauge.interval) for gauge in found] == [
        ("power", "grid", -5.5, 10.0),
        ("energy_wh", "grid_export", 7.0, 300.0),
        ("bool", "collector_up", 1, 10.0),
    ]


def test_what_is_no_finite_number_is_left_out(gauges):
    assert take(gauges, 0, (SERIAL, "x"), (WATTS, math.nan), (ENERGY, math.inf)) == []
    assert gauges.stale == 0


@pytest.mark.parametrize("step", [0, -3600])
def test_what_is_not_newer_is_left_out_and_counted(gauges, step):
    take(gauges, 0, (WATTS, 1.0))
    assert take(gauges, step, (WATTS, 2.0)) == []
    assert gauges.stale == 1
    assert len(take(gauges, 1, (WATTS, 3.0))) == 1


@pytest.mark.parametrize(("gap", "interval"), [(10, 10), (14, 10), (18, 18), (99, 99), (500, 10)])
def test_who_comes_late_is_expected_late_unless_it_was_away(gauges, gap, interval):
    take(gauges, 0, (WATTS, 1.0))
    assert take(gauges, gap, (WATTS, 2.0))[0].interval == interval


def test_every_name_is_short_enough_for_collectd():
    assert max(len(text) for s in catalog() if s.collectd for text in s.collectd) <= 127
