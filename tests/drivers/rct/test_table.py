"""Laws over all rows: agreement with rctclient's registry, and with the catalogue."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from rctclient.registry import REGISTRY
from rctclient.types import DataType

from rct_collector.catalog import catalog
from rct_collector.drivers import BUILTIN, driver, families
from rct_collector.drivers.rct import DRIVER, table, texts, wire
from rct_collector.drivers.rct.table import BY_OID, LOGGER, OBJECTS, RctObject, obj, to
from rct_collector.drivers.voltronic.command import PROTOCOL
from rct_collector.drivers.voltronic.table import COMMANDS
from rct_collector.model import Kind, PollClass, Unit

READ = [item for item in OBJECTS if not item.logger]
HISTORY = [item for item in OBJECTS if item.logger]
BY_NAME = {item.name: item for item in OBJECTS}
FOUND = list(DRIVER.found())
SECOND_TOWER = "battery_placeholder[0]."

#: Where this table knows better: the registry takes the blobs of the second tower for texts.
OTHER_TYPES = {
    f"{SECOND_TOWER}{name}[{module}]": kind
    for name, kind in (
        ("cells", DataType.BATTERY_MODULE_STATUS),
        ("cells_resist", DataType.BATTERY_MODULE_RESISTANCE),
        ("cells_stat", DataType.BATTERY_MODULE_STATISTICS),
    )
    for module in range(7)
}


def feeds(item: RctObject) -> list[str]:
    return [series.name for binding in item.bindings for series in binding.series]


# -- the registry -------------------------------------------------------------------------


def test_objects_are_counted_and_distinct():
    assert (len(READ), len(HISTORY)) == (348, 45)
    assert len(BY_OID) == len(BY_NAME) == len(OBJECTS)


def test_registry_knows_every_object_by_the_same_name_id_and_type():
    for item in OBJECTS:
        info = REGISTRY.get_by_id(item.oid)
        theirs = OTHER_TYPES.get(item.name) or info.response_data_type
        assert (info.name, theirs) == (item.name, item.type)


def test_every_exception_is_still_one():
    for name in OTHER_TYPES:
        assert REGISTRY.get_by_name(name).response_data_type is DataType.STRING, name


def test_registry_has_the_same_unit():
    """With the scale: what the registry calls percent is a ratio on the wire."""
    words = {"Ohm": "Ω", "cos(Phi)": "", "Wp": "W", "days": "d"}
    for series, item, binding in FOUND:
        unit = REGISTRY.get_by_id(item.oid).unit
        ours = series.metric.unit
        if unit and item.type in wire.LENGTHS:
            assert ours.symbol == words.get(unit, unit), item.name
        assert (binding.scale == 100) == (ours is Unit.PERCENT), item.name


def test_logger_has_every_series_of_the_registry():
    names = {item.name for item in HISTORY}
    known = {
        info.name
        for info in REGISTRY.all()
        if info.response_data_type in (DataType.TIMESERIES, DataType.EVENT_TABLE)
    }
    assert names == known
    assert Counter(item.type for item in HISTORY) == {
        DataType.TIMESERIES: 44,
        DataType.EVENT_TABLE: 1,
    }
    assert list(LOGGER) == ["minutes", "day", "month", "year"]
    for item in HISTORY:
        assert REGISTRY.get_by_id(item.oid).request_data_type is DataType.INT32, item.name


def test_no_secret_can_be_read():
    secret = re.compile(r"passw|psw|pwd|key|secret|ssid", re.IGNORECASE)
    forbidden = {info.name: info.object_id for info in REGISTRY.all() if secret.search(info.name)}
    assert "wifi.password" in forbidden
    assert not set(forbidden) & set(BY_NAME)
    assert not set(forbidden.values()) & set(BY_OID)
    assert not [item.name for item in OBJECTS if secret.search(item.name)]


# -- the catalogue ------------------------------------------------------------------------


def test_no_series_is_fed_twice():
    counts = Counter(series for series, _, _ in FOUND)
    assert [series.name for series, count in counts.items() if count > 1] == []


def test_every_series_is_fed_or_derived_or_our_own():
    """Those of metrics that other families feed as well, or alone, are told of by these."""
    fed = {series for series, _, _ in FOUND}
    others = {b.series[0].metric for item in (PROTOCOL, *COMMANDS) for b in item.bindings}
    others |= {
        metric
        for family in families()
        if family.pushed
        for brought in family.pushed.records.values()
        for metric in brought
    }
    others |= {metric for kept in DRIVER.history.kept.values() for metric in kept.metrics}
    fed |= {series for series, _, _ in DRIVER.history.found()}
    for series in catalog():
        if series.metric in others and series not in fed:
            continue
        ways = [series in fed, bool(series.metric.inputs), series.metric.own]
        assert sum(ways) == 1, series.name
    assert fed <= set(catalog())


def test_everything_read_is_published():
    assert [item.name for item in READ if not item.bindings] == []
    assert [item.name for item in HISTORY if item.bindings] == []


def test_wire_type_suits_the_metric():
    """A float never becomes an integer, nor a text a number, nor a flag or code a float."""
    for series, item, binding in FOUND:
        published = series.metric.value_type
        assert (item.type is DataType.STRING) == (published is str), item.name
        if item.type is DataType.FLOAT or binding.scale != 1:
            assert published is float, item.name
        if item.type in (DataType.BOOL, DataType.ENUM):
            assert published is int, item.name


def test_each_binding_gives_one_value_per_series():
    for item in READ:
        raw = wire.decode(item.type, bytes(wire.LENGTHS.get(item.type, 1)))
        for binding in item.bindings:
            assert len(binding.convert(raw, None)) == len(binding.series), item.name


@pytest.mark.slow
def test_index_is_the_place_of_the_tag():
    """The n-th of several like objects feeds the n-th phase, string or module."""
    checked = 0
    for series, item, _ in FOUND:
        match = re.search(r"\[(\d)\]", item.name.removeprefix(SECOND_TOWER))
        if not match or item.name.startswith(("fault[", "grid_pll[")):
            continue
        checked += 1
        if series.metric.kind is Kind.TEXT:
            assert f"_module_{match[1]}_" in series.metric.field, item.name
            continue
        places = [
            values.index(dict(series.tags)[key])
            for key, values in catalog().dimensions(series.metric)
            if key not in ("battery", "cell")
        ]
        assert places == [int(match[1])], item.name
    assert checked > 1000  # most of them cells


def test_towers_are_kept_apart():
    for series, item, _ in FOUND:
        tower = "1" if item.name.startswith(SECOND_TOWER) else "0"
        assert dict(series.tags).get("battery", tower) == tower, item.name
        if series.metric.kind is Kind.TEXT and "battery" in series.metric.field:
            assert series.metric.field.startswith(f"battery_{tower}_"), item.name


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("battery.soc", ["inverter_battery{battery=0}.soc_percent"]),
        ("g_sync.p_ac[1]", ["inverter_output{phase=l2}.power_watts"]),
        ("g_sync.u_ptp_rms[2]", ["inverter_grid_pair{pair=3}.voltage_volts"]),
        ("dc_conv.dc_conv_struct[1].p_dc_lp", ["inverter_string{string=b}.power_watts"]),
        ("db.core_temp", ["inverter_temperature{sensor=core}.celsius"]),
        ("p_rec_lim[1]", ["inverter_reserve{reserve=battery_to_grid}.limit_watts"]),
        ("energy.e_grid_feed_total", ["inverter_energy{flow=grid_export}.watt_hours_total"]),
        ("energy.e_grid_load_day", ["inverter_energy{flow=grid_import}.day_watt_hours"]),
        ("energy.e_ext_year", ["inverter_energy{flow=external}.year_watt_hours"]),
        ("battery.used_energy", ["inverter_energy{flow=battery_discharge}.watt_hours_total"]),
        ("prim_sm.island_flag", ["inverter_status.island_word", "inverter_status.grid_separated"]),
        ("battery.module_sn[6]", ["inverter.battery_0_module_6_serial"]),
        (
            "fault[2].flt",
            [
                "inverter_status.fault_word_2",
                *(f"inverter_fault{{fault={bit}}}.active" for bit in range(64, 96)),
            ],
        ),
        (
            "battery_placeholder[0].cells_resist[3]",
            [
                f"inverter_battery_cell{{battery=1,cell={cell},module=3}}.resistance_ohms"
                for cell in range(24)
            ],
        ),
    ],
)
def test_feeds_by_example(name, series):
    assert feeds(BY_NAME[name]) == series


@pytest.mark.parametrize(
    ("metric", "counts_up", "words"),
    [
        ("inverter_battery.cycles_total", "", "counted up"),
        ("inverter_battery.capacity_ampere_hours", table._CYCLES, "counted up"),
        ("inverter_battery.cycles_total", "It is known.", "no sentence that tells why"),
        ("inverter_battery.cycles_total", table._CYCLES.rstrip("."), "no sentence"),
    ],
)
def test_every_total_says_how_it_is_known_that_the_unit_only_counts_it_up(metric, counts_up, words):
    row = obj(
        "battery.x",
        "00000001",
        DataType.FLOAT,
        "always",
        to(metric, battery="0", counts_up=counts_up),
    )
    with pytest.raises(ValueError, match=words):
        list(table._objects(row))


@pytest.mark.parametrize("flow", ["output", "external"])
def test_flows_that_run_both_ways_feed_no_total(flow):
    fields = [s.metric.field for s, _, _ in FOUND if ("flow", flow) in s.tags]
    assert sorted(fields) == [
        "balance_watt_hours",
        "day_watt_hours",
        "month_watt_hours",
        "year_watt_hours",
    ]


def test_feed_in_is_turned_round_and_nothing_else():
    turned = {item.name for item in READ for binding in item.bindings if binding.scale < 0}
    assert turned == {
        f"energy.e_grid_feed_{period}" for period in ("day", "month", "year", "total")
    }


# -- order, conditions, long answers ------------------------------------------------------


def test_power_flow_is_asked_for_first_and_in_one_go():
    """So that the balance of pv, battery, grid and load is one of the same moment."""
    assert [item.name for item in OBJECTS[:7]] == [
        "dc_conv.dc_conv_struct[0].p_dc_lp",
        "dc_conv.dc_conv_struct[1].p_dc_lp",
        "g_sync.p_acc_lp",
        "g_sync.p_ac_grid_sum_lp",
        "g_sync.p_ac_load_sum_lp",
        "g_sync.p_ac_sum",
        "io_board.s0_external_power",
    ]
    for item in OBJECTS[:7]:
        assert [b.series[0].metric.poll for b in item.bindings] == [PollClass.FAST]


def test_conditions_exist_and_are_used():
    assert {item.condition for item in OBJECTS} == set(DRIVER.conditions)


def test_what_decides_can_be_read_and_is_not_ruled_out_from_the_start():
    """Else a unit of which nothing is known would never be asked."""
    for condition in DRIVER.conditions.values():
        for fact in condition.inputs:
            item = BY_NAME[fact]
            assert not item.logger
            assert DRIVER.conditions[item.condition].test({}) is not False


def test_long_answers_and_only_they_are_asked_for_alone():
    long = {DataType.STRING, *(kind for kind in DataType if kind >= DataType.TIMESERIES)}
    for item in OBJECTS:
        assert item.exclusive == (item.type in long), item.name


def test_logger_is_never_polled():
    for item in HISTORY:
        assert item.poll is PollClass.HISTORY
    assert not {item.poll for item in READ} & {PollClass.HISTORY}


def test_codes_are_explained_by_the_words_of_the_registry():
    assert set(texts.FAULTS) == set(range(128))
    for name, words in texts.CODES.items():
        assert BY_NAME[name].type is DataType.ENUM
        assert set(REGISTRY.get_by_name(name).enum_map or words) == set(words), name


# -- the driver ---------------------------------------------------------------------------


def test_driver_is_found_by_its_name():
    assert "rct" in BUILTIN
    assert driver("rct") is DRIVER
    assert DRIVER.name == DRIVER.vendor == "rct"
    with pytest.raises(KeyError):
        driver("none")


def test_query_is_found_by_its_name():
    assert DRIVER.query("battery.soc") is BY_NAME["battery.soc"]
    with pytest.raises(KeyError):
        DRIVER.query("wifi.password")


def test_messages_name_an_object_with_its_id():
    assert BY_NAME["battery.soc"].label == "battery.soc (0x959930BF)"


def test_deciding_objects_are_those_of_the_conditions_and_of_the_identity():
    names = {item.name for item in DRIVER.deciding()}
    inputs = {name for condition in DRIVER.conditions.values() for name in condition.inputs}
    assert names == inputs | {"inverter_sn", "svnversion"}


# -- mistakes in a row --------------------------------------------------------------------


def test_row_with_too_few_ids_is_refused():
    with pytest.raises(ValueError, match="3 objects, but 2 ids"):
        obj("x[0..2].y", "1 2", DataType.FLOAT, "always")


def test_row_that_feeds_more_series_than_it_has_objects_is_refused():
    row = obj("x", "1", DataType.FLOAT, "always", to("inverter_output.power_watts"))
    with pytest.raises(ValueError, match="3 series for 1 objects"):
        list(table._objects(row))
