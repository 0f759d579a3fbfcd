"""The world of simulated inverters: a day of records, each with a time of its own."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from itertools import pairwise

import pytest

from rct_collector.drivers.solaredge.simulator import (
    SCENARIOS,
    SolarEdgeUnit,
    SolarEdgeWorld,
    bodies,
)
from rct_collector.drivers.solaredge.simulator.day import panel, watts
from tests.virtual import START

HOUR, DAY = 3600.0, 86400.0


def unit(scenario="roofs", *, number=0, seed=1, sun=0.0, **more):
    chosen = SCENARIOS[scenario].changed(None, more.pop("optimizers", None))
    world = SolarEdgeWorld(chosen, seed=seed, start=START, zone=UTC, sun=sun, **more)
    return SolarEdgeUnit(world, number)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_each_device_makes_one_record_per_interval_and_no_time_comes_twice(scenario):
    records = list(unit(scenario, sun=10.5, optimizers=4).until(START + HOUR))
    names = [(r.device, r.kind, r.said.get("battery"), r.body[:6]) for r in records]
    assert len(set(names)) == len(names)
    each = Counter(record.device for record in records if record.kind in (0x00, 0x80, 0x82))
    assert len(each) == 4
    assert set(each.values()) <= {12, 13}
    assert [r.time for r in records] == sorted(r.time for r in records)


def test_optimizers_sleep_by_night_and_the_inverter_says_when_a_day_begins_and_ends():
    lives = unit(optimizers=3)
    records = list(lives.until(START + DAY))
    by_hour = {int((r.time - START) // HOUR) for r in records if r.kind == bodies.PACKED}
    assert by_hour == set(range(6, 19))
    events = [r for r in records if r.kind == bodies.EVENT]
    assert [int((r.time - START) // HOUR) for r in events] == [6, 18]
    assert {r.said["mode"] for r in records if r.kind == bodies.INVERTER} == {2, 4}


def test_energy_is_the_sum_of_power_and_begins_anew_in_the_morning():
    lives = unit(optimizers=2, sun=0.0)
    records = [r for r in lives.until(START + 2 * DAY) if r.kind == bodies.INVERTER]
    total = [r.said["energy_total"] for r in records]
    assert total == sorted(total)
    given = sum(r.said["energy_interval"] for r in records)
    assert total[-1] - total[0] == pytest.approx(given, 0.01)
    day = [r.said["energy_day"] for r in records]
    assert sum(after < before for before, after in pairwise(day)) == 2, "on both mornings"


def test_a_shadow_wanders_over_a_string():
    begins = []
    for number in range(10):
        lies = panel(1, 0, number)
        powers = [watts(lies, 1.0, tenth / 10) for tenth in range(70, 175)]
        falls = [after - before for before, after in pairwise(powers)]
        begins.append(falls.index(min(falls)))
    assert begins == sorted(begins)
    assert begins[-1] >= begins[0] + 8, "tenths of an hour"


def test_a_fast_clock_stamps_late_times_and_nothing_else():
    right, fast = unit(optimizers=1, sun=10.0), unit(optimizers=1, sun=10.0)
    fast.clock = 7200.0
    one, two = list(right.until(START + HOUR)), list(fast.until(START + HOUR))
    assert [r.time + 7200 for r in one] == [r.time for r in two]
    assert [r.said for r in one] == [r.said for r in two]


def test_the_sun_may_be_faster_than_clocks():
    lives = unit(optimizers=1, sun=6.0, speed=24.0)
    records = list(lives.until(START + HOUR))
    assert len(records) < 30
    assert sum(r.kind == bodies.EVENT for r in records) == 2


def test_a_record_is_what_owners_have_published():
    """An optimizer of a public capture: 27.5 V, 23.5 V, 0.4125 A, 115.75 Wh, 18 °C."""
    values = {
        "uptime": 10856,
        "input_voltage": 27.5,
        "output_voltage": 23.5,
        "input_current": 0.4125,
        "energy_day": 115.75,
        "temperature": 18.0,
    }
    record = bodies.packed(0x100F7335, 0x55D3130A, values)
    assert record.body.hex() == "0a13d355682adcf02204cf0109"
    assert record.data[:8].hex() == "800035730f100d00"


@pytest.mark.parametrize("seed", [1, 292374])  # of the latter the first record comes at once
def test_the_first_record_covers_a_whole_interval(seed):
    records = list(unit("battery", seed=seed, sun=10.0, optimizers=1).until(START + HOUR))
    assert {r.said["interval"] for r in records if "interval" in r.said} == {300}


@pytest.mark.parametrize(("inverters", "optimizers"), [(0, 1), (1001, 1), (1, 0), (1, 61)])
def test_there_are_limits(inverters, optimizers):
    with pytest.raises(ValueError, match="can be simulated"):
        SCENARIOS["roofs"].changed(inverters, optimizers)
