"""What is known of units: an old value is never kept as a new one."""

import pytest

from rct_collector.catalog import catalog
from rct_collector.model import Batch, Health, Origin
from rct_collector.web.past import KEPT, STEP_S
from rct_collector.web.state import DeviceState, UnitState

T0 = 1_700_000_000.0 // STEP_S * STEP_S
PV, SOC = "inverter_power.pv_watts", "inverter_battery{battery=0}.soc_percent"
CORE = "inverter_temperature{sensor=core}.celsius"
INTERVALS = {"fast": 10.0, "medium": 60.0, "slow": 300.0, "static": 3600.0}
TOLD = {
    "source": "roof", "driver": "rct", "vendor": "rct", "address": "tcp://roof", "writes": [],
    "interval": 10.0, "labels": {"house": "1"}, "intervals": INTERVALS,
}  # fmt: skip


def series(name):
    measurement, _, rest = name.partition("{")
    if not rest:
        return catalog().series(name)
    tags, _, field = rest.partition("}.")
    return catalog().series(f"{measurement}.{field}", **dict(p.split("=") for p in tags.split(",")))


def batch(time, up=True, origin=Origin.LIVE, unit="", removed=False, error="", **values):
    return Batch(
        source="roof",
        vendor="rct",
        labels=(("house", "1"),),
        time_ns=int(time * 1e9),
        values=tuple((series(name), value) for name, value in values.items()),
        interval_s=10.0,
        origin=origin,
        health=Health(up, T0, 0 if up else 3, error, removed),
        unit=unit,
    )


def present(unit):
    return {s.name: reading.value for s, reading in unit.readings.items()}


def test_the_latest_values_are_kept():
    unit = UnitState("")
    unit.take(batch(T0, **{PV: 100.0, SOC: 50.0}), T0)
    unit.take(batch(T0 + 10, **{PV: 200.0}), T0 + 10)

    assert present(unit) == {PV: 200.0, SOC: 50.0}
    assert unit.time == T0 + 10
    assert unit.labels == {"house": "1"}


def test_a_unit_that_is_away_has_no_values():
    unit = UnitState("")
    unit.take(batch(T0, **{PV: 100.0}), T0)
    unit.take(batch(T0 + 30, up=False, error="no answer"), T0 + 30)

    assert present(unit) == {}
    assert unit.health() == {"up": False, "since": T0, "missed": 3, "error": "no answer"}


def test_a_collector_that_ends_takes_all_values_along():
    unit = UnitState("")
    unit.take(batch(T0, **{PV: 100.0}), T0)

    unit.lose(T0 + 5, "its collector has ended")
    unit.lose(T0 + 9, "and again")

    assert present(unit) == {}
    assert (unit.up, unit.since, unit.error) == (False, T0 + 5, "and again")


@pytest.mark.parametrize(("name", "lifetime"), [(PV, 40.0), (CORE, 190.0)], ids=["fast", "medium"])
def test_what_does_not_come_again_is_let_go_of(name, lifetime):
    unit = UnitState("")
    unit.take(batch(T0, **{name: 30.0}), T0)

    assert unit.expire(T0 + lifetime, INTERVALS) == []
    assert [s.name for s in unit.expire(T0 + lifetime + 0.1, INTERVALS)] == [name]
    assert present(unit) == {}


def test_its_owner_says_how_often_a_class_comes():
    unit = UnitState("")
    unit.take(batch(T0, **{CORE: 30.0}), T0)

    assert unit.expire(T0 + 1800, {"medium": 600.0}) == []
    assert unit.expire(T0 + 1811, {"medium": 600.0}) == [series(CORE)]


def test_late_and_past_values_are_no_present_ones():
    unit = UnitState("")
    unit.take(batch(T0 - 600, origin=Origin.LATE, **{PV: 100.0}), T0)
    unit.take(batch(T0 - 600, origin=Origin.HISTORY, **{PV: 100.0}), T0)

    assert present(unit) == {}
    assert unit.time is None
    assert max(v for v in unit.past.to_json(T0)["values"]["pv"] if v) == 100.0


def test_an_older_value_does_not_take_the_place_of_a_newer_one():
    unit = UnitState("")
    unit.keep([(series(PV), 2.0, T0 + 10), (series(PV), 1.0, T0)])

    assert present(unit) == {PV: 2.0}


def test_a_time_to_come_does_not_push_the_curves_away():
    unit = UnitState("")
    unit.take(batch(T0, **{PV: 100.0}), T0)
    unit.take(batch(T0 + 10 * 86400, **{PV: 300.0}), T0 + 10)

    assert [v for v in unit.past.to_json(T0 + 10)["values"]["pv"] if v] == [100.0]


def test_the_memory_of_a_unit_becomes_curves():
    unit = UnitState("")
    history = {
        "inverter_history{resolution=5m}.pv_a_watts": 100.0,
        "inverter_history{resolution=5m}.pv_b_watts": 50.0,
        "inverter_history{resolution=5m}.grid_import_watts": 20.0,
        "inverter_history{resolution=5m}.grid_export_watts": 70.0,
        "inverter_history{resolution=5m}.soc_percent": 66.0,
    }
    for name, value in history.items():  # as it comes, signal by signal
        unit.take(batch(T0, origin=Origin.HISTORY, **{name: value}), T0)

    found = unit.past.to_json(T0)["values"]
    assert {name: values[-1] for name, values in found.items()} == {
        "pv": 150.0, "grid": -50.0, "soc": 66.0,
    }  # fmt: skip


def test_half_of_a_curve_is_none():
    unit = UnitState("")
    half = {"inverter_history{resolution=5m}.grid_import_watts": 20.0}
    unit.remember(batch(T0, origin=Origin.HISTORY, **half))

    assert unit.past.to_json(T0)["values"] == {}


@pytest.mark.slow
def test_what_is_kept_of_the_past_has_a_bound():
    unit = UnitState("")
    for n in range(5000):
        history = {"inverter_history{resolution=5m}.load_watts": float(n)}
        unit.remember(batch(T0 + n * STEP_S, origin=Origin.HISTORY, **history))

    assert len(unit._parts) <= 2 * KEPT
    assert unit.past.to_json(T0 + 4999 * STEP_S)["values"]["load"][-2:] == [4998.0, 4999.0]


def test_a_device_may_have_many_units_which_come_and_go():
    device = DeviceState(TOLD, {})
    for name in ("b", "a"):
        device.take(batch(T0, unit=name, **{PV: 100.0}), T0)
    device.take(batch(T0 + 10, unit="b", removed=True), T0 + 10)

    assert [unit["unit"] for unit in device.to_json(T0)["units"]] == ["a"]


def test_it_begins_with_what_the_owner_knows():
    device = DeviceState(TOLD, {})
    values = {
        PV: {"value": 100.0, "time": T0},
        "inverter_next.version_watts": {"value": 1.0, "time": T0},
    }
    told = {"unit": "", "up": True, "since": T0 - 60, "error": "", "values": values}

    device.start(TOLD, {"units": [told, {**told, "unit": "away", "up": False, "error": "silent"}]})

    here, away = device.to_json(T0)["units"]
    assert here["values"] == {PV: [100.0, T0]}
    assert (here["up"], here["since"], here["labels"]) == (True, T0 - 60, {"house": "1"})
    assert (away["up"], away["values"], away["error"]) == (False, {}, "silent")
