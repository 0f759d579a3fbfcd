"""What entries of the event table say: the nineteen documented types, all others, and no secret."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rctclient.registry import REGISTRY

from rct_collector.catalog import TooManySeriesError, catalog
from rct_collector.drivers.rct import DRIVER, events
from rct_collector.drivers.rct.events import LONGEST_S, shown, values_of
from rct_collector.drivers.rct.frame import RESPONSE, Frame
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from rct_collector.drivers.rct.texts import EVENTS, FAULTS
from rct_collector.drivers.rct.tools.redact import _is_harmless

BY_NAME = {item.name: item for item in OBJECTS}
START = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
OFF = 0xFFFF_FFFF


def bits(value):
    return int.from_bytes(struct.pack(">f", value), "big")


def told(code, second, third=0, fourth=0, *, zone=UTC, begin=START):
    """Field → value."""
    found = values_of((code, begin, second, third, fourth), begin, zone)
    assert {series.metric.measurement for series, _ in found} == {"inverter_event"}
    assert {series.tags for series, _ in found} == {(("code", str(code)),)}
    assert all(type(value) is series.metric.value_type for series, value in found)
    fields = {series.metric.field: value for series, value in found}
    assert fields.pop("occurred") == 1
    return fields


END = START + 45


@pytest.mark.parametrize(
    ("code", "third", "text", "value"),
    [
        (49, bits(172.456), "grid voltage of phase 1 too low, level 2: 172.5 V", 172.456),
        (79, bits(180.0), "grid voltage of phase 1 too low for switching on: 180 V", 180.0),
        (80, bits(254.1), "grid voltage of phase 1 too high for switching on: 254.1 V", 254.1),
        (82, bits(50.25), "grid frequency too high for switching on: 50.25 Hz", 50.25),
        (83, bits(180.0), "grid voltage of phase 2 too low for switching on: 180 V", 180.0),
        (84, bits(255.0), "grid voltage of phase 2 too high for switching on: 255 V", 255.0),
        (87, bits(180.0), "grid voltage of phase 3 too low for switching on: 180 V", 180.0),
        (88, bits(255.0), "grid voltage of phase 3 too high for switching on: 255 V", 255.0),
        (89, 7, "surge, or a phase has failed", None),
        (90, 3, "disconnected from the grid of the household: case 3", 3.0),
        (99, 2, "phases not 120° apart: case 2", 2.0),
        (100, bits(512.5), "battery voltage too high: 512.5 V", 512.5),
        (107, 1, "battery silent on the CAN bus", None),
        (114, 40, "internal error of the battery: code 40", 40.0),
        (118, 5, "system reset", None),
        (120, 1, "grid voltage too high, fault ridden through", None),
        (121, 1, "grid voltage too low, fault ridden through", None),
    ],
)
def test_what_begins_and_ends_has_a_sentence_a_duration_and_what_was_measured(
    code, third, text, value
):
    measured = {} if value is None else {"value": value}
    expected = {"text": f"{text}, for 45.0 s", "duration_seconds": 45.0, **measured}
    assert told(code, END, third, OFF) == expected


def test_a_change_of_a_parameter_names_it_and_both_values():
    """The frame that rctclient's documentation shows."""
    assert told(115, 0xCE266F0F, 0x3D8F5C29, 0x3DCCCCCD) == {
        "text": "parameter changed: power_mng.soc_min from 7.0 % to 10.0 %",
        "object": "power_mng.soc_min",
        "old": "7.0 %",
        "new": "10.0 %",
    }


def test_an_update_tells_both_versions_and_no_end():
    assert told(119, 0, 4421, 5674) == {
        "text": "software updated: version 4421 to 5674",
        "old": "4421",
        "new": "5674",
    }


def test_the_nineteen_documented_types_are_told_of_in_words():
    assert len(EVENTS) == 19
    assert DRIVER.events is EVENTS
    assert set(EVENTS) < set(FAULTS)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (25, "event 25 (insulation too low / implausible), for 45.0 s"),
        (97, "event 97 (PIC main software not started), for 45.0 s"),
        (4711, "event 4711, for 45.0 s"),
        (OFF, "event 4294967295, for 45.0 s"),
    ],
)
def test_others_are_told_of_by_their_number_and_nothing_is_made_of_their_elements(code, text):
    assert told(code, END, bits(3.0), 4) == {"text": text, "duration_seconds": 45.0}


