"""RctMon's names: complete, unambiguous, and with the right units behind them."""

from __future__ import annotations

import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

from rct_collector.config import Config
from rct_collector.device.polling.plan import Plan
from rct_collector.drivers import driver
from rct_collector.drivers.rct.tools import rctmon
from rct_collector.model import Kind, Unit

PLUGIN = Path(__file__).parents[4] / "plugins/telegraf"

#: How RctMon ends a name → unit.
ENDS = {
    "_volt": Unit.VOLT,
    "_watt": Unit.WATT,
    "_hertz": Unit.HERTZ,
    "_celsius": Unit.CELSIUS,
    "_ohm": Unit.OHM,
    "_percent": Unit.PERCENT,
    "_amp_hours_total": Unit.AMPERE_HOUR,
    "_energy_total": Unit.WATT_HOUR,
    "_sum": Unit.WATT_HOUR,
    "temperature": Unit.CELSIUS,
    "insulation": Unit.OHM,
    "battery_voltage": Unit.VOLT,
    "battery_power": Unit.WATT,
    "household_load": Unit.WATT,
    "household_load_phase": Unit.WATT,
    "_bytes_total": Unit.NONE,
}


def test_every_object_that_rctmon_asks_for_has_a_row():
    """95 objects, and four for each of seven modules."""
    asked = {link.query.name for link in rctmon.links() if link.query}
    assert len(asked) == 95 + 4 * 7


def test_units_are_those_of_the_old_names():
    for link in rctmon.links():
        for end, unit in ENDS.items():
            if link.row.prometheus.endswith(end):
                assert link.series.metric.unit is unit, link.row.prometheus


def test_shares_and_energy_fed_in_are_the_only_values_that_differ():
    differing = {link.series.metric.name: link.divisor for link in rctmon.links()
                 if link.divisor != 1}  # fmt: skip
    assert set(differing.values()) == {100, -1}
    assert {name for name, divisor in differing.items() if divisor == -1} == {
        "inverter_energy.watt_hours_total"
    }
    assert all(name.endswith("_percent") for name, divisor in differing.items() if divisor == 100)
    (fed,) = (link for link in rctmon.links() if link.divisor == -1)
    assert dict(fed.series.tags) == {"flow": "grid_export"}


def test_no_old_name_is_used_twice():
    pages, topics, fields = Counter(), Counter(), Counter()
    for row, series, _, query in rctmon.links():
        tags = dict(series.tags)
        labels = {key: text.format(**tags, value=query and query.name)
                  for key, text in row.labels.items()}  # fmt: skip
        pages[row.prometheus, *labels.items()] += bool(row.prometheus)
        topics[row.mqtt.format(**tags)] += bool(row.mqtt)
        for field in row.influx:
            fields[field, tags.get("module")] += 1
    for found in (pages, topics, fields):
        assert max(found.values()) == 1


def test_rows_that_name_nothing_are_refused():
    with pytest.raises(KeyError):
        list(rctmon.of_row(rctmon.old("g_sync.p_ac_load[0..4]")))


def test_the_sample_brings_all_that_rctmon_has(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(rctmon.device_options())
    (device,) = Config.load(path).devices
    plan = Plan(driver("rct"), device)
    assert device.labels == {"inverter": "PS 6.0 ABCD"}
    for link in rctmon.links():
        if link.query and link.series.metric.kind is not Kind.TEXT:
            assert link.series in plan.wanted


def test_the_page_tells_where_signs_units_and_labels_differ():
    lines = {line.split("|")[1].strip(" `").split("{")[0]: line
             for line in rctmon.names().splitlines()}  # fmt: skip
    assert "negative there, positive here; gauge there" in lines["rctmon_energy_grid_feed_sum"]
    assert "0 to 1 there, 0 to 100 here" in lines["rctmon_battery_state_of_charge_percent"]
    assert "label `generator` there, `string` here" in lines["rctmon_generator_power_watt"]
    assert "`inverter_grid{phase=l1/l2/l3}.voltage_volts` |  |" in lines["rctmon_grid_voltage_volt"]


def sections(path):
    return [section for found in tomllib.loads(path.read_text())["outputs"].values()
            for section in found]  # fmt: skip


def test_old_names_go_to_their_own_outputs_only():
    copies = {name for path in PLUGIN.glob("rctmon/*.conf") for section in sections(path)
              for name in section["namepass"]}  # fmt: skip
    assert copies == {
        *("rctmon", "rctmon_mqtt"),
        *("battery_overview", "battery_module", "temperature", "raw_data"),
    }
    ours = [section for path in PLUGIN.glob("outputs/*.conf") if "[[outputs." in path.read_text()
            for section in sections(path)]  # fmt: skip
    assert len(ours) >= 8
    for section in ours:
        passed = section["namepass"]
        if passed == ["inverter*"]:
            assert "inverter_discovery" in section["namedrop"], "it is no measurement"
        else:  # some of ours, or what a file makes of them for its own output
            assert not [name for name in passed if "*" in name]
        assert not [name for name in copies for glob in passed if fnmatch(name, glob)]
