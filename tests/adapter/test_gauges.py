"""What an agent gets that knows numbers only."""

from __future__ import annotations

import math

import pytest

from rct_collector import Batch, Config, Gauges
from rct_collector.catalog import catalog
from rct_collector.drivers import series as every_series
from rct_collector.model import Origin

WATTS = catalog().series("inverter_power.grid_watts")
ENERGY = catalog().series("inverter_energy.watt_hours_total", flow="grid_export")
SERIAL = catalog().series("inverter.serial")
UP = catalog().series("inverter_collector.up")
SECOND = 10**9


@pytest.fixture
def gauges():
    entry = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    return Gauges(Config.parse({"devices": [entry]}).devices[0])


def take(gauges, seconds, *values, origin=Origin.LIVE, interval=10.0):
    time_ns = 1_700_000_000 * SECOND + int(seconds * SECOND)
    return list(gauges.take(Batch("roof", "rct", (), time_ns, values, interval, origin)))


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


def test_what_comes_late_is_taken_where_it_is_newer_all_the_same(gauges):
    take(gauges, 0, (WATTS, 1.0))
    take(gauges, 0, (UP, 1))
    found = take(gauges, -5, (WATTS, 2.0), (ENERGY, 3.0), (UP, 1), origin=Origin.LATE)
    assert [gauge.place for gauge in found] == [ENERGY.collectd]
    assert (gauges.stale, gauges.late) == (0, 2)
    assert take(gauges, -5, (ENERGY, 3.0), origin=Origin.LATE) == [], "a second time"
    assert (gauges.stale, gauges.late) == (0, 3)
    (found,) = take(gauges, 5, (WATTS, 2.0), origin=Origin.LATE)
    assert (found.value, found.interval, found.history) == (2.0, 10.0, False)


def test_a_live_value_behind_a_late_one_was_overtaken_and_no_clock_was_set_back(gauges):
    take(gauges, 0, (WATTS, 1.0), (UP, 1))
    take(gauges, 60, (WATTS, 2.0), origin=Origin.LATE)
    assert take(gauges, 10, (WATTS, 3.0)) == []
    assert (gauges.stale, gauges.late) == (0, 1)
    assert len(take(gauges, 70, (WATTS, 4.0))) == 1
    assert take(gauges, 60, (WATTS, 5.0), (UP, 1))[0].place == UP.collectd
    assert (gauges.stale, gauges.late) == (1, 1)


def test_the_past_is_apart_and_in_order_and_leaves_the_present_alone(gauges):
    take(gauges, 0, (WATTS, 1.0))
    past = {"origin": Origin.HISTORY, "interval": 300.0}
    for seconds, count in [(-3000, 1), (-2700, 1), (-2700, 0), (-2900, 0), (300, 1)]:
        found = take(gauges, seconds, (WATTS, 7.0), **past)
        assert found == [(WATTS.collectd, 7.0, 300.0, True)] * count
    assert (gauges.stale, gauges.late) == (0, 2)
    assert take(gauges, 10, (WATTS, 2.0)) == [(WATTS.collectd, 2.0, 10.0, False)]


def test_every_name_is_short_enough_for_collectd():
    assert max(len(text) for s in every_series() if s.collectd for text in s.collectd) <= 127


def test_event_is_of_the_past_however_lately_it_was_read(gauges):
    """It is of the second in which it began, and its end is told under the same time."""
    value = catalog().series("inverter_event.value", code="100")
    assert [gauge.history for gauge in take(gauges, 0, (value, 52.5))] == [True]
    assert take(gauges, 0, (value, 53.0)) == []
    assert (gauges.stale, gauges.late) == (0, 1)