@pytest.mark.parametrize("second", [0, START - 1, START + LONGEST_S + 1, OFF])
def test_what_is_no_end_gives_no_duration(second):
    assert told(118, second) == {"text": "system reset"}


@pytest.mark.parametrize("raw", [0x7F800000, 0xFF800000, 0x7FC00000, 0x7F000000])
def test_what_is_no_number_gives_no_value(raw):
    text = "battery voltage too high, for 45.0 s"
    assert told(100, END, raw) == {"text": text, "duration_seconds": 45.0}


def test_a_duration_is_not_that_of_the_wall_clock_where_this_was_set_for_summer():
    zone = ZoneInfo("Europe/Berlin")
    begin = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp())  # 2:30 for the first time
    end = int(datetime(2026, 10, 25, 3, 30, tzinfo=UTC).timestamp())  # shown: 3:30, two hours later
    assert told(118, end, zone=zone, begin=begin)["duration_seconds"] == 7200.0
    twice = int(datetime(2026, 10, 25, 2, 10, tzinfo=UTC).timestamp())  # 40 minutes later at least
    assert told(118, twice, zone=zone, begin=begin)["duration_seconds"] == 2400.0


# -- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("power_mng.soc_max", bits(0.97), "97.0 %"),
        ("power_mng.soc_charge_power", bits(100.0), "100 W"),
        ("power_mng.soc_strategy", 4, "4 (internal)"),
        ("power_mng.soc_strategy", 9, "9"),
        ("power_mng.use_grid_power_enable", 1, "yes"),
        ("power_mng.use_grid_power_enable", 0, "no"),
        ("io_board.io1_s0_imp_per_kwh", 1000, "1000"),
        ("io_board.io1_s0_imp_per_kwh", 0xFFFFFC18, "-1000"),
        ("battery.status", 0xFFFFFFFF, "-1"),
        ("modbus.address", 7, "7"),
        ("modbus.address", 0x12345607, "0x12345607"),
        ("modbus.address", 0xFFFFFF07, "0xFFFFFF07"),
        ("power_mng.soc_max", 0x7FC00000, "0x7FC00000"),
        ("power_mng.bat_next_calib_date", START, "2026-11-20 12:00:00"),
        ("power_mng.bat_next_calib_date", 0, "never"),
    ],
)
def test_values_are_shown_as_what_their_object_is(name, raw, text):
    item = BY_NAME[name]
    assert shown(item, raw).startswith(text)
    assert told(115, item.oid, raw, raw)["old"] == shown(item, raw)


def test_a_secret_is_named_and_not_shown():
    for info in REGISTRY.all():
        found = told(115, info.object_id, 0x41424344, 0x45464748)
        assert found["object"] == info.name
        item = BY_OID.get(info.object_id)
        frame = Frame(RESPONSE, info.object_id, None, b"\x41\x42\x43\x44\0\0\0\0"[: _size(item)])
        if item is None or not _is_harmless(frame):
            assert found.keys() == {"text", "object"}
            assert found["text"] == f"parameter changed: {info.name}, values are not shown"
        values = "ABCD", "EFGH", "41424344", "45464748", str(0x41424344), str(0x45464748)
        if item is None:
            assert not any(value in str(found) for value in values)


def _size(item):
    return {"BOOL": 1, "UINT8": 1, "INT8": 1, "ENUM": 1, "UINT16": 2, "INT16": 2}.get(
        item.type.name if item else "", 4
    )


def test_an_object_that_nobody_knows_is_told_of_by_its_id():
    assert told(115, 0xBD870886, 1, 2) == {
        "text": "parameter changed: object 0xBD870886, values are not shown",
        "object": "object 0xBD870886",
    }


# -- any entry ---------------------------------------------------------------------------------

element = st.integers(0, OFF)
code = st.one_of(st.sampled_from([*EVENTS, 25, 97]), element)


@given(
    code, element, st.one_of(element, st.sampled_from([i.oid for i in OBJECTS])), element, element
)
def test_any_entry_is_one_sentence_with_values_of_their_types(kind, start, second, third, fourth):
    found = told(kind, second, third, fourth, begin=start)
    assert found["text"].isprintable()
    assert 0 <= found.get("duration_seconds", 0.0) <= LONGEST_S


def test_a_unit_that_tells_of_too_many_types_fills_no_memory(monkeypatch):
    def full(*_args, **_tags):
        raise TooManySeriesError

    monkeypatch.setattr(type(catalog()), "series", full)
    assert events.values_of((4712, START, END, 0, 0), START, UTC) == ()
