"""Laws over all rows of the catalogue, and what its rules make of examples."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.catalog import Catalog, catalog
from rct_collector.catalog.rows import ROWS, row
from rct_collector.catalog.rules import LEAST_WATTS, RULES, TOLERANT
from rct_collector.drivers import series as every_series
from rct_collector.model import Kind, PollClass, Unit

SERIES = every_series()
DERIVED = [metric for metric in ROWS if metric.inputs]

#: Types that every collectd has.
STOCK_TYPES = {
    *("bool", "current", "energy_wh", "frequency", "gauge", "percent", "power", "temperature"),
    "voltage",
}

#: What a series may be told apart by: parts of a plant that are there, or are not.
COMPONENTS = {
    *("battery", "cell", "fault", "flow", "io", "kind", "module", "pair", "phase", "reserve"),
    *("sensor", "string", "unit", "optimizer", "meter", "event"),
    *("code", "resolution"),  # which event, and which of a unit's memories
}


# -- names --------------------------------------------------------------------------------


def test_names_are_lower_case_words():
    word = re.compile(r"[a-z][a-z0-9_]*")
    for metric in ROWS:
        assert word.fullmatch(metric.measurement)
        assert word.fullmatch(metric.field)
        assert metric.measurement.split("_")[0] == "inverter"
        for key, values in catalog().dimensions(metric):
            assert word.fullmatch(key)
            assert all(re.fullmatch(r"[a-z0-9_]+", value) for value in values)


def test_field_ends_in_its_unit_and_nothing_else_ends_in_one():
    """A number without a unit is a code, a word, a flag, a count, or says that it is raw."""
    for metric in ROWS:
        if metric.name == "inverter_event.value":  # its unit follows from the event
            assert metric.unit is Unit.NONE
        elif metric.kind is Kind.GAUGE:
            assert (metric.unit is Unit.NONE) == metric.field.endswith("_raw"), metric.name
        elif metric.kind is Kind.TIME:
            assert metric.unit is Unit.SECOND, metric.name
        elif metric.kind is not Kind.TOTAL:
            assert metric.unit is Unit.NONE, metric.name


def test_kind_shows_in_the_name():
    for metric in ROWS:
        words = metric.field.split("_")
        assert (words[-1] == "total") == (metric.kind is Kind.TOTAL), metric.name
        assert (words[-1] in ("code", "cell")) == (metric.kind is Kind.CODE), metric.name
        assert ("word" in words) == (metric.kind is Kind.WORD), metric.name


def test_what_is_a_time_also_says_so_to_people():
    for metric in ROWS:
        assert ("Unix seconds" in metric.description) == (metric.kind is Kind.TIME), metric.name


def test_type_follows_from_kind_and_unit():
    for metric in ROWS:
        expected = {Kind.GAUGE: float, Kind.TIME: float, Kind.TEXT: str}.get(metric.kind, int)
        if metric.kind is Kind.TOTAL and metric.unit is not Unit.NONE:
            expected = float
        assert metric.value_type is expected, metric.name


def test_series_are_distinct_and_made_once():
    assert len({series.name for series in SERIES}) == len(SERIES)
    assert list(catalog()) == SERIES
    assert all(again is series for again, series in zip(catalog(), SERIES, strict=True))


def test_rows_of_one_name_differ_by_tags_alone():
    """Else a field would have two types in one measurement."""
    for metric in ROWS:
        for other in catalog().named(metric.name):
            assert (other.kind, other.unit, other.poll) == (metric.kind, metric.unit, metric.poll)
            assert other.description != metric.description or other is metric


def test_no_name_depends_on_the_state_of_a_unit():
    """Series are told apart by components, whose values are written down beforehand."""
    reserved = {"source", "vendor", "host"}
    for series in SERIES:
        keys = [key for key, _ in series.tags]
        assert set(keys) <= COMPONENTS
        assert not set(keys) & reserved
        assert keys == sorted(keys)
    assert {key for metric in ROWS for key, _ in metric.dimensions} == COMPONENTS


def test_texts_do_not_stand_beside_numbers():
    """But for events all are in one measurement, where the only number is that of the info line."""
    beside = {metric.name: metric.kind for metric in ROWS if metric.measurement == "inverter"}
    assert beside.pop("inverter.info") is Kind.FLAG
    assert set(beside.values()) == {Kind.TEXT}
    assert {m.measurement for m in ROWS if m.kind is Kind.TEXT} == {"inverter", "inverter_event"}
    assert catalog().info.name == "inverter.info"


def test_description_is_a_sentence():
    for metric in ROWS:
        assert re.fullmatch(r"[A-Z].+[^ .]\.", metric.description)


def test_range_is_sane():
    for metric in ROWS:
        assert metric.low < metric.high, metric.name
        assert math.isfinite(metric.low), metric.name
        assert math.isfinite(metric.high), "what is infinite is implausible by that"
        assert metric.low >= metric.unit.low or metric.field == "drift_seconds"
        if metric.kind is Kind.TOTAL:
            assert metric.low >= 0, metric.name
        if metric.unit is Unit.PERCENT:  # what collectd's type can hold
            assert (metric.low, metric.high) == (0.0, 100.1)
        if metric.unit is Unit.HERTZ:
            assert metric.low >= 0, metric.name


def test_computed_totals_are_sums_of_totals():
    """A sum of what only grows only grows."""
    for metric in ROWS:
        if metric.kind is Kind.TOTAL and metric.inputs:
            assert metric.rule == "total", metric.name
            for name in metric.inputs:
                assert {row.kind for row in catalog().named(name)} == {Kind.TOTAL}, metric.name


def test_options_turn_on_what_is_off():
    for metric in ROWS:
        assert not (metric.option and metric.default), metric.name
        assert metric.option in ("", "cells")
        assert (metric.option == "cells") == (metric.measurement == "inverter_battery_cell")


def test_figures_of_the_collector_are_its_own():
    for metric in ROWS:
        assert metric.own == metric.measurement.startswith("inverter_collector")
        assert not (metric.own and metric.inputs)


def test_the_past_is_kept_apart_from_what_is_polled():
    """A measurement of its own, so that nobody takes a mean of yesterday for a value of now."""
    past = {metric for metric in ROWS if metric.poll is PollClass.HISTORY}
    assert {metric.measurement for metric in past} == {"inverter_history", "inverter_event"}
    for metric in ROWS:
        keys = [key for key, _ in metric.dimensions]
        assert (metric.measurement == "inverter_history") == ("resolution" in keys), metric.name
        assert (metric in past) == bool({"resolution", "code"} & {*keys}), metric.name
        assert not (metric in past and metric.inputs)


def test_fields_of_the_past_are_means_of_five_minutes_or_sums_of_longer_times():
    rows = [metric for metric in ROWS if metric.measurement == "inverter_history"]
    assert len({metric.field for metric in rows}) == len(rows)
    for metric in rows:
        ((_, resolutions),) = metric.dimensions
        if metric.unit is Unit.NONE:
            assert (resolutions, metric.default) == (("year",), False)
            continue
        longer = metric.unit is Unit.WATT_HOUR
        assert resolutions == (("day", "month", "year") if longer else ("5m",)), metric.name
        assert metric.default, metric.name


# -- collectd -----------------------------------------------------------------------------


def test_collectd_names_are_distinct():
    counts = Counter(series.collectd for series in SERIES if series.collectd)
    assert [name for name, count in counts.items() if count > 1] == []


def test_collectd_names_are_stock_types_and_harmless_words():
    for series in SERIES:
        if series.metric.kind is Kind.TEXT:
            assert series.collectd is None
            continue
        kind, instance = series.collectd
        assert kind in STOCK_TYPES
        assert re.fullmatch(r"[A-Za-z0-9_]{1,127}", instance)
        assert "__" not in instance
        assert instance == instance.strip("_")
        assert (kind == "bool") == (series.metric.kind is Kind.FLAG)


# -- looking up ---------------------------------------------------------------------------


def test_series_is_found_by_name_and_tags():
    rows = Catalog()
    series = rows.series("inverter_grid.voltage_volts", phase="l2")
    assert series.name == "inverter_grid{phase=l2}.voltage_volts"
    assert rows.series("inverter_grid.voltage_volts", phase="l2") is series
    assert rows.matching(series.name) == [series]
    assert rows.series("inverter_battery_cell.voltage_volts", module="1", cell="2", battery="0")
    assert rows.series("inverter_energy.watt_hours_total", flow="pv").metric.rule == "total"
    assert rows.series("inverter_energy.watt_hours_total", flow="load").metric.rule == ""


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("inverter_grid.nothing_volts", {}),
        ("inverter_grid.voltage_volts", {}),
        ("inverter_grid.voltage_volts", {"phase": "l4"}),
        ("inverter_grid.voltage_volts", {"string": "a"}),
        ("inverter_grid.voltage_volts", {"phase": "l1", "string": "a"}),
        ("inverter_power.grid_watts", {"phase": "l1"}),
    ],
)
def test_what_is_not_in_the_catalogue_is_not_made_up(name, tags):
    with pytest.raises(KeyError):
        Catalog().series(name, **tags)


@pytest.mark.parametrize(
    ("name", "tags", "count"),
    [
        ("inverter_power.grid_watts", {}, 1),
        ("inverter_power.grid_watts", {"phase": "l1"}, 1),
        ("inverter_grid.voltage_volts", {}, 3),
        ("inverter_grid.voltage_volts", {"phase": "l1"}, 1),
        ("inverter_battery_cell.voltage_volts", {}, 2 * 24 * 7),
        ("inverter_battery_cell.voltage_volts", {"battery": "1", "module": "3"}, 24),
        ("inverter_energy{flow=load}.watt_hours_total", {"battery": "0"}, 1),
        ("inverter_energy.watt_hours_total", {}, 7),
    ],
)
def test_series_match_where_they_have_the_tag(name, tags, count):
    assert len(catalog().matching(name, **tags)) == count


def test_a_catalogue_may_have_other_rows():
    rows = Catalog((row("inverter_x", "volts", Kind.GAUGE, PollClass.FAST, "Something."),))
    assert [series.name for series in rows] == ["inverter_x.volts"]
    assert rows.metrics[0].low == Unit.VOLT.low


# -- derived metrics ----------------------------------------------------------------------


def test_derived_metric_has_a_rule_and_inputs_of_its_own_pace():
    for metric in DERIVED:
        assert metric.rule in RULES
        for series in catalog().expand(metric):
            columns = catalog().inputs(series)
            assert len(columns) == len(metric.inputs)
            assert catalog().rule(series) is RULES[metric.rule]
            for source in (source for column in columns for source in column):
                if source.metric.inputs:  # comes before what builds on it, so there is no circle
                    assert ROWS.index(source.metric) < ROWS.index(metric)
                assert source.metric.poll is metric.poll
                shared = dict(source.tags).keys() & dict(series.tags).keys() - {"flow"}
                assert all(dict(source.tags)[key] == dict(series.tags)[key] for key in shared)
            assert all(columns), metric.name


def test_rules_are_used_and_only_by_derived_metrics():
    assert {metric.rule for metric in DERIVED} == set(RULES)
    assert {metric.rule for metric in ROWS if not metric.inputs} == {""}
    assert set(RULES) > TOLERANT


def test_inputs_are_those_of_the_same_component():
    def inputs(name):
        (series,) = catalog().matching(name)
        return [[source.name for source in column] for column in catalog().inputs(series)]

    strings = ["inverter_string{string=a}.power_watts", "inverter_string{string=b}.power_watts"]
    (found,) = inputs("inverter_power.pv_watts")  # other families may have more of them
    assert found[:2] == strings
    assert all(re.fullmatch(r"inverter_string\{string=[a-z]\}\.power_watts", n) for n in found)
    assert inputs("inverter_battery{battery=1}.cell_spread_volts") == [
        ["inverter_battery{battery=1}.cell_minimum_volts"],
        ["inverter_battery{battery=1}.cell_maximum_volts"],
    ]
    assert inputs("inverter_battery{battery=0}.round_trip_percent") == [
        ["inverter_energy{flow=battery_discharge}.watt_hours_total"],
        ["inverter_energy{flow=battery_charge}.watt_hours_total"],
    ]
    assert inputs("inverter_battery_module{battery=1,module=3}.cell_minimum_volts") == [
        [f"inverter_battery_cell{{battery=1,cell={n},module=3}}.voltage_volts" for n in range(24)]
    ]


@pytest.mark.parametrize(
    ("rule", "columns", "value"),
    [
        ("total", [[1500.0, 700.5]], 2200.5),
        ("total", [[1500.0]], 1500.0),
        ("total", [[]], None),
        ("positive_part", [[812.5]], 812.5),
        ("positive_part", [[-812.5]], 0.0),
        ("positive_part", [[0.0]], 0.0),
        ("negative_part", [[812.5]], 0.0),
        ("negative_part", [[-812.5]], 812.5),
        ("autarky", [[1000.0], [250.0]], 75.0),
        ("autarky", [[1000.0], [0.0]], 100.0),
        ("autarky", [[1000.0], [-500.0]], 100.0),
        ("autarky", [[1000.0], [1000.0]], 0.0),
        ("autarky", [[1000.0], [1300.0]], 0.0),
        ("autarky", [[LEAST_WATTS - 0.1], [0.0]], None),
        ("autarky", [[LEAST_WATTS], [5.0]], 50.0),
        ("autarky", [[-50.0], [0.0]], None),
        ("self_consumption", [[4000.0], [-1000.0]], 75.0),
        ("self_consumption", [[4000.0], [1000.0]], 100.0),
        ("self_consumption", [[4000.0], [-4000.0]], 0.0),
        ("self_consumption", [[4000.0], [-5000.0]], 0.0),
        ("self_consumption", [[3.0], [-1.0]], None),
        ("bits_set", [[0], [0], [0], [0]], 0),
        ("bits_set", [[1], [0x80000001], [0], [0xFFFFFFFF]], 35),
        ("drift", [[1_700_000_002.5]], 2.5),
        ("drift", [[1_699_999_940.0]], -60.0),
        ("quotient_percent", [[900.0], [1000.0]], 90.0),
        ("quotient_percent", [[0.0], [1000.0]], 0.0),
        ("quotient_percent", [[0.0], [0.0]], None),
        ("minimum", [[3.31, 3.29, None, 3.3]], 3.29),
        ("maximum", [[3.31, 3.29, None, 3.3]], 3.31),
        ("spread", [[3.31, 3.29, None, 3.3]], 0.02),
        ("spread", [[3.29], [3.31]], 0.02),
        ("spread", [[3.3, None]], 0.0),
        ("index_of_minimum", [[3.31, 3.29, None, 3.29]], 1),
        ("index_of_minimum", [[None, 3.3]], 1),
        ("index_of_maximum", [[3.31, None, 3.32, 3.3]], 2),
        ("index_of_maximum", [[None, None, -4.0]], 2),
        ("present", [["A1"]], 1),
    ],
)
def test_rules_by_example(rule, columns, value):
    result = RULES[rule](columns, 1_700_000_000.0)
    assert (type(result), result) == (type(value), value)


def test_nothing_fed_in_is_zero_and_not_minus_zero():
    """Agents would write -0.0 as such."""
    assert repr(RULES["negative_part"]([[0.0]], 0.0)) == "0.0"


def test_rule_gives_the_type_of_its_metric():
    """For any values its inputs may have, cells that are missing included."""
    for metric in DERIVED:
        (series, *_) = catalog().expand(metric)
        columns = [
            [source.metric.value_type(20 + place) for place, source in enumerate(column)]
            for column in catalog().inputs(series)
        ]
        assert type(RULES[metric.rule](columns, 5.0)) is metric.value_type, metric.name
        if metric.rule in TOLERANT and len(columns[0]) > 1:
            columns[0][0] = None
            assert type(RULES[metric.rule](columns, 5.0)) is metric.value_type, metric.name


watts = st.floats(-1e5, 1e5)


@given(watts, watts)
def test_shares_stay_between_0_and_100(whole, grid):
    for rule in ("autarky", "self_consumption"):
        share = RULES[rule]([[whole], [grid]], 0.0)
        assert (share is None) == (whole < LEAST_WATTS)
        assert share is None or 0.0 <= share <= 100.0


@given(watts)
def test_import_and_export_are_the_two_halves_of_grid_power(grid):
    drawn, fed = (RULES[rule]([[grid]], 0.0) for rule in ("positive_part", "negative_part"))
    assert drawn - fed == grid
    assert min(drawn, fed) == 0.0
