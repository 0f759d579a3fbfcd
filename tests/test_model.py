"""Names, units and types follow from each other, and collectd's names from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.model import (
    CollectdId,
    Kind,
    Metric,
    PollClass,
    Series,
    Unit,
    collectd_id,
    expand,
)

UNITS = [unit for unit in Unit if unit.word]


def metric(name: str, kind: Kind = Kind.GAUGE) -> Metric:
    measurement, field = name.split(".")
    return Metric(
        measurement=measurement,
        field=field,
        kind=kind,
        poll=PollClass.FAST,
        description="Something.",
        low=0.0,
        high=1.0,
    )


# -- units --------------------------------------------------------------------------------

#: Words that are no part of any unit.
words = st.sampled_from(["day", "grid", "cell", "l1", "power", "life", "2", "state_of"])


@given(st.lists(words).map("_".join), st.sampled_from(UNITS), st.sampled_from(["", "_total"]))
def test_unit_is_the_end_of_the_name(stem, unit, end):
    name = f"{stem}_{unit.word}" if stem else unit.word
    assert Unit.of_field(name + end) is unit


@given(st.lists(words, min_size=1).map("_".join), st.sampled_from(UNITS))
def test_unit_elsewhere_in_the_name_is_none(stem, unit):
    """Nor is the end of a longer word: kilowatts are no watts."""
    assert Unit.of_field(f"{unit.word}_{stem}") is Unit.NONE
    if "_" not in unit.word:
        assert Unit.of_field(f"kilo{unit.word}") is Unit.NONE


@given(st.text())
def test_any_name_has_one_unit(name):
    assert isinstance(Unit.of_field(name), Unit)


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("grid_watts", Unit.WATT),
        ("watt_hours_total", Unit.WATT_HOUR),
        ("day_watt_hours", Unit.WATT_HOUR),
        ("capacity_ampere_hours", Unit.AMPERE_HOUR),
        ("output_volt_amperes", Unit.VOLT_AMPERE),
        ("output_volt_amperes_reactive", Unit.VOLT_AMPERE_REACTIVE),
        ("current_amperes", Unit.AMPERE),
        ("celsius", Unit.CELSIUS),
        ("polls_total", Unit.NONE),
        ("state_code", Unit.NONE),
        ("impedance_raw", Unit.NONE),
        ("", Unit.NONE),
    ],
)
def test_units_by_example(field, unit):
    assert Unit.of_field(field) is unit
    assert metric(f"inverter_x.{field}").unit is unit


def test_units_are_distinct_and_have_a_range():
    assert len({unit.word for unit in Unit}) == len({unit.symbol for unit in UNITS}) + 1
    for unit in Unit:
        assert unit.low < unit.high


# -- metrics and series -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "value_type"),
    [
        ("inverter_x.grid_watts", Kind.GAUGE, float),
        ("inverter_x.impedance_raw", Kind.GAUGE, float),
        ("inverter_x.start_seconds", Kind.TIME, float),
        ("inverter_x.watt_hours_total", Kind.TOTAL, float),
        ("inverter_x.cycles_total", Kind.TOTAL, int),
        ("inverter_x.state_code", Kind.CODE, int),
        ("inverter_x.fault_word", Kind.WORD, int),
        ("inverter_x.up", Kind.FLAG, int),
        ("inverter_x.devices", Kind.COUNT, int),
        ("inverter.serial", Kind.TEXT, str),
    ],
)
def test_kind_and_unit_decide_the_type(name, kind, value_type):
    assert metric(name, kind).value_type is value_type


def test_series_is_written_with_its_tags_in_braces():
    item = metric("inverter_x.volts")
    assert str(Series(item)) == "inverter_x.volts"
    tags = (("cell", "3"), ("module", "0"))
    assert str(Series(item, tags)) == Series(item, tags).name == "inverter_x{cell=3,module=0}.volts"


def test_series_are_compared_by_identity():
    item = metric("inverter_x.volts")
    assert Series(item) != Series(item)
    assert len({Series(item), Series(item)}) == 2


def test_dimensions_expand_to_all_combinations_the_last_one_fastest():
    assert list(expand(())) == [()]
    assert list(expand((("a", ("1", "2")), ("b", ("x", "y"))))) == [
        (("a", "1"), ("b", "x")),
        (("a", "1"), ("b", "y")),
        (("a", "2"), ("b", "x")),
        (("a", "2"), ("b", "y")),
    ]


def test_poll_class_has_the_name_of_its_option():
    assert [poll.option for poll in PollClass] == ["fast", "medium", "slow", "static", "history"]


# -- collectd -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "tags", "expected"),
    [
        ("inverter_power.grid_watts", Kind.GAUGE, (), ("power", "grid")),
        ("inverter_power.output_volt_amperes", Kind.GAUGE, (), ("power", "output_apparent")),
        (
            "inverter_output.reactive_power_volt_amperes_reactive",
            Kind.GAUGE,
            (("phase", "l2"),),
            ("power", "output_l2_reactive"),
        ),
        (
            "inverter_output.apparent_power_filtered_volt_amperes",
            Kind.GAUGE,
            (("phase", "l2"),),
            ("power", "output_l2_filtered_apparent"),
        ),
        ("inverter_grid.voltage_volts", Kind.GAUGE, (("phase", "l1"),), ("voltage", "grid_l1")),
        ("inverter_grid.frequency_hertz", Kind.GAUGE, (), ("frequency", "grid")),
        ("inverter_energy.watt_hours_total", Kind.TOTAL, (("flow", "pv"),), ("energy_wh", "pv")),
        ("inverter_energy.day_watt_hours", Kind.GAUGE, (("flow", "pv"),), ("energy_wh", "pv_day")),
        (
            "inverter_temperature.celsius",
            Kind.GAUGE,
            (("sensor", "core"),),
            ("temperature", "core"),
        ),
        ("inverter_status.insulation_ohms", Kind.GAUGE, (), ("gauge", "status_insulation_ohms")),
        ("inverter_status.state_code", Kind.CODE, (), ("gauge", "status_state_code")),
        ("inverter_x.start_seconds", Kind.TIME, (), ("gauge", "x_start_seconds")),
        ("inverter_collector.up", Kind.FLAG, (), ("bool", "collector_up")),
        ("inverter.info", Kind.FLAG, (), ("bool", "info")),
        ("inverter_power.watts", Kind.GAUGE, (), ("power", "watts")),
        ("inverter_meter.watts", Kind.GAUGE, (("meter", "a-b.c d"),), ("power", "meter_a_b_c_d")),
        ("inverter_history.pv_watts", Kind.GAUGE, (("resolution", "5m"),), ("power", "5m_pv")),
    ],
)
def test_collectd_names_by_example(name, kind, tags, expected):
    """What the type says already is not said again; the unit is named where the type has none."""
    assert collectd_id(metric(name, kind), tags) == CollectdId(*expected)
    assert Series(metric(name, kind), tags).collectd == expected


def test_collectd_has_no_texts():
    assert Series(metric("inverter.serial", Kind.TEXT)).collectd is None
    assert metric("inverter.serial", Kind.TEXT).agents == ("telegraf",)
    assert metric("inverter_power.grid_watts").agents == ("telegraf", "collectd")
